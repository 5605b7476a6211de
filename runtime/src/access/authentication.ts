import {
  Code,
  ConnectError,
  createContextKey,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
} from "@connectrpc/connect";
import { untilAborted } from "../abortable-stream.ts";
import type { Logger } from "../logger.ts";
import { rpcError } from "../rpc-errors.ts";
import { answerOfFault } from "../rpc-fault.ts";
import { rpcCallOf } from "../rpc-run.ts";
import { type AuthConfiguration, isOpen } from "./auth-configuration.ts";
import { type Caller, callerKey, certificateIssuer, openCaller } from "./caller.ts";
import { type Peer, peerKey } from "./peer.ts";
import { KeysUnavailable } from "./signing-keys.ts";
import { createTokenVerifier, TokenRefused } from "./token-verifier.ts";

/**
 * Finds who has an API key; undefined when there is no such key, or no longer.
 *
 * @throws ConnectError when it cannot be looked up
 */
export type FindApiKey = (secret: string) => Promise<Caller | undefined>;

/** What says who calls. */
export interface AuthenticationOptions {
  readonly auth: AuthConfiguration;
  /** Needed where API keys are accepted. */
  readonly findApiKey?: FindApiKey;
  readonly logger: Logger;
  /** The wall clock, milliseconds since 1970. */
  readonly now?: () => number;
}

/** What a call says of whoever makes it. */
export interface Credentials {
  /** The method's full name, for the log. */
  readonly rpc: string;
  /** The Authorization header. */
  readonly authorization: string | undefined;
  readonly peer: Peer;
}

/** Finds out who calls before anything else of a call is looked at. */
export interface Authentication extends Disposable {
  /**
   * Who makes a call.
   *
   * @throws ConnectError UNAUTHENTICATED, which is logged, or why it cannot be told
   */
  identify(credentials: Credentials): Promise<Caller>;
  /** Sets the caller of each call that has none yet. */
  readonly interceptor: Interceptor;
}

/** The reason of a refusal because nobody, or nobody known, says who he is. */
export const unauthenticatedReason = "UNAUTHENTICATED";

/** The reason of a failure because the issuer's keys cannot be had; nothing was done. */
export const keysUnavailableReason = "AUTHENTICATION_UNAVAILABLE";

/** What an API key begins with; no JSON Web Token does. */
export const apiKeyPrefix = "pelikuni_";

/** Who makes a call, where its port has asked already, before it read the call's body. */
export const arrivingCallerKey = createContextKey<Promise<Caller> | undefined>(undefined, {
  description: "who makes the call that arrives",
});

const streamRecheckMs = 30_000;
const retryDelayMs = 1_000;

type AnyRequest = UnaryRequest | StreamRequest;

