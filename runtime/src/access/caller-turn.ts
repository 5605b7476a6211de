import { type ContextValues, createContextKey } from "@connectrpc/connect";
import type { Turn } from "../turns.ts";

/** The turn of a call whose caller has them, among the others of his that are at work. */
export const callerTurnKey = createContextKey<Turn>(
  { pause: (wait) => wait() },
  { description: "the call's turn among its caller's" },
);

/** Waits for something without keeping the caller's other calls from their turns. */
export function waitOutsideTurn<T>(
  { values }: { readonly values: ContextValues },
  wait: () => Promise<T>,
): Promise<T> {
  return values.get(callerTurnKey).pause(wait);
}
