import { createServer, type Socket } from "node:net";
import type { ServiceImplSpec } from "@connectrpc/connect";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { addGrpcService, type GrpcServiceOptions } from "./grpc-js-server.ts";
import { addReflection } from "./grpc-reflection.ts";
import { listen } from "./port.ts";

/** What a gRPC port serves, and within which limits. */
export interface GrpcPortOptions extends GrpcServiceOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
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
  const { host, port, services } = options;
  const server = new Server({
    // grpc-js itself cuts off at twice the limit: in between, the refusal can name the setting.
    "grpc.max_receive_message_length": 2 * options.messageBytesMax,
    "grpc.max_concurrent_streams": options.streamsPerConnectionMax,
    "grpc.max_connection_idle_ms": options.connectionIdleMs,
    "grpc.keepalive_time_ms": options.keepaliveMs,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });
  for (const service of services) addGrpcService(server, service, options);
  const health = addHealth(server, services);
  const names = [...services.map(({ service }) => service.typeName), "grpc.health.v1.Health"];
  addReflection(server, names, options.descriptorSet);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  // grpc-js is given the connections rather than the port: it can neither say why a port cannot be
  // had, nor count its connections, nor cut them all.
  const listener = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
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
      for (const socket of sockets) socket.destroy();
    },
  };
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
