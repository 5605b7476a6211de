import { isLoopbackHost } from "@pelikuni/runtime/port";
import type { RestServer } from "./http-server.ts";
import { RestRefusal } from "./rest-errors.ts";

/**
 * Refuses what a page of another site sends from a browser: it need not read the answer to have a
 * wallet closed, and a request without a body is sent without asking first.
 *
 * @param open whether nobody is asked who he is: the page's own name may then lead to this machine
 */
export function refuseForeignPages(app: RestServer, open: boolean): void {
  app.addHook("onRequest", ({ method, headers }, _reply, done) => {
    const reads = method === "GET" || method === "HEAD" || method === "OPTIONS";
    if (!reads && headers["sec-fetch-site"] === "cross-site") {
      done(foreign("This was sent by a page of another site"));
    } else if (open && !isLoopbackHost(headers.host)) {
      done(foreign("Call this machine as localhost or 127.0.0.1: nobody is asked who he is here"));
    } else done();
  });
}

function foreign(detail: string): RestRefusal {
  return new RestRefusal(403, { reason: "FOREIGN_PAGE", detail });
}
