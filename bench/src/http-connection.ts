import { once } from "node:events";
import { connect } from "node:net";

/**
 * One connection that carries one request at a time. It reads no more of HTTP than it must, so
 * that a single process of it can keep a server busy.
 */
export interface HttpConnection {
  /**
   * Sends a whole request and waits for its answer.
   *
   * @throws Error unless the answer is 200 with a Content-Length
   */
  send(request: string): Promise<void>;
  /** Likewise, whatever the answer's status is; returns it. */
  ask(request: string): Promise<number>;
  close(): void;
}

/** Connects to a server of the loopback interface. */
export async function openHttpConnection(port: number): Promise<HttpConnection> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  let received = "";
  let settle: ((outcome: Error | string) => void) | undefined;
  const finish = (outcome: Error | string): void => {
    received = "";
    settle?.(outcome);
  };
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    received += chunk;
    const missing = bytesMissing(received);
    if (Number.isNaN(missing)) finish(new Error(`An unexpected answer:\n${received}`));
    else if (missing <= 0) finish(received);
  });
  await once(socket, "connect");
  socket.on("error", finish);
  socket.on("close", () => finish(new Error("The server closed the connection.")));
  const exchange = (request: string): Promise<string> =>
    new Promise((resolve, reject) => {
      settle = (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome));
      socket.write(request);
    });
  return {
    send: async (request) => {
      const answer = await exchange(request);
      if (!answer.startsWith(success)) throw new Error(`An unexpected answer:\n${answer}`);
    },
    ask: async (request) => Number((await exchange(request)).slice("HTTP/1.1 ".length, 12)),
    close: () => socket.destroy(),
  };
}

const success = "HTTP/1.1 200 ";
const headEnd = "\r\n\r\n";

/** How much of an answer has not arrived yet; NaN when it does not say how much it is. */
function bytesMissing(received: string): number {
  const headLength = received.indexOf(headEnd);
  if (headLength === -1) return 1;
  const bodyLength = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1]);
  return headLength + headEnd.length + bodyLength - received.length;
}
