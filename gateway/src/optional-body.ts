import type { FastifyReply, FastifyRequest } from "fastify";

/** The options of a route whose body may be left out: it is then an empty one. */
export const bodyOptional = {
  preValidation: (request: FastifyRequest, _reply: FastifyReply, done: () => void): void => {
    request.body ??= {};
    done();
  },
};
