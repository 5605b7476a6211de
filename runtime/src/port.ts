import type { Server, Socket } from "node:net";
import { OperatorError } from "./operator-error.ts";

/** A port that something else already listens on. */
export class PortTakenError extends OperatorError {
  override name = "PortTakenError";
  readonly port: number;

  constructor(port: number, host: string) {
    super(`Port ${port} on ${host} is already in use`);
    this.port = port;
  }
}

/**
 * Makes a server listen.
 * @param port 0 for any free one
 * @returns the port that it listens on
 * @throws PortTakenError; other errors of the system as they are
 */
export function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const taken = "code" in error && error.code === "EADDRINUSE";
      reject(taken ? new PortTakenError(port, host) : error);
    };
    server.once("error", fail);
    server.listen({ host, port }, () => {
      server.off("error", fail);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/**
 * Follows the connections of a server, also those that have not agreed on TLS yet.
 * @returns cuts all that are open
 */
export function trackConnections(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

/** Whether only this machine reaches what listens on this host. */
export function isLoopback(host: string): boolean {
  return /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/.test(host);
}

/**
 * Whether a request's Host header names this machine. A page in a browser can have its own name
 * lead here (DNS rebinding), but cannot send another Host.
 */
export function isLoopbackHost(header: string | undefined): boolean {
  const url = `http://${header}`;
  return URL.canParse(url) && isLoopback(new URL(url).hostname);
}

/**
 * Tells with a taken port which setting changes it. Any other error stays as it is.
 *
 * @param section the service's section as environment variables spell it, "WALLET_SERVICE"
 * @param grpcPort the port that the service was to serve gRPC on; it has one other, for HTTP
 */
export function withPortSetting(error: unknown, section: string, grpcPort: number): unknown {
  if (!(error instanceof PortTakenError)) return error;
  const part = error.port === grpcPort ? "GRPC" : "HTTP";
  return new OperatorError(`${error.message}; APP__${section}__${part}__PORT sets another one`);
}
