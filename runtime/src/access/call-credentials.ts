import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Logger } from "pino";
import { z } from "zod";
import { type AccessTokens, clientCredentialsSchema, createAccessTokens } from "./access-tokens.ts";

/** The setting that says who a process is to a service that it calls. */
export const callCredentialsSchema = z
  .strictObject({
    /** A secret: an API key, or any other bearer token that somebody else renews. */
    api_key: z.string().min(1).optional(),
    /** Tokens that it gets from an OAuth provider. */
    client_credentials: clientCredentialsSchema.optional(),
  })
  .superRefine(({ api_key, client_credentials }, context) => {
    if (api_key === undefined || client_credentials === undefined) return;
    const message = "is set beside client_credentials: take one of them out";
    context.addIssue({ code: "custom", path: ["api_key"], message });
  })
  .prefault({});

/** The parsed setting. */
export type CallCredentials = z.output<typeof callCredentialsSchema>;

/**
 * A Transport whose calls carry a bearer token; the same one where no credentials are configured.
 *
 * @param options.now the wall clock, milliseconds since 1970
 */
export function withCredentials(
  transport: Transport,
  { api_key: apiKey, client_credentials: client }: CallCredentials,
  options: { readonly now: () => number; readonly logger: Logger },
): Transport {
  if (client !== undefined) return withTokens(transport, createAccessTokens(client, options));
  if (apiKey === undefined) return transport;
  return withTokens(transport, { get: async () => apiKey, refused: () => undefined });
}

function withTokens(transport: Transport, tokens: AccessTokens): Transport {
  /** Makes a call with a token, in what is left of its time. */
  async function authorized<T>(
    given: {
      readonly header: ConstructorParameters<typeof Headers>[0];
      readonly timeoutMs: number | undefined;
    },
    call: (header: Headers, timeoutMs: number | undefined) => Promise<T>,
  ): Promise<T> {
    const startedAt = performance.now();
    const token = await tokens.get();
    const header = new Headers(given.header);
    header.set("authorization", `Bearer ${token}`);
    // grpc knows whole milliseconds alone.
    const waitedMs = Math.round(performance.now() - startedAt);
    const leftMs = given.timeoutMs === undefined ? undefined : given.timeoutMs - waitedMs;
    try {
      return await call(header, leftMs);
    } catch (error) {
      if (isUnauthenticated(error)) tokens.refused(token);
      throw error;
    }
  }

  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      authorized({ header, timeoutMs }, (withToken, leftMs) =>
        transport.unary(method, signal, leftMs, withToken, input, contextValues),
      ),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      authorized({ header, timeoutMs }, (withToken, leftMs) =>
        transport.stream(method, signal, leftMs, withToken, input, contextValues),
      ),
  };
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.Unauthenticated;
}
