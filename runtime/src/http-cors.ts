import type { IncomingMessage, ServerResponse } from "node:http";
import { cors } from "@connectrpc/connect";

const preflightMaxAgeSeconds = 7_200;

/**
 * Lets pages of the given origins call from a browser.
 * @returns whether the request was a preflight and is answered
 */
export function answerCors(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): boolean {
  const { origin, "access-control-request-method": asksForMethod } = request.headers;
  if (origin === undefined) return false;
  response.setHeader("vary", "Origin");
  const allowed = origins.includes(origin);
  if (allowed) {
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
  }
  if (request.method !== "OPTIONS" || asksForMethod === undefined) return false;
  if (allowed) {
    const headers = [...cors.allowedHeaders, "Authorization"];
    response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
    response.setHeader("access-control-allow-headers", headers.join(", "));
    response.setHeader("access-control-max-age", preflightMaxAgeSeconds);
  }
  response.writeHead(204).end();
  return true;
}
