import { setTimeout as pause } from "node:timers/promises";

/** Makes one call with a token, and tells "OK" or why it was refused. */
export type Ask = (token: string) => Promise<string>;

/** Who calls during a run. */
export interface CredentialLoad {
  /** The ways in, by name. */
  readonly asks: Readonly<Record<string, Ask>>;
  /** Tokens that are good at present: a call has to be accepted if its token is so until its end. */
  readonly valid: () => readonly string[];
  /** Tokens that must never be, by what is wrong with them. */
  readonly invalid: () => ReadonlyMap<string, string>;
  /** How many callers of each kind each way has; each has one call at a time. */
  readonly callers: { readonly valid: number; readonly invalid: number };
}

/** What one way in came to. */
export interface WayFigures {
  readonly accepted: number;
  readonly refused: number;
  /** Of those, how often the key to check a token with could not be fetched. */
  readonly undecided: number;
  readonly slowestAcceptedMs: number;
  /** How often what went wrong; empty when nothing did. */
  readonly findings: Readonly<Record<string, number>>;
}

const refusals = new Set(["UNAUTHENTICATED", "AUTHENTICATION_UNAVAILABLE"]);
// Below what one caller may call in a second.
const betweenCallsMs = 10;

/** Calls in all ways until the signal, valid and invalid tokens beside each other. */
export async function runCredentialLoad(
  { asks, valid, invalid, callers }: CredentialLoad,
  over: AbortSignal,
): Promise<Record<string, WayFigures>> {
  const figures = Object.entries(asks).map(async ([name, ask]): Promise<[string, WayFigures]> => {
    const counts = { accepted: 0, refused: 0, undecided: 0, slowestAcceptedMs: 0, findings: {} };
    const find = (text: string): void => count(counts.findings, text);
    const callValid = async (turn: number): Promise<void> => {
      const tokens = valid();
      const token = tokens[turn % tokens.length];
      if (token === undefined) return;
      const startMs = performance.now();
      const outcome = await ask(token);
      if (outcome !== "OK") {
        if (valid().includes(token)) find(`a valid token: ${outcome}`);
        return;
      }
      counts.accepted += 1;
      counts.slowestAcceptedMs = Math.max(counts.slowestAcceptedMs, performance.now() - startMs);
    };
    const callInvalid = async (turn: number): Promise<void> => {
      const tokens = [...invalid()];
      const [flaw, token] = tokens[turn % tokens.length] ?? ["no token", ""];
      const outcome = await ask(token);
      if (!refusals.has(outcome)) return find(`a token ${flaw}: ${outcome}`);
      counts.refused += 1;
      if (outcome !== "UNAUTHENTICATED") counts.undecided += 1;
    };
    await Promise.all([
      ...Array.from({ length: callers.valid }, () => repeat(callValid, over)),
      ...Array.from({ length: callers.invalid }, () => repeat(callInvalid, over)),
    ]);
    return [name, counts];
  });
  return Object.fromEntries(await Promise.all(figures));
}

async function repeat(call: (turn: number) => Promise<void>, over: AbortSignal): Promise<void> {
  for (let turn = 0; !over.aborted; turn += 1) {
    await call(turn);
    await pause(betweenCallsMs);
  }
}

function count(counts: Record<string, number>, text: string): void {
  counts[text] = (counts[text] ?? 0) + 1;
}
