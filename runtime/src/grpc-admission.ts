import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Metadata,
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import type { Credentials } from "./authentication.ts";
import { type Caller, principalOf } from "./caller.ts";
import { statusOfError } from "./grpc-js-status.ts";
import { namesIn, type Peer } from "./peer.ts";
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
// say who they are, for health and reflection. The others wait at their clients.
const anonymousReceptionsMax = 16;
const anonymous = "anonymous";

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

  /** @returns whose the call is, and how many of his are taken at once */
  async function identify(
    path: string,
    call: CallStart,
    metadata: Metadata,
  ): Promise<{ readonly principal: string; readonly most: number }> {
    if (!options.asksWho(path)) return { principal: anonymous, most: anonymousReceptionsMax };
    const credentials = { authorization: authorizationIn(metadata), peer: peerOf(call) };
    const caller = await options.identify({ rpc: path.slice(1), ...credentials });
    callers.set(metadata, caller);
    const principal = principalOf(caller);
    return { principal, most: receptionsMaxOf(principal) };
  }

  const interceptor: ServerInterceptor = ({ path, requestStream }, call) => {
    let over = false;
    let endReception = (): void => undefined;
    const receive = async (metadata: Metadata, take: () => void): Promise<void> => {
      try {
        const { principal, most } = await identify(path, call, metadata);
        if (over) return;
        const timer = setTimeout(
          () => call.sendStatus(statusOfError(lateMessage(withinMs))),
          withinMs,
        );
        const end = receptions.begin(principal, take, most);
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

function lateMessage(withinMs: number): ConnectError {
  const setting = "limits.grpc_request_timeout_ms";
  const message = `The request's message did not arrive within ${setting}, ${withinMs} ms`;
  return new ConnectError(message, Code.DeadlineExceeded);
}
