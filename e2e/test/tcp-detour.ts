import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy that a test can break. */
export interface TcpDetour extends AsyncDisposable {
  readonly port: number;
  /**
   * "open" passes bytes on; "closed" cuts every connection and each new one at once; "silent" holds
   * connections and bytes without passing anything on.
   */
  mode: "open" | "closed" | "silent";
  /** Bytes that silence has swallowed since it began. */
  readonly heldBytes: number;
}

/** Starts a proxy to a port of this machine. */
export async function startTcpDetour(targetPort: number): Promise<TcpDetour> {
  const sockets = new Set<Socket>();
  let mode: TcpDetour["mode"] = "open";
  let heldBytes = 0;
  const pass = (from: Socket, to: Socket): void => {
    from.on("data", (bytes) => {
      if (mode === "silent") heldBytes += bytes.length;
      else to.write(bytes);
    });
    from.once("close", () => to.destroy());
  };
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A cut connection is what a test asked for.
    socket.on("error", () => socket.destroy());
    return socket;
  };
  const server = createServer((client) => {
    keep(client);
    if (mode === "closed") {
      client.destroy();
      return;
    }
    const target = keep(connect(targetPort, "127.0.0.1"));
    pass(client, target);
    pass(target, client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get mode() {
      return mode;
    },
    set mode(next) {
      mode = next;
      heldBytes = 0;
      if (next === "closed") for (const socket of sockets) socket.destroy();
    },
    get heldBytes() {
      return heldBytes;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
