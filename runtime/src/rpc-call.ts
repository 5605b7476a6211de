import {
  Code,
  ConnectError,
  type ContextValues,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { type Caller, callerKey } from "./access/caller.ts";
import { type Peer, peerKey } from "./access/peer.ts";

/** What a transport knows about a call before anybody asks for more. */
export interface RpcCallOptions {
  readonly protocolName: string;
  /** When the call must have been answered, in milliseconds since 1970. */
  readonly deadlineAt: number;
  /** Makes the request's headers; called at most once, and only when somebody looks at them. */
  readonly readHeader: () => Headers;
  /** Reads the request's Authorization header alone, without making the others. */
  readonly readAuthorization?: () => string | undefined;
  readonly contextValues?: ContextValues | undefined;
  /** The other end of the connection; left out inside the process. */
  readonly peer?: Peer;
  /** Who makes it, where that is known already. */
  readonly caller?: Caller | undefined;
}

/**
 * A HandlerContext whose headers, abort signal and values exist only once somebody looks at them:
 * making them costs more than a whole unary call.
 */
export class RpcCall implements HandlerContext {
  readonly method: HandlerContext["method"];
  readonly service: HandlerContext["service"];
  readonly requestMethod = "POST";
  /**
   * The request as the outermost interceptor got it; a handler whose request is another gets
   * another context.
   */
  firstRequest: object | undefined;
  readonly #options: RpcCallOptions;
  #controller: AbortController | undefined;
  #abortReason: ConnectError | undefined;
  #finished = false;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #values: ContextValues | undefined;

  constructor(method: HandlerContext["method"], options: RpcCallOptions) {
    this.method = method;
    this.service = method.parent;
    this.#options = options;
    this.#values = options.contextValues;
  }

  get url(): string {
    return `${this.protocolName}:///${this.service.typeName}/${this.method.name}`;
  }

  get protocolName(): string {
    return this.#options.protocolName;
  }

  /** Aborted when the deadline passes, when the caller gives up, and when the call is over. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
      else if (this.finished) this.#controller.abort(callOver());
    }
    return this.#controller.signal;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= this.#options.readHeader();
    return this.#requestHeader;
  }

  /** The request's Authorization header; several ones are joined by commas. */
  get authorization(): string | undefined {
    const { readAuthorization } = this.#options;
    if (readAuthorization !== undefined) return readAuthorization();
    return this.requestHeader.get("authorization") ?? undefined;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get values(): ContextValues {
    if (this.#values === undefined) {
      this.#values = createContextValues();
      const { peer, caller } = this.#options;
      if (peer !== undefined) this.#values.set(peerKey, peer);
      if (caller !== undefined) this.#values.set(callerKey, caller);
    }
    return this.#values;
  }

  /** The response's headers if anybody asked for them; asking here makes none. */
  get sentHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  /** The response's trailers if anybody asked for them; asking here makes none. */
  get sentTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Why the call was aborted; undefined while it runs. */
  get abortReason(): ConnectError | undefined {
    return this.#abortReason;
  }

  /** Whether the call was answered. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Milliseconds left until the deadline; negative once it has passed. */
  timeoutMs(): number {
    return this.#options.deadlineAt - Date.now();
  }

  /** Aborts the signal, or lets it be born aborted; the first reason stays. */
  abort(reason: ConnectError): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(this.#abortReason);
  }

  /**
   * Says that the call was answered; the signal is aborted, so that what still runs for it stops.
   */
  finish(): void {
    this.#finished = true;
    // The reason is made only when there is a signal: making an error costs as much as the rest of
    // the call.
    if (this.#controller?.signal.aborted === false) this.#controller.abort(callOver());
  }
}

/** How long calls may take, in milliseconds. */
export interface DeadlineLimits {
  /** For a unary call whose caller names no deadline. */
  readonly deadlineDefaultMs: number;
  /** For a unary call whatever deadline its caller names. */
  readonly deadlineMaxMs: number;
  /** How long a stream stays open at most; its caller then opens another where it left off. */
  readonly streamDurationMaxMs: number;
}

/** Milliseconds that a call gets when its caller asks for so many, or does not say. */
export function allowedMs(
  askedMs: number | undefined,
  streaming: boolean,
  limits: DeadlineLimits,
): number {
  if (streaming) return Math.min(askedMs ?? Number.POSITIVE_INFINITY, limits.streamDurationMaxMs);
  return Math.min(askedMs ?? limits.deadlineDefaultMs, limits.deadlineMaxMs);
}

/** Why a call was aborted that its caller gave up. */
export function callCanceled(): ConnectError {
  return new ConnectError("The caller canceled the call", Code.Canceled);
}

/** Why a call was aborted whose deadline passed. */
export function deadlineExceeded(): ConnectError {
  return new ConnectError("The call's deadline passed", Code.DeadlineExceeded);
}

/** Why a call's signal is aborted after it was answered; no caller ever sees it. */
export function callOver(): ConnectError {
  return new ConnectError("The call is over", Code.Canceled);
}
