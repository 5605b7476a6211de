import { createServer } from "node:net";
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
 * Checks that a port can be listened on. grpc-js does not tell why it cannot, and writes to the
 * console.
 * @param port 0 is always free
 * @throws PortTakenError; other errors of the system as they are
 */
export function assertPortFree(host: string, port: number): Promise<void> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, host, port)));
    server.listen({ host, port }, () => server.close(() => resolve()));
  });
}

/** PortTakenError if that is what an error of listen() means, else the error itself. */
export function listenError(error: Error, host: string, port: number): Error {
  const taken = "code" in error && error.code === "EADDRINUSE";
  return taken ? new PortTakenError(port, host) : error;
}
