import { hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testRules } from "../test/test-rules.ts";
import { type SentStep, sentSteps, WalletModel, written } from "../test/wallet-model.ts";
import { type DecidedGroup, decideGroup, type Request, type Verdict } from "./command-group.ts";
import { noItems } from "./command-inputs.ts";
import { fund, transfer } from "./decide/command.ts";
import { splitEvents } from "./journal-store.ts";
import { add, formatAmount, parseAmount, zero } from "./money.ts";
import { requestKey } from "./request-key.ts";
import type { RecordedWallet } from "./wallet-events.ts";

/** What Postgres is to the engine, in a map: applies groups, remembers keys. */
class Ledger {
  readonly wallets = new Map<string, RecordedWallet>();
  readonly events: Uint8Array[] = [];
  readonly #keys = new Map<string, { fingerprint: string; balances: string[] }>();
  #segments = 0;

  decide(requests: readonly Request[]): DecidedGroup {
    this.#segments += 1;
    const segmentId = `00000000-0000-7000-8000-${this.#segments.toString(16).padStart(8, "0")}0000`;
    return decideGroup(requests, {
      walletOf: (walletId) => this.wallets.get(walletId),
      items: noItems,
      rules: testRules,
      segmentId,
      nowMs: 1_764_000_000_000 + ((this.#segments * 7_919) % 1_000),
    });
  }

  /** Answers as the commit call does: requests with a known key first, the others decided again. */
  run(requests: readonly Request[]): string[] {
    const repeats = requests.map((request) => this.#repeat(request));
    const fresh = requests.filter((_, index) => repeats[index] === undefined);
    const { verdicts, toCommit } = this.decide(fresh);
    for (const wallet of [...toCommit.created, ...toCommit.changed]) {
      this.wallets.set(wallet.id, wallet);
    }
    const balancesOf = new Map(
      verdicts.flatMap((verdict) =>
        "event" in verdict ? [[verdict.event.transactionId, balances(verdict)] as const] : [],
      ),
    );
    for (const { key, fingerprint, transactionId } of toCommit.keys) {
      const print = Buffer.from(fingerprint).toString("hex");
      this.#keys.set(key, { fingerprint: print, balances: balancesOf.get(transactionId) ?? [] });
    }
    this.events.push(...splitEvents(toCommit.events));
    const answers = verdicts.values();
    return repeats.map((repeat) => repeat ?? answerOf(answers.next().value));
  }

  #repeat({ requestKey: request }: Request): string | undefined {
    const first = request && this.#keys.get(request.key);
    if (!request || !first) return undefined;
    const same = first.fingerprint === Buffer.from(request.fingerprint).toString("hex");
    return same ? first.balances.join() : "REQUEST_ID_REUSED";
  }
}

function balances(verdict: Extract<Verdict, { event: unknown }>): string[] {
  return verdict.event.wallets.map(({ balance }) => formatAmount(balance));
}

function answerOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) throw new Error("A request has no verdict.");
  if ("refusal" in verdict) return verdict.refusal.reason;
  return "reused" in verdict ? "REQUEST_ID_REUSED" : balances(verdict).join();
}

let created = 0;

/** Sends steps in groups; each group must answer as the model does one by one. */
function play(groups: readonly (readonly SentStep[])[]): { ledger: Ledger; model: WalletModel } {
  const ledger = new Ledger();
  const model = new WalletModel();
  for (const group of groups) {
    const requests: Request[] = [];
    const expected: string[] = [];
    for (const { step, requestId } of group) {
      created += 1;
      const command = model.commandOf(step, `wallet-${created}`);
      const key = requestId === "" ? undefined : requestKey("", requestId, command);
      requests.push({ command, requestId, requestKey: key });
      const outcome = model.expect(command, requestId);
      expected.push("refused" in outcome ? outcome.refused : outcome.balances.join());
    }
    expect(ledger.run(requests)).toEqual(expected);
  }
  return { ledger, model };
}

const histories = fc.array(fc.array(sentSteps, { maxLength: 12 }), { maxLength: 12 });
const runs = { numRuns: 1_500 };

test("groups answer like one command after the other, repeats included", () => {
  fc.assert(
    fc.property(histories, (groups) => void play(groups)),
    runs,
  );
});

test("money is conserved, and no balance is ever below zero", () => {
  fc.assert(
    fc.property(histories, (groups) => {
      const { ledger, model } = play(groups);
      let sum = zero;
      for (const { balance } of ledger.wallets.values()) {
        expect(balance.isNegative()).toBe(false);
        sum = add(sum, balance);
      }
      expect(formatAmount(sum)).toBe(written(model.funded));
    }),
    runs,
  );
});

test("versions grow by one, heads chain, time never runs back, and legs alone rebuild wallets", () => {
  fc.assert(
    fc.property(histories, (groups) => {
      const { ledger } = play(groups);
      const last = new Map<string, { version: bigint; head: string; at: bigint }>();
      const rebuilt = new Map<string, typeof zero>();
      for (const bytes of ledger.events) {
        const event = fromBinary(WalletEventSchema, bytes);
        const at =
          (event.occurredAt?.seconds ?? 0n) * 1_000_000_000n + BigInt(event.occurredAt?.nanos ?? 0);
        for (const change of event.changes) {
          const before = last.get(change.walletId);
          expect(change.version).toBe(before === undefined ? 0n : before.version + 1n);
          expect(Buffer.from(change.previousHead).toString("hex")).toBe(before?.head ?? "");
          expect(at).toBeGreaterThanOrEqual(before?.at ?? 0n);
          const head = hash("sha256", bytes, "hex");
          last.set(change.walletId, { version: change.version, head, at });
          rebuilt.set(change.walletId, rebuilt.get(change.walletId) ?? zero);
        }
        for (const { from, to, amount } of event.legs) {
          const moved = parseAmount(amount) ?? zero;
          if (from?.side.case === "walletId") {
            rebuilt.set(
              from.side.value,
              add(rebuilt.get(from.side.value) ?? zero, moved.negated()),
            );
          }
          if (to?.side.case === "walletId") {
            rebuilt.set(to.side.value, add(rebuilt.get(to.side.value) ?? zero, moved));
          }
        }
      }
      for (const wallet of ledger.wallets.values()) {
        expect(last.get(wallet.id)?.version).toBe(wallet.version);
        expect(last.get(wallet.id)?.head).toBe(Buffer.from(wallet.head).toString("hex"));
        expect(formatAmount(rebuilt.get(wallet.id) ?? zero)).toBe(formatAmount(wallet.balance));
      }
    }),
    runs,
  );
});

test("every wallet that a request looked at is compared, absent ones and those of refusals too", () => {
  const ledger = new Ledger();
  ledger.run([{ ...plain({ kind: "createWallet", walletId: "a", userId: "u", currency: "USD" }) }]);
  const one = parseAmount("1") ?? zero;
  const { toCommit } = ledger.decide([
    plain(transfer("a", "absent", one)),
    plain(fund("gone", one)),
  ]);
  expect(toCommit.eventCount).toBe(0);
  expect(toCommit.seen.map(({ id, state }) => [id, state?.version])).toEqual([
    ["a", 0n],
    ["absent", undefined],
    ["gone", undefined],
  ]);
});

function plain(command: Request["command"]): Request {
  return { command, requestId: "", requestKey: undefined };
}
