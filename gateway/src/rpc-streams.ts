import { setTimeout } from "node:timers";
import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Logger } from "@pelikuni/runtime/logger";
import type { FastifyReply } from "fastify";
import { clientSignals } from "./client-signals.ts";
import { credentialsOf } from "./rpc-calls.ts";

/**
 * Opens a stream on behalf of an HTTP request, cancelled when its client is gone. Resolves once the
 * first message is there, so that a refusal can still be answered with its status.
 *
 * @throws ConnectError, now or between messages
 */
export type StreamRpc = <I extends DescMessage, O extends DescMessage>(
  reply: FastifyReply,
  method: DescMethodServerStreaming<I, O>,
  input: MessageInitShape<I>,
) => Promise<AsyncIterable<MessageShape<O>>>;

/** Makes the opener for one transport; the time-out is for the first message. */
export function rpcStreamer(
  transport: Transport,
  limits: { readonly request_timeout_ms: number },
  logger: Logger,
): StreamRpc {
  const signalOf = clientSignals();
  return async (reply, method, input) => {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), limits.request_timeout_ms);
    const signal = AbortSignal.any([signalOf(reply.raw.req.socket), late.signal]);
    try {
      const response = await transport.stream(
        method,
        signal,
        undefined,
        credentialsOf(reply),
        justOne<MessageInitShape<typeof method.input>>(input),
      );
      const messages = response.message[Symbol.asyncIterator]();
      const breakOff = (error: unknown): void => {
        // The status is sent already: all that is left is to cut the connection, and to tell here.
        if (!signal.aborted) logger.warn({ error, rpc: method.name }, "An answer broke off");
      };
      return continued(await messages.next(), messages, breakOff);
    } catch (error) {
      throw late.signal.aborted ? new ConnectError("No answer", Code.DeadlineExceeded) : error;
    } finally {
      clearTimeout(timer);
    }
  };
}

async function* continued<Message>(
  first: IteratorResult<Message>,
  messages: AsyncIterator<Message>,
  breakOff: (error: unknown) => void,
): AsyncGenerator<Message> {
  try {
    for (let next = first; next.done !== true; next = await messages.next()) yield next.value;
  } catch (error) {
    breakOff(error);
    throw error;
  } finally {
    await messages.return?.();
  }
}

async function* justOne<Message>(message: Message): AsyncGenerator<Message> {
  yield message;
}
