import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findUsedReferences, referencesOf } from "./account-reference.ts";
import type { Request, Verdict } from "./command-group.ts";
import type { WaitingRequest } from "./repeated-requests.ts";

/**
 * Refuses the requests whose reference has acted before, in a transaction of an earlier group.
 *
 * @param verdicts what the requests were about to do, in their order
 * @returns the others
 */
export async function refuseUsedReferences<Waiting extends Request & WaitingRequest>(
  pool: DatabaseClient,
  waiting: readonly Waiting[],
  verdicts: readonly Verdict[],
): Promise<Waiting[]> {
  const hashes = waiting.map(({ details }, index) => {
    const verdict = verdicts[index];
    return verdict && "event" in verdict ? referencesOf(verdict.decision.legs, details) : [];
  });
  const used = await pool.read((sql) => findUsedReferences(sql, hashes.flat()));
  return waiting.filter((request, index) => {
    const hash = hashes[index]?.find((each) => used.has(each));
    const transactionId = hash === undefined ? undefined : used.get(hash);
    if (transactionId === undefined) return true;
    request.resolve({ refusal: { reason: "REFERENCE_ALREADY_USED", transactionId } });
    return false;
  });
}
