import { createRecentCallers } from "@pelikuni/runtime/recent-callers";
import { createTurns, type Turns } from "@pelikuni/runtime/turns";
import type { FastifyRequest } from "fastify";

/** Does what a request asks for when its client's turn has come. */
export type TakeTurn = <T>(request: FastifyRequest, work: () => Promise<T>) => Promise<T>;

// Enough for the calls a second that one caller may make, as long as each takes less than 32 ms.
const callsPerClientMax = 32;

/**
 * Lets so many calls of one client be under way at once while there are others; what is more waits,
 * so that the calls of the others do not stand behind hundreds of his. Who he is, the services find
 * out: here his credentials are a name. Made-up ones get him nothing: each is refused, in a moment.
 */
export function createClientTurns(): TakeTurn {
  const turnsOf = new Map<string, Turns>();
  const recent = createRecentCallers();
  const mostOf = (client: string): number =>
    recent.hasOthersThan(client, performance.now()) ? callsPerClientMax : Number.POSITIVE_INFINITY;
  return async (request, work) => {
    const { authorization } = request.headers;
    if (authorization === undefined) return await work();
    recent.note(authorization, performance.now());
    const known = turnsOf.get(authorization);
    const turns = known ?? createTurns(() => mostOf(authorization));
    if (known === undefined) turnsOf.set(authorization, turns);
    try {
      return await turns.run(1, work);
    } finally {
      if (turns.isIdle()) turnsOf.delete(authorization);
    }
  };
}
