import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createServiceImplSpec,
  type ServiceImpl,
  type ServiceImplSpec,
  type Transport,
} from "@connectrpc/connect";
import type { Logger } from "pino";
import { z } from "zod";
import { type AuthConfiguration, assertNotExposed, isOpen } from "./access/auth-configuration.ts";
import {
  type Credentials,
  createAuthentication,
  type FindApiKey,
} from "./access/authentication.ts";
import { createAuthorization, type Ownership } from "./access/authorization.ts";
import { createCallCost } from "./access/call-cost.ts";
import type { Caller } from "./access/caller.ts";
import { createCallerLimiter } from "./access/caller-limits.ts";
import { assertScopesKnown } from "./access/known-scopes.ts";
import type { ServerTls } from "./certificates.ts";
import { createGrpcAdmission } from "./grpc-admission.ts";
import { openGrpcPort } from "./grpc-port.ts";
import { openHttpPort } from "./http-port.ts";
import { createInProcessTransport } from "./in-process-transport.ts";
import { createRpcGuard, type RpcGuard } from "./rpc-guard.ts";
import { createValidationInterceptor } from "./rpc-validation.ts";
import { preparePortTls } from "./tls-port.ts";

const count = (byDefault: number): z.ZodDefault<z.ZodInt> => z.int().min(1).default(byDefault);

// The longest time that a timer of Node and the eight digits of a gRPC timeout can hold.
const dayMs = 86_400_000;
const duration = (byDefault: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(dayMs).default(byDefault);

/** The limits of an RPC server as a section of the configuration; every one has a default. */
export const rpcLimitsSchema = z
  .strictObject({
    /** Bytes of one message. */
    message_bytes_max: z
      .int()
      .min(1_024)
      .max(256 * 1_048_576)
      .default(4 * 1_048_576),
    /** Milliseconds for a unary call whose caller names no deadline. */
    deadline_default_ms: duration(10_000),
    /** Milliseconds for a unary call whatever its caller asks for. */
    deadline_max_ms: duration(60_000),
    /** Milliseconds that an answer stream stays open. */
    stream_duration_max_ms: duration(3_600_000),
    /** Unary calls at once, over all ways in; more are refused with OVERLOADED. */
    requests_in_flight_max: count(4_096),
    /** Answer streams open at once, over all ways in; more are refused with OVERLOADED. */
    streams_open_max: count(1_000),
    /**
     * Calls a second that one caller may make, a batch counting as its items; more are refused with
     * RATE_LIMITED. Two cores carry a few times as many, and a company's only backend has enough:
     * 86 million a day of each replica.
     */
    caller_calls_per_second: count(1_000),
    /** Calls that one caller may make at once after a time without any. */
    caller_burst: count(2_000),
    /** Of requests_in_flight_max, what one caller may have. */
    caller_requests_in_flight_max: count(1_024),
    /** Of streams_open_max, what one caller may have. */
    caller_streams_max: count(250),
    /**
     * gRPC: calls that one connection may have open at once; more wait at the client. A gateway has
     * one for all its callers: what is in flight, and refusals that are held back.
     */
    streams_per_connection_max: count(8_192),
    /** gRPC: milliseconds after which a connection without calls is closed. */
    connection_idle_ms: duration(300_000),
    /** gRPC: milliseconds of silence after which the peer is asked whether it lives. */
    keepalive_ms: duration(60_000),
    /** gRPC: milliseconds that it has to answer. */
    keepalive_timeout_ms: duration(20_000),
    /** gRPC: milliseconds within which a request's message must have arrived whole. */
    grpc_request_timeout_ms: duration(10_000),
    /** HTTP: bytes of a request's line and headers. */
    http_header_bytes_max: z.int().min(1_024).max(1_048_576).default(16_384),
    /** HTTP: milliseconds within which a request must have arrived whole. */
    http_request_timeout_ms: duration(30_000),
    /** HTTP: milliseconds after which a connection without a request is closed. */
    http_keep_alive_ms: duration(65_000),
    /** Connections at once on each port; more are dropped. */
    connections_max: count(10_000),
  })
  .prefault({})
  .transform((limits) => ({
    messageBytesMax: limits.message_bytes_max,
    deadlineDefaultMs: limits.deadline_default_ms,
    deadlineMaxMs: limits.deadline_max_ms,
    streamDurationMaxMs: limits.stream_duration_max_ms,
    requestsInFlightMax: limits.requests_in_flight_max,
    streamsOpenMax: limits.streams_open_max,
    callerCallsPerSecond: limits.caller_calls_per_second,
    callerBurst: limits.caller_burst,
    callerRequestsInFlightMax: limits.caller_requests_in_flight_max,
    callerStreamsMax: limits.caller_streams_max,
    streamsPerConnectionMax: limits.streams_per_connection_max,
    connectionIdleMs: limits.connection_idle_ms,
    keepaliveMs: limits.keepalive_ms,
    keepaliveTimeoutMs: limits.keepalive_timeout_ms,
    grpcRequestTimeoutMs: limits.grpc_request_timeout_ms,
    httpHeaderBytesMax: limits.http_header_bytes_max,
    httpRequestTimeoutMs: limits.http_request_timeout_ms,
    httpKeepAliveMs: limits.http_keep_alive_ms,
    connectionsMax: limits.connections_max,
  }));

/** The limits of an RPC server. */
export type RpcLimits = z.output<typeof rpcLimitsSchema>;

/** A service with its implementation, ready for every way in. */
export interface RpcService {
  readonly spec: ServiceImplSpec;
  readonly addRoutes: (router: ConnectRouter) => void;
}

/** Binds an implementation to its service. */
export function rpcService<Desc extends DescService>(
  service: Desc,
  implementation: ServiceImpl<Desc>,
): RpcService {
  return {
    spec: createServiceImplSpec(service, implementation),
    addRoutes: (router) => router.service(service, implementation),
  };
}

/** Where a port listens, and whether it is encrypted. */
export interface RpcPortOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: ServerTls | undefined;
}