/** Makes the authentication of one server. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { auth, findApiKey, logger, now = Date.now } = options;
  const tokens = createTokenVerifier(auth, logger, now);
  const scopesOfCertificate = new Map(auth.certificates.map(({ name, scopes }) => [name, scopes]));
  const open = isOpen(auth);

  async function callerOfCredential(credential: string): Promise<Caller> {
    if (!credential.startsWith(apiKeyPrefix)) return await tokens.verify(credential);
    const caller = auth.api_keys ? await findApiKey?.(credential) : undefined;
    if (caller === undefined) throw new TokenRefused("there is no such API key");
    return caller;
  }

  function callerOfCertificate(names: readonly string[]): Caller | undefined {
    for (const subject of names) {
      const scopes = scopesOfCertificate.get(subject);
      if (scopes !== undefined) {
        const identity = { issuer: certificateIssuer, subject, client: "" };
        return { ...identity, scopes: new Set(scopes), isUser: false };
      }
    }
    return undefined;
  }

  /** A token counts before the certificate: it is what a gateway with a certificate passes on. */
  async function authenticate({ authorization, peer }: Credentials): Promise<Caller> {
    if (authorization !== undefined) return await callerOfCredential(bearerOf(authorization));
    const caller = callerOfCertificate(peer.names());
    if (caller === undefined) throw new TokenRefused("it is missing");
    return caller;
  }

  async function identify(credentials: Credentials): Promise<Caller> {
    if (open) return openCaller;
    try {
      return await authenticate(credentials);
    } catch (fault) {
      const { rpc, authorization, peer } = credentials;
      const error = refusalOf(fault, authorization !== undefined);
      if (error instanceof ConnectError) {
        const [from, why] = [peer.address(), error.rawMessage];
        logger.warn({ rpc, from, why }, "A call was refused: nobody known makes it");
      }
      throw error;
    }
  }

  const interceptor: Interceptor = (next) => async (request) => {
    const { contextValues } = request;
    const peer = contextValues.get(peerKey);
    const given = contextValues.get(callerKey);
    // Inside one process a caller may be given with the call.
    if (given !== undefined && peer === peerKey.defaultValue) return await next(request);
    const rpc = `${request.service.typeName}/${request.method.name}`;
    const credentials = { rpc, authorization: authorizationOf(request), peer };
    if (given === undefined) {
      const arriving = contextValues.get(arrivingCallerKey);
      contextValues.set(callerKey, await (arriving ?? identify(credentials)));
    }
    if (!request.stream || open) return await next(request);
    return await superviseStream(next, request, () => identify(credentials), logger);
  };

  return { identify, interceptor, [Symbol.dispose]: () => tokens[Symbol.dispose]() };
}

/** Ends a stream when its token has expired, or its API key was revoked, while it was open. */
async function superviseStream(
  next: ReturnType<Interceptor>,
  request: StreamRequest,
  authenticate: () => Promise<Caller>,
  logger: Logger,
): Promise<StreamResponse> {
  const refused = new AbortController();
  const signal = AbortSignal.any([request.signal, refused.signal]);
  const recheck = (): void => {
    authenticate().catch((error: unknown) => {
      if (isRefusal(error)) refused.abort(error);
    });
  };
  const timer = setInterval(recheck, streamRecheckMs);
  const end = (): void => clearInterval(timer);
  try {
    const response = await next({ ...request, signal });
    if (!response.stream) throw new Error(`${request.method.name} answered without a stream`);
    const fail = (fault: unknown): ConnectError => answerOfFault(fault, request, logger);
    return { ...response, message: untilAborted(response.message, signal, end, fail) };
  } catch (error) {
    end();
    throw error;
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}

function authorizationOf(request: AnyRequest): string | undefined {
  const call = rpcCallOf(request);
  return call ? call.authorization : (request.header.get("authorization") ?? undefined);
}

/** RFC 6750, section 2.1; the scheme's name counts in either case (RFC 9110, section 11.1). */
function bearerOf(authorization: string): string {
  const [, credential] = /^bearer +([\w.~+/=-]+)$/i.exec(authorization) ?? [];
  if (credential !== undefined) return credential;
  throw new TokenRefused('it must stand in one header, as "Authorization: Bearer <token>"');
}

function refusalOf(error: unknown, given: boolean): unknown {
  if (error instanceof KeysUnavailable) {
    const code = Code.Unavailable;
    const message = `Whether the token is good cannot be told: ${error.message}; nothing was done`;
    return rpcError({ code, reason: keysUnavailableReason, message, retryDelayMs });
  }
  if (!(error instanceof TokenRefused)) return error;
  const refusal = rpcError({
    code: Code.Unauthenticated,
    reason: unauthenticatedReason,
    message: given
      ? `The token is refused: ${error.message}`
      : "Say who calls: send a token or an API key as Authorization: Bearer <token>",
  });
  // RFC 6750, section 3.
  refusal.metadata.set("www-authenticate", given ? 'Bearer error="invalid_token"' : "Bearer");
  return refusal;
}
