import { type Belongings, nobodysBelongings, withoutIds } from "./belongings.ts";
import type { Credentials } from "./credentials.ts";

/**
 * What a user without the scope is answered about somebody else's things: a refusal, the same as
 * about what does not exist where its reason ends in _NOT_FOUND; or an answer without them, the
 * same as of a user who has nothing; or nothing at all for as long as he listens.
 */
export type ForeignAnswer =
  | "PERMISSION_DENIED"
  | "WALLET_NOT_FOUND"
  | "HOLD_NOT_FOUND"
  | "TRANSACTION_NOT_FOUND"
  | "left out"
  | "silence";

/** Who may do one thing. */
export interface AccessRule {
  /** Without it the thing is for everybody who has said who he is. */
  readonly scope?: string;
  /** Whether it is for everybody, whoever he is. */
  readonly open?: boolean;
  /** Set when users may do it without the scope, with what is their own. */
  readonly foreign?: ForeignAnswer;
  /** Why it is refused even to who may do it. */
  readonly refusal?: string;
}

/** What a caller gets for one try, in whatever protocol. */
export interface Answer {
  /** "OK", or what the door's `refused` says of a reason. */
  readonly outcome: string;
  /** All that he can see of it. */
  readonly shown: string;
}

/** One way of doing one thing. */
export interface Door {
  /** Does it with what belongs to somebody. */
  ask(belongings: Belongings, authorization: string | undefined): Promise<Answer>;
  /** The outcome of a refusal for this reason. */
  refused(reason: string): string;
}

/** Who tries a door: values of the Authorization header. */
export interface Tries {
  readonly unaccepted: Credentials;
  /** A machine that is called like the owner, and has all scopes but the rule's. */
  readonly lacking: string;
  /** The owner, without any scope. */
  readonly user: string;
  /** The owner, with the rule's scope. */
  readonly userWithScope: string;
  /** A machine with all scopes. */
  readonly operator: string;
  /** What is the owner's. */
  readonly own: Belongings;
  /** What is another user's. */
  readonly foreign: Belongings;
}

/** A door with those who try it. */
export interface TriedDoor {
  readonly name: string;
  readonly door: Door;
  readonly tries: Tries;
}

/** What was tried, and all that was answered wrongly. */
export interface Checked {
  readonly cells: number;
  readonly findings: readonly string[];
}

interface Cell {
  readonly who: string;
  readonly belongings: Belongings;
  readonly authorization: string | undefined;
  /** The reason for which it is refused, or OK. */
  readonly expected: string;
}

const foreigner = "a user with what is another's";
const seeker = "a user with what does not exist";

/**
 * Tries several doors to one thing with all kinds of callers.
 *
 * @param readWritten everything that is written down; after each refusal it must be as it was
 */
export async function checkDoors(
  doors: readonly TriedDoor[],
  rule: AccessRule,
  readWritten: () => Promise<string>,
): Promise<Checked> {
  const before = await readWritten();
  // All at once, since who is not known is answered after a moment only.
  const strangers = await Promise.all(doors.map((each) => checkStrangers(each, rule)));
  const checks = [...strangers];
  if ((await readWritten()) !== before) {
    checks.push({ cells: 0, findings: ["something was written for one who is not known"] });
  }
  for (const each of doors) checks.push(await checkCallers(each, rule, readWritten));
  return {
    cells: checks.reduce((sum, { cells }) => sum + cells, 0),
    findings: checks.flatMap(({ findings }) => findings),
  };
}

/** Those who do not say who they are, or lie. */
async function checkStrangers(
  { name, door, tries }: TriedDoor,
  { open, refusal }: AccessRule,
): Promise<Checked> {
  const expected = open ? (refusal ?? "OK") : "UNAUTHENTICATED";
  const wanted = outcomeOf(expected, door);
  const tried = [...tries.unaccepted].map(async ([who, authorization]) => {
    const { outcome, shown } = await door.ask(tries.own, authorization);
    return outcome === wanted ? [] : [`${name}, ${who}: ${outcome} instead of ${wanted}, ${shown}`];
  });
  return { cells: tried.length, findings: (await Promise.all(tried)).flat() };
}

/** Those who say who they are, one after the other. */
async function checkCallers(
  { name, door, tries }: TriedDoor,
  rule: AccessRule,
  readWritten: () => Promise<string>,
): Promise<Checked> {
  const findings: string[] = [];
  const answers = new Map<string, string>();
  const cells = cellsOf(rule, tries);
  let written = await readWritten();
  for (const { who, belongings, authorization, expected } of cells) {
    const { outcome, shown } = await door.ask(belongings, authorization);
    answers.set(who, withoutIds(`${outcome} ${shown}`, belongings));
    const wanted = outcomeOf(expected, door);
    if (outcome !== wanted) findings.push(`${who}: ${outcome} instead of ${wanted}, ${shown}`);
    const before = written;
    written = await readWritten();
    if (expected !== "OK" && written !== before) {
      findings.push(`${who}: ${outcome}, and something was written`);
    }
    const lacksScope = expected === "PERMISSION_DENIED" && expected !== rule.foreign;
    if (lacksScope && !shown.includes(rule.scope ?? "")) {
      findings.push(`${who}: the missing scope is not named, ${shown}`);
    }
  }
  const [others, nobodys] = [answers.get(foreigner), answers.get(seeker)];
  if (nobodys !== undefined && others !== nobodys) {
    findings.push(`another's: ${others}, what does not exist: ${nobodys}`);
  }
  return { cells: cells.length, findings: findings.map((each) => `${name}, ${each}`) };
}

function outcomeOf(expected: string, door: Door): string {
  return expected === "OK" ? expected : door.refused(expected);
}

function cellsOf(rule: AccessRule, tries: Tries): Cell[] {
  const { own, foreign, user } = tries;
  const granted = rule.refusal ?? "OK";
  const denied = rule.scope === undefined ? granted : "PERMISSION_DENIED";
  return [
    {
      who: "a machine called like the owner, without the scope",
      authorization: tries.lacking,
      belongings: own,
      expected: denied,
    },
    {
      who: "a user with what is his own",
      authorization: user,
      belongings: own,
      expected: rule.foreign ? granted : denied,
    },
    ...foreignCells(rule.foreign ?? denied, tries),
    {
      who: "a user with the scope",
      authorization: tries.userWithScope,
      belongings: foreign,
      expected: granted,
    },
    {
      who: "a machine with all scopes",
      authorization: tries.operator,
      belongings: own,
      expected: granted,
    },
  ];
}

function foreignCells(answer: string, { user, foreign }: Tries): Cell[] {
  if (answer === "silence") return [];
  const expected = answer === "left out" ? "OK" : answer;
  const others = { who: foreigner, authorization: user, belongings: foreign, expected };
  if (answer !== "left out" && !answer.endsWith("_NOT_FOUND")) return [others];
  return [others, { ...others, who: seeker, belongings: nobodysBelongings(foreign) }];
}
