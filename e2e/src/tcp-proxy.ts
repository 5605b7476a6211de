import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * What becomes of bytes between clients and server: they pass; connections are refused, or accepted
 * and closed at once; new and old connections hang with all bytes kept for later; or every byte is
 * taken and thrown away.
 */
export type ProxyMode = "forward" | "refuse" | "close" | "freeze" | "swallow";

/**
 * How a connection is cut: both ways at once; or the way back first, so that the server still gets
 * what was sent and its answer is lost.
 */
export type Cut = "both" | "answers";

/** A TCP proxy that does to connections what networks do. Disposing closes everything. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections that stand now. */
  readonly connections: number;
  /** Bytes that were thrown away so far. */
  readonly swallowedBytes: number;
  /** Cuts the connection with the given number, modulo how many there are. */
  cut(number: number, how: Cut): void;
  setMode(mode: ProxyMode): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  answersLost: boolean;
}

const loopback = "127.0.0.1";
const answersLostForMs = 30;

/** Starts a proxy to a server, on a free port of the loopback interface. */
export async function startTcpProxy(target: { host: string; port: number }): Promise<TcpProxy> {
  const links: Link[] = [];
  let mode: ProxyMode = "forward";
  let swallowedBytes = 0;

  function accept(client: Socket): void {
    if (mode === "close") {
      client.resetAndDestroy();
      return;
    }
    const server = connect(target);
    const link: Link = { client, server, answersLost: false };
    links.push(link);
    const passes = (bytes: Buffer): boolean => {
      if (mode === "swallow") swallowedBytes += bytes.length;
      return mode !== "swallow";
    };
    pass(client, server, passes);
    pass(server, client, (bytes) => passes(bytes) && !link.answersLost);
    for (const socket of [client, server]) {
      if (mode === "freeze") socket.pause();
      socket.setNoDelay(true);
      socket.once("close", () => drop(link));
      socket.on("error", () => drop(link));
    }
  }

  function drop(link: Link): void {
    const index = links.indexOf(link);
    if (index >= 0) links.splice(index, 1);
    // A reset, as a broken network leaves it, and not an orderly end.
    for (const socket of [link.client, link.server]) socket.resetAndDestroy();
  }

  let listener = await listen(accept, 0);
  const port = portOf(listener);
  return {
    port,
    get connections() {
      return links.length;
    },
    get swallowedBytes() {
      return swallowedBytes;
    },
    cut(number, how) {
      const link = links[number % links.length];
      if (link === undefined) return;
      if (how === "both") return drop(link);
      link.answersLost = true;
      setTimeout(() => drop(link), answersLostForMs);
    },
    async setMode(next) {
      if (mode === "refuse" && next !== "refuse") listener = await listen(accept, port);
      mode = next;
      if (next === "close") for (const link of [...links]) drop(link);
      if (next === "refuse") {
        for (const link of [...links]) drop(link);
        if (listener.listening) await close(listener);
      }
      for (const { client, server } of links) {
        for (const socket of [client, server]) next === "freeze" ? socket.pause() : socket.resume();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const link of [...links]) drop(link);
      if (listener.listening) await close(listener);
    },
  };
}

function pass(from: Socket, to: Socket, passes: (bytes: Buffer) => boolean): void {
  from.on("data", (bytes) => {
    if (passes(bytes) && !to.destroyed) to.write(bytes);
  });
}

async function listen(accept: (client: Socket) => void, port: number): Promise<Server> {
  const listener = createServer(accept);
  listener.listen(port, loopback);
  await once(listener, "listening");
  return listener;
}

function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port.");
  return address.port;
}

async function close(listener: Server): Promise<void> {
  const closed = once(listener, "close");
  listener.close();
  await closed;
}
