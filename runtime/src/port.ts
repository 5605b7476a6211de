import type { Server } from "node:net";
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