/** What an RPC server serves, and where. */
export interface RpcServerOptions {
  readonly services: readonly RpcService[];
  /** The bytes of a google.protobuf.FileDescriptorSet with all services, for reflection. */
  readonly descriptorSet: Uint8Array;
  /** Native gRPC, with reflection and health; port 0 for any free one. */
  readonly grpc: RpcPortOptions;
  /** Connect, gRPC-Web and JSON over HTTP/1.1; port 0 for any free one. */
  readonly http: RpcPortOptions & {
    /** Origins whose pages may call from a browser. */
    readonly corsOrigins: readonly string[];
  };
  readonly limits: RpcLimits;
  readonly access: AccessOptions;
  readonly logger: Logger;
}

/** Who may call what. */
export interface AccessOptions {
  readonly auth: AuthConfiguration;
  /** Needed where API keys are accepted. */
  readonly findApiKey?: FindApiKey;
  /** Whose things are, for rules that name a wallet or a hold. */
  readonly ownership?: Ownership;
  /** The wall clock, milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * A running RPC server. Disposing it lets unary calls finish, ends streams, then closes the ports.
 */
export interface RpcServer extends AsyncDisposable {
  readonly grpcPort: number;
  readonly httpPort: number;
  /**
   * Calls the services inside this process, through the same checks; works until the disposal is
   * over.
   */
  readonly transport: Transport;
}

// How long answers that are written may take to leave; then the connections that are still open are
// cut.
const flushMs = 500;

interface Port {
  readonly stop: () => Promise<void>;
  readonly cut: () => void;
}

/**
 * Serves implementations over gRPC, over HTTP and inside the process, through the same checks and
 * limits.
 * @throws PortTakenError when a port is in use; OperatorError when a certificate cannot be used, a
 *   scope of auth.certificates is unknown, or everybody could move money
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { limits, logger } = options;
  const { auth, ownership } = options.access;
  assertNotExposed(auth, [options.grpc.host, options.http.host]);
  if (isOpen(auth)) logger.info("Nobody is asked who he is: only this machine reaches the ports");
  warnOfUnasked(options);
  const guard = createRpcGuard(limits, logger);
  const { descriptorSet } = options;
  const contract = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
  assertScopesKnown(auth, contract);
  const services = options.services.map(({ spec }) => spec);
  const descriptors = services.map(({ service }) => service);
  const validation = createValidationInterceptor(contract, descriptors);
  const authorization = createAuthorization(descriptors, ownership, logger);
  const authentication = createAuthentication({ ...options.access, logger });
  const callerLimiter = createCallerLimiter(limits, createCallCost(descriptors), logger);
  const asking = [guard.interceptor, authentication.interceptor];
  const checking = [
    callerLimiter.interceptor,
    authorization.scopes,
    validation,
    authorization.owners,
  ];
  const common = { ...limits, services, interceptors: [...asking, ...checking], logger };
  const tls = {
    grpc: preparePortTls(options.grpc, "grpc", logger),
    http: preparePortTls(options.http, "http", logger),
  };
  const serviceNames = new Set(descriptors.map(({ typeName }) => typeName));
  const identify = async (credentials: Credentials): Promise<Caller> => {
    try {
      const caller = await authentication.identify(credentials);
      callerLimiter.admit(caller);
      return caller;
    } catch (error) {
      return guard.refuse(ConnectError.from(error, Code.Internal));
    }
  };
  const admission = createGrpcAdmission({
    ...limits,
    identify,
    asksWho: (path) => serviceNames.has(path.split("/", 2)[1] ?? ""),
  });
  const grpc = await openGrpcPort({
    ...common,
    ...options.grpc,
    admission,
    tls: tls.grpc,
    descriptorSet,
  });
  const routes = (router: ConnectRouter): void => {
    for (const { addRoutes } of options.services) addRoutes(router);
  };
  const http = await openHttpPort({
    ...common,
    ...options.http,
    tls: tls.http,
    identify,
    open: isOpen(auth),
    routes,
  }).catch((error) => {
    grpc.cut();
    authentication[Symbol.dispose]();
    throw error;
  });
  return {
    grpcPort: grpc.port,
    httpPort: http.port,
    transport: createInProcessTransport({
      ...common,
      interceptors: [...asking, callerLimiter.admission, ...checking],
    }),
    [Symbol.asyncDispose]: async () => {
      await stop(guard, [grpc, http]);
      authentication[Symbol.dispose]();
    },
  };
}

function warnOfUnasked({ access, grpc, http, logger }: RpcServerOptions): void {
  const asks = [grpc, http].some(({ tls }) => tls && tls.client_certificates !== "none");
  if (asks || access.auth.certificates.length === 0) return;
  logger.warn(
    "No port here asks for the certificates of auth.certificates: set client_certificates",
  );
}

async function stop(guard: RpcGuard, ports: readonly Port[]): Promise<void> {
  const closed = Promise.all(ports.map((port) => port.stop()));
  guard.endStreams();
  await guard.idle();
  const timer = setTimeout(() => {
    for (const port of ports) port.cut();
  }, flushMs);
  await closed;
  clearTimeout(timer);
}
