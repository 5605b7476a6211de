import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import type { Credentials } from "./access/authentication.ts";
import { type Caller, principalOf } from "./access/caller.ts";
import { namesIn, type Peer } from "./access/peer.ts";
import { statusOfError } from "./grpc-js-status.ts";
import { createReceptions, receptionsMaxOf } from "./receptions.ts";

/** Lets calls in by their headers, before their messages are taken. */
export interface GrpcAdmission {
  readonly interceptor: ServerInterceptor;
  /** Who makes a call that was let in. */
  callerOf(metadata: Metadata): Caller | undefined;
}

/** What the parts of a call's metadata and connection say that its port lets in. */
type CallStart = Pick<ServerInterceptingCallInterface, "getAuthContext" | "getPeer">;

// grpc-js keeps the bytes of a message until it is whole: so many are taken at once of those who need not
// say who they are, for health and reflection.
const anonymousReceptionsMax = 16;

/**
 * Creates it. Without it whoever reaches the port could fill the memory with messages that never end.
 *
 * @param options.asksWho whether a method asks who calls: health and reflection do not
 * @param options.identify who makes a call; rejects with a ConnectError when he is refused
 */
export function createGrpcAdmission(options: {
  readonly identify: (credentials: Credentials) => Promise<Caller>;
  readonly asksWho: (path: string) => boolean;
  /** Milliseconds within which a message must have arrived whole. */
  readonly grpcRequestTimeoutMs: number;
}): GrpcAdmission {
  const { grpcRequestTimeoutMs: withinMs } = options;
  const receptions = createReceptions();
  const callers = new WeakMap<Metadata, Caller>();

  const anonymous = new Set<() => void>();

  /** The oldest gives way: were it the new one, sixteen without an end would keep all others out. */
  function beginAnonymous(take: () => void, giveWay: () => void): () => void {
    const [oldest] = anonymous.size >= anonymousReceptionsMax ? anonymous : [];
    if (oldest !== undefined) anonymous.delete(oldest);
    oldest?.();
    anonymous.add(giveWay);
    take();
    return () => void anonymous.delete(giveWay);
  }

  async function beginKnown(
    path: string,
    call: CallStart,
    metadata: Metadata,
  ): Promise<(take: () => void) => () => void> {
    const credentials = { authorization: authorizationIn(metadata), peer: peerOf(call) };
    const caller = await options.identify({ rpc: path.slice(1), ...credentials });
    callers.set(metadata, caller);
    const principal = principalOf(caller);
    return (take) => receptions.begin(principal, take, receptionsMaxOf(principal));
  }

  const interceptor: ServerInterceptor = ({ path, requestStream }, call) => {
    let over = false;
    let endReception = (): void => undefined;
    const receive = async (metadata: Metadata, take: () => void): Promise<void> => {
      try {
        const fail = (error: ConnectError): void => call.sendStatus(statusOfError(error));
        const begin = options.asksWho(path)
          ? await beginKnown(path, call, metadata)
          : (begun: () => void) => beginAnonymous(begun, () => fail(tooManyAnonymous()));
        if (over) return;
        const timer = setTimeout(() => fail(lateMessage(withinMs)), withinMs);
        const end = begin(take);
        endReception = () => {
          clearTimeout(timer);
          end();
        };
      } catch (error) {
        call.sendStatus(statusOfError(ConnectError.from(error)));
      }
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => void receive(metadata, () => next(metadata)))
      .withOnReceiveMessage((message, next) => {
        // What takes several, as reflection does, counts until its end.
        if (!requestStream) endReception();
        next(message);
      })
      .withOnCancel(() => {
        over = true;
        endReception();
      })
      .build();
    const responder = new ResponderBuilder().withStart((next) => next(listener)).build();
    return new ServerInterceptingCall(call, responder);
  };

  return { interceptor, callerOf: (metadata) => callers.get(metadata) };
}

/** The Authorization header of a call; several ones are joined by commas. */
export function authorizationIn(metadata: Metadata): string | undefined {
  const values = metadata.get("authorization");
  return values.length === 0 ? undefined : values.join(", ");
}

/** The other end of a call's connection. */
export function peerOf(call: CallStart): Peer {
  return {
    names: () => {
      // There is one only where it was verified.
      const { sslPeerCertificate } = call.getAuthContext();
      return sslPeerCertificate === undefined ? [] : namesIn(sslPeerCertificate);
    },
    address: () => call.getPeer(),
  };
}

function tooManyAnonymous(): ConnectError {
  const message = "Too many others have begun calls without an end; nothing was done, call again";
  return new ConnectError(message, Code.Unavailable);
}

function lateMessage(withinMs: number): ConnectError {
  const setting = "limits.grpc_request_timeout_ms";
  const message = `The request's message did not arrive within ${setting}, ${withinMs} ms`;
  return new ConnectError(message, Code.DeadlineExceeded);
}
