import { isUtf8 } from "node:buffer";
import type { RequestListener, ServerOptions } from "node:http";
import { createServer, type Server } from "node:https";
import type { Socket } from "node:net";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { Logger } from "@pelikuni/runtime/logger";
import { dataHeaders } from "@pelikuni/runtime/security-headers";
import type { PortTls } from "@pelikuni/runtime/tls-port";
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from "fastify";
import { internalRefusal, refusalOfBytes, refusalOfFailure } from "./http-errors.ts";
import { createRouteTable } from "./http-routes.ts";
import { supplyOptionalBodies } from "./optional-body.ts";
import { problemBody, RestRefusal } from "./rest-errors.ts";
import { createValidatorCompiler } from "./rest-validation.ts";

/** A Fastify server whose routes get their types from TypeBox schemas. */
export type RestServer = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What clients may take of the server. */
export interface HttpLimits {
  /** The largest body of a request, in bytes. */
  readonly body_bytes_max: number;
  /** The largest request line with all headers, in bytes. */
  readonly header_bytes_max: number;
  /** The most open connections; further ones are closed at once. */
  readonly connections_max: number;
  /** Milliseconds in which a whole request must have arrived. */
  readonly receive_timeout_ms: number;
  /** Milliseconds after which an idle connection is closed. */
  readonly keep_alive_timeout_ms: number;
  /** Milliseconds without a byte in either direction after which any connection is cut. */
  readonly silence_timeout_ms: number;
}

// How often Node looks for requests that take too long to arrive.
const timeoutCheckIntervalMs = 500;
const problemType = "application/problem+json; charset=utf-8";

/**
 * Creates the server without routes: whatever goes wrong is answered as problem+json. Logged are its
 * own faults, what fails behind it, and where requests of unknown callers come from.
 *
 * @param tls left out: the port is not encrypted
 */
