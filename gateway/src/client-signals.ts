import type { Socket } from "node:net";

/**
 * Makes the signals that cancel the calls of a client who is gone. One serves all requests of a
 * connection: making one for each would cost more than parsing its body.
 */
export function clientSignals(): (socket: Socket) => AbortSignal {
  const signals = new WeakMap<Socket, AbortSignal>();
  return (socket) => {
    const known = signals.get(socket);
    if (known !== undefined) return known;
    const controller = new AbortController();
    socket.once("close", () => controller.abort());
    signals.set(socket, controller.signal);
    return controller.signal;
  };
}
