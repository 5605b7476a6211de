import { createServer, type Server as NetServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { ServiceImplSpec } from "@connectrpc/connect";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { GrpcAdmission } from "./grpc-admission.ts";
import { addGrpcService, type GrpcServiceOptions } from "./grpc-js-server.ts";
import { addReflection } from "./grpc-reflection.ts";
import { listen, trackConnections } from "./port.ts";
import type { PortTls } from "./tls-port.ts";

/** What a gRPC port serves, and within which limits. */
export interface GrpcPortOptions extends Omit<GrpcServiceOptions, "callerOf"> {
  readonly admission: GrpcAdmission;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Without it the port is not encrypted. */
  readonly tls: PortTls | undefined;
  readonly services: readonly ServiceImplSpec[];
  /**
   * A google.protobuf.FileDescriptorSet with the files of all services and everything they import.
   */
  readonly descriptorSet: Uint8Array;
  /** Connections at once; more are dropped. */
  readonly connectionsMax: number;
  /** Calls that one connection may have open at once; more wait at the client. */
  readonly streamsPerConnectionMax: number;
  /** Milliseconds after which a connection without calls is closed. */
  readonly connectionIdleMs: number;
  /** Milliseconds of silence after which a ping asks whether the peer still lives. */
  readonly keepaliveMs: number;
  /** Milliseconds that the peer has to answer the ping before the connection is dropped. */
  readonly keepaliveTimeoutMs: number;
}

/** An open gRPC port. */
export interface GrpcPort {
  readonly port: number;
  /**
   * Says NOT_SERVING and takes no new connections and calls; resolves once every connection has
   * closed.
   */
  readonly stop: () => Promise<void>;
  /** Cuts the connections that are still open. */
  readonly cut: () => void;
}

/**
 * Serves Connect implementations by grpc-js, with reflection and health.
 * @throws PortTakenError
 */
export async function openGrpcPort(options: GrpcPortOptions): Promise<GrpcPort> {
  const { host, port, services, admission } = options;
  const server = new Server({
    interceptors: [admission.interceptor],
    // grpc-js itself cuts off at twice the limit: in between, the refusal can name the setting.
    "grpc.max_receive_message_length": 2 * options.messageBytesMax,
    "grpc.max_concurrent_streams": options.streamsPerConnectionMax,
    "grpc.max_connection_idle_ms": options.connectionIdleMs,
    "grpc.keepalive_time_ms": options.keepaliveMs,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });
  for (const service of services) {
    addGrpcService(server, service, { ...options, callerOf: admission.callerOf });
  }
  const health = addHealth(server, services);
  const names = [...services.map(({ service }) => service.typeName), "grpc.health.v1.Health"];
  addReflection(server, names, options.descriptorSet);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  // grpc-js is given the connections rather than the port: it can neither say why a port cannot be
  // had, nor count its connections, nor cut them all.
  const listener = createListener(options.tls, (socket) => injector.injectConnection(socket));
  const cut = trackConnections(listener);
  listener.maxConnections = options.connectionsMax;
  return {
    port: await listen(listener, host, port),
    stop: () => {
      for (const name of healthNames(services)) health.setStatus(name, "NOT_SERVING");
      const closed = new Promise<void>((resolve) => {
        listener.close(() => resolve());
      });
      server.tryShutdown(() => undefined);
      return closed;
    },
    cut: () => {
      listener.close();
      cut();
    },
  };
}

/** Listens for connections; those that have to agree on TLS are handed on once they have. */
function createListener(tls: PortTls | undefined, take: (socket: Socket) => void): NetServer {
  if (tls === undefined) return createServer({ noDelay: true }, take);
  const options = { ...tls.options, noDelay: true, ALPNProtocols: ["h2"] };
  const listener = createTlsServer(options, (socket) => {
    keepPeerCertificate(socket);
    take(socket);
  });
  tls.attach(listener);
  return listener;
}

// grpc-js asks the socket anew for every call that wants to know who its peer is, which takes as long
// as the rest of the call.
function keepPeerCertificate(socket: TLSSocket): void {
  const certificate = socket.getPeerCertificate(true);
  socket.getPeerCertificate = () => certificate;
}

function addHealth(server: Server, services: readonly ServiceImplSpec[]): HealthImplementation {
  const health = new HealthImplementation();
  for (const name of healthNames(services)) health.setStatus(name, "SERVING");
  health.addToServer(server);
  return health;
}

// The empty name stands for the whole server.
function healthNames(services: readonly ServiceImplSpec[]): string[] {
  return ["", ...services.map(({ service }) => service.typeName)];
}