export function createHttpServer(limits: HttpLimits, logger: Logger, tls?: PortTls): RestServer {
  const headers = dataHeaders(tls !== undefined);
  const logOutage = outageLogger(logger);
  const sendFailure = (error: unknown, reply: FastifyReply): FastifyReply => {
    const refusal = refusalOfFailure(error);
    if (refusal !== undefined) {
      if (refusal.status >= 500) logOutage(error, refusal);
      if (refusal.status === 401) logUnknownCaller(logger, reply.request);
      return sendProblem(reply, refusal);
    }
    logger.error({ error, route: reply.request.routeOptions.url }, "A request failed");
    return sendProblem(reply, internalRefusal());
  };
  const app = fastify({
    // A logger of Fastify's would make a child for every request.
    logger: false,
    bodyLimit: limits.body_bytes_max,
    requestTimeout: limits.receive_timeout_ms,
    connectionTimeout: limits.silence_timeout_ms,
    keepAliveTimeout: limits.keep_alive_timeout_ms,
    ...(tls === undefined
      ? { http: parsing(limits) }
      : { serverFactory: httpsServer(limits, tls) }),
    // Headers are limited as a whole, so that a longer part of a path cannot be.
    routerOptions: { maxParamLength: limits.header_bytes_max },
    // Requests on open connections are still answered during a stop, with Connection: close.
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => sendFailure(error, reply.headers(headers)),
    clientErrorHandler: (error, socket) => answerBytes(error, socket, headers),
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = limits.connections_max;
  app.setValidatorCompiler(createValidatorCompiler());
  app.setErrorHandler((error, _request, reply) => sendFailure(error, reply));
  app.addHook("onRequest", (_request, reply, done) => {
    reply.headers(headers);
    done();
  });
  acceptJsonAlone(app);
  supplyOptionalBodies(app);
  refuseUnknownRoutes(app);
  releaseClientsOnStop(app);
  return app;
}

function parsing(limits: HttpLimits): ServerOptions {
  return {
    maxHeaderSize: limits.header_bytes_max,
    headersTimeout: limits.receive_timeout_ms,
    connectionsCheckingInterval: timeoutCheckIntervalMs,
  };
}

/** Makes what Fastify makes by itself without TLS. */
function httpsServer(limits: HttpLimits, tls: PortTls): (listener: RequestListener) => Server {
  return (listener) => {
    const options = {
      ...parsing(limits),
      ...tls.options,
      requestTimeout: limits.receive_timeout_ms,
      keepAliveTimeout: limits.keep_alive_timeout_ms,
    };
    const server = createServer(options, listener).setTimeout(limits.silence_timeout_ms);
    tls.attach(server);
    return server;
  };
}

function sendProblem(reply: FastifyReply, refusal: RestRefusal): FastifyReply {
  const body = JSON.stringify(problemBody(refusal));
  return reply.code(refusal.status).headers(refusal.headers).type(problemType).send(body);
}

const outageWarningIntervalMs = 1_000;
const forwardedForLengthMax = 200;

/** During an outage every request fails; one line a second tells as much as all. */
function outageLogger(logger: Logger): (error: unknown, refusal: RestRefusal) => void {
  let nextAtMs = 0;
  return (error, { reason }) => {
    // The whole error would carry descriptions of the contract's messages.
    const cause = { reason, message: error instanceof Error ? error.message : String(error) };
    if (reason === "NOT_COMPLETE_YET") {
      logger.debug(cause, "History is a moment behind; the client was told to ask again");
      return;
    }
    if (performance.now() < nextAtMs) return;
    nextAtMs = performance.now() + outageWarningIntervalMs;
    logger.warn(cause, "A service behind the gateway does not do its work");
  };
}

/** The services see the gateway's address alone, and know nobody to blame. */
function logUnknownCaller(
  logger: Logger,
  { method, routeOptions, socket, headers }: FastifyRequest,
) {
  const from = `${socket.remoteAddress}:${socket.remotePort}`;
  // Whoever sends it may have made it up.
  const forwardedFor = String(headers["x-forwarded-for"] ?? "").slice(0, forwardedForLengthMax);
  const request = { from, forwardedFor, method, route: routeOptions.url };
  logger.warn(request, "A request was refused: nobody known makes it");
}

function acceptJsonAlone(app: RestServer): void {
  const parseText = app.getDefaultJsonParser("error", "error");
  const notUtf8 = { reason: "MALFORMED_BODY", detail: "The body is not UTF-8" };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    "application/json",
    { parseAs: "buffer" },
    (request, body, done) => {
      // Decoding would replace wrong bytes silently, and two users might become one.
      if (isUtf8(body)) void parseText(request, body.toString(), done);
      else done(new RestRefusal(400, notUtf8));
    },
  );
}

function refuseUnknownRoutes(app: RestServer): void {
  const table = createRouteTable();
  app.addHook("onRoute", ({ url, method }) => table.add(url, [method].flat()));
  // Before the body is read: what it holds does not matter where nothing is.
  app.addHook("onRequest", (request, _reply, done) => {
    if (request.is404) done(table.refusal(request.method, request.url));
    else done();
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, table.refusal(request.method, request.url)),
  );
}

/** Fastify tells only clients that ask during the stop, not those that wait when it begins. */
function releaseClientsOnStop(app: RestServer): void {
  let stopping = false;
  app.addHook("preClose", (done) => {
    stopping = true;
    done();
  });
  app.addHook("onSend", (_request, reply, _payload, done) => {
    if (stopping) reply.header("Connection", "close");
    done();
  });
}

function answerBytes(
  error: Error,
  socket: Socket,
  headers: Readonly<Record<string, string>>,
): void {
  if (!socket.writable || ("code" in error && error.code === "ECONNRESET")) {
    socket.destroy();
    return;
  }
  const problem = problemBody(refusalOfBytes(error));
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      `Content-Type: ${problemType}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      "Connection: close",
      "",
      body,
    ].join("\r\n"),
  );
}
