import { Code, type ConnectError } from "@connectrpc/connect";
import { errorReason } from "../rpc-errors.ts";
import { rateLimitedReason } from "./caller-limits.ts";

/**
 * Holds refusals back for a moment. Whoever repeats a refused call at once could otherwise keep a
 * processor busy with refusing him.
 */
export interface HeldRefusals {
  /** Rejects with the error: after a moment when it is one that is cheap to ask for again. */
  reject(error: ConnectError): Promise<never>;
  /** Lets all go that are held, and holds none from now on. */
  letGo(): void;
}

// So that about 250 leave a second however many callers repeat theirs at once: checking a forged
// token costs a third of a millisecond. Who is refused while nobody else is hears it soon.
const holdMinMs = 100;
const holdMsPerHeld = 4;
const holdMaxMs = 2_000;
// About 5 KB each, with the call that waits for it. Whoever is refused beyond hears it at once.
const heldMax = 4_096;

/** Creates it with none held. */
export function createHeldRefusals(): HeldRefusals {
  const held = new Map<NodeJS.Timeout, () => void>();
  let holds = true;
  return {
    async reject(error) {
      if (holds && isCheap(error) && held.size < heldMax) {
        const holdMs = Math.min(holdMaxMs, holdMinMs + holdMsPerHeld * held.size);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            held.delete(timer);
            resolve();
          }, holdMs);
          held.set(timer, resolve);
        });
      }
      throw error;
    },
    letGo() {
      holds = false;
      for (const [timer, resolve] of held) {
        clearTimeout(timer);
        resolve();
      }
      held.clear();
    },
  };
}

/** Whether the call was refused before anything was done for it. */
function isCheap(error: ConnectError): boolean {
  if (error.code === Code.Unauthenticated) return true;
  return error.code === Code.ResourceExhausted && errorReason(error) === rateLimitedReason;
}
