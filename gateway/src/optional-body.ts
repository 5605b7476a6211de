import type { RestServer } from "./http-server.ts";

/** The option of a body's schema that says that the body may be left out: it is then this one. */
export const optionalBody = { default: {} };

/** Whether a schema is that of a body that may be left out. */
export function isOptionalBody(schema: unknown): boolean {
  return typeof schema === "object" && schema !== null && "default" in schema;
}

/** Gives the routes that come after it the bodies that requests may leave out. */
export function supplyOptionalBodies(app: RestServer): void {
  app.addHook("onRoute", (route) => {
    if (!isOptionalBody(route.schema?.body)) return;
    route.preValidation = (request, _reply, done) => {
      request.body ??= {};
      done();
    };
  });
}
