import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createRegistry } from "@bufbuild/protobuf";
import {
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "@pelikuni/gen/google/rpc/error_details_pb";
import type { Logger } from "pino";
import { arrivingCallerKey, type Credentials } from "./access/authentication.ts";
import { type Caller, principalOf } from "./access/caller.ts";
import { peerKey, peerNamesOfSocket } from "./access/peer.ts";
import { readBody } from "./http-body.ts";
import { answerCors } from "./http-cors.ts";
import { universalRequest } from "./http-request.ts";
import { isLoopbackHost, listen, trackConnections } from "./port.ts";
import { createReceptions, type Receptions, receptionsMaxOf } from "./receptions.ts";
import type { DeadlineLimits } from "./rpc-call.ts";
import { dataHeaders } from "./security-headers.ts";
import type { PortTls } from "./tls-port.ts";

/** What an HTTP port serves, and within which limits. */
export interface HttpPortOptions extends DeadlineLimits {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Without it the port is not encrypted. */
  readonly tls: PortTls | undefined;
  /** Origins whose pages may call from a browser, for example "https://console.example.com". */
  readonly corsOrigins: readonly string[];
  /** Who makes a call; rejects with a ConnectError when he is refused. */
  readonly identify: (credentials: Credentials) => Promise<Caller>;
  /** Whether nobody is asked who he is: calls must then name this machine as their host. */
  readonly open: boolean;
  readonly routes: (router: ConnectRouter) => void;
  /** The outermost first. */
  readonly interceptors: readonly Interceptor[];
  readonly messageBytesMax: number;
  /** Bytes of a request's line and headers; above it 431. */
  readonly httpHeaderBytesMax: number;
  /** Milliseconds within which a request must have arrived whole; then 408. */
  readonly httpRequestTimeoutMs: number;
  /** Milliseconds after which a connection without a request is closed. */
  readonly httpKeepAliveMs: number;
  /** Connections at once; more are dropped. */
  readonly connectionsMax: number;
  readonly logger: Logger;
}

/** An open HTTP port. */
export interface HttpPort {
  readonly port: number;
  /** Takes no new connections and closes idle ones; resolves once every connection has closed. */
  readonly stop: () => Promise<void>;
  /** Cuts the connections that are still open. */
  readonly cut: () => void;
}

/**
 * Serves Connect, gRPC-Web and plain JSON over HTTP/1.1.
 * @throws PortTakenError
 */
export async function openHttpPort(options: HttpPortOptions): Promise<HttpPort> {
  const { host } = options;
  let stopping = false;
  const serve = rpcListener(options);
  const server = createHttpServer(options, (request, response) => {
    // A connection that becomes idle during a stop would otherwise be held open for the next
    // request.
    response.once("close", () => {
      if (stopping) setImmediate(() => server.closeIdleConnections());
    });
    serve(request, response);
  });
  const cut = trackConnections(server);
  const port = await listen(server, host, options.port);
  return {
    port,
    stop: () => {
      stopping = true;
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
    cut,
  };
}

const connectionsCheckingIntervalMs = 500;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

function createHttpServer(options: HttpPortOptions, listener: Listener): Server {
  const { tls } = options;
  const limits = {
    maxHeaderSize: options.httpHeaderBytesMax,
    headersTimeout: options.httpRequestTimeoutMs,
    requestTimeout: options.httpRequestTimeoutMs,
    keepAliveTimeout: options.httpKeepAliveMs,
    // Node looks for requests past their time every half minute unless told otherwise.
    connectionsCheckingInterval: connectionsCheckingIntervalMs,
  };
  const server = tls === undefined ? createServer(limits, listener) : createHttps(tls);
  server.maxConnections = options.connectionsMax;
  return server;

  function createHttps(port: PortTls): Server {
    const https = createHttpsServer({ ...limits, ...port.options }, listener);
    port.attach(https);
    return https;
  }
}

function rpcListener(options: HttpPortOptions): Listener {
  const router = createConnectRouter({
    // Native gRPC has a port of its own.
    grpc: false,
    interceptors: [answerAtDeadline, ...options.interceptors],
    acceptCompression: [compressionGzip],
    readMaxBytes: options.messageBytesMax,
    // An answer may hold error details (google.protobuf.Any), which JSON can only spell out when it
    // knows their types.
    jsonOptions: { registry: createRegistry(ErrorInfoSchema, BadRequestSchema, RetryInfoSchema) },
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const headers = Object.entries(dataHeaders(options.tls !== undefined));
  const receptions = createReceptions();
  return (request, response) => {
    for (const [name, value] of headers) response.setHeader(name, value);
    if (answerCors(request, response, options.corsOrigins)) return;
    if (options.open && !isLoopbackHost(request.headers.host)) {
      answerJson(response, 403, "permission_denied", "Call this machine as localhost or 127.0.0.1");
      return;
    }
    const [path = ""] = (request.url ?? "").split("?", 1);
    const handler = handlers.get(path);
    if (handler === undefined) {
      answerJson(response, 404, "unimplemented", "There is no such method");
      return;
    }
    answer(handler, request, response, options, receptions).catch((fault) => {
      const why = fault instanceof ConnectError ? fault.rawMessage : "The request is malformed";
      if (!(fault instanceof ConnectError)) options.logger.warn({ error: fault, path }, why);
      if (response.headersSent) response.destroy();
      else answerJson(response, 400, "invalid_argument", why);
    });
  };
}

/** @param receptions of this port */
async function answer(
  handler: UniversalHandler,
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpPortOptions,
  receptions: Receptions,
): Promise<void> {
  const { method } = handler;
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  const contextValues = createContextValues();
  const { socket } = request;
  const peer = {
    names: () => peerNamesOfSocket(socket),
    address: () => `${socket.remoteAddress}:${socket.remotePort}`,
  };
  const rpc = `${method.parent.typeName}/${method.name}`;
  const authorization = request.headersDistinct.authorization?.join(", ");
  const caller = options.identify({ rpc, authorization, peer });
  contextValues.set(peerKey, peer);
  contextValues.set(arrivingCallerKey, caller);
  // Whoever is nobody would otherwise fill the memory, and have his messages inflated and decoded.
  const body = caller.then(async (known) => {
    const principal = principalOf(known);
    let end = (): void => undefined;
    await new Promise<void>((take) => {
      end = receptions.begin(principal, take, receptionsMaxOf(principal));
    });
    return await readBody(request, method, options.messageBytesMax).finally(end);
  });
  // The request may be refused without a look at its body.
  body.catch(() => undefined);
  const rpcRequest = universalRequest(request, controller.signal, method, options, body);
  const result = await handler({ ...rpcRequest, contextValues });
  universalResponseToNodeResponse(result, response).catch(() => response.destroy());
}

// Connect waits for the handler even when its deadline has passed.
const answerAtDeadline: Interceptor = (next) => (request) => {
  if (request.stream) return next(request);
  const { signal } = request;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    next(request)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
  });
};

function answerJson(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify({ code, message }));
}
