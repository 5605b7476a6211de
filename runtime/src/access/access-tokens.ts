import { Code, type ConnectError } from "@connectrpc/connect";
import type { Logger } from "pino";
import { z } from "zod";
import { rpcError } from "../rpc-errors.ts";
import { secureUrl } from "./auth-configuration.ts";

/** How a service gets tokens for itself: the client credentials grant of OAuth 2.0, RFC 6749. */
export const clientCredentialsSchema = z.strictObject({
  /** The provider's token endpoint. */
  token_url: secureUrl,
  client_id: z.string().min(1),
  /** A secret. */
  client_secret: z.string().min(1),
  /** Scopes to ask for, with blanks between them; left out: those that the provider gives. */
  scope: z.string().min(1).optional(),
  /** Further fields that the provider wants, such as audience or resource. */
  fields: z.record(z.string(), z.string()).default({}),
});

/** The parsed settings. */
export type ClientCredentials = z.output<typeof clientCredentialsSchema>;

/** The tokens of one client, fetched as they are needed. */
export interface AccessTokens {
  /**
   * A token that is valid.
   *
   * @throws ConnectError UNAVAILABLE when there is none, and none can be had
   */
  get(): Promise<string>;
  /** Says that a token was refused: the next call gets another one. */
  refused(token: string): void;
}

interface Token {
  readonly text: string;
  readonly fetchedAtMs: number;
  /** From then on another one is fetched, while this one is still used. */
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
}

const fetchTimeoutMs = 3_000;
const answerBytesMax = 65_536;
const errorCodePattern = /^[a-z_]{1,60}$/;
/** Of a token whose answer does not say how long it lives. */
const lifeDefaultSeconds = 60;
/** A token is not sent any more when it could expire on its way. */
const onItsWayMsMax = 5_000;
const pauseMinMs = 200;
const pauseMaxMs = 5_000;

const answerSchema = z.object({
  access_token: z.string().min(1),
  token_type: z.string().regex(/^bearer$/i),
  expires_in: z.number().positive().default(lifeDefaultSeconds),
});

/**
 * Makes the source of tokens of one client. One token is fetched at a time, before the last one
 * expires, and at the earliest some time after an attempt that failed: what is asked of the provider
 * is bounded whatever is called meanwhile.
 *
 * @param now the wall clock, milliseconds since 1970
 */
export function createAccessTokens(
  client: ClientCredentials,
  { now, logger }: { readonly now: () => number; readonly logger: Logger },
): AccessTokens {
  let current: Token | undefined;
  let fetching: Promise<Token> | undefined;
  let failures = 0;
  let notBeforeMs = 0;

  async function renew(): Promise<Token> {
    const askedAtMs = now();
    try {
      const token = tokenOf(await fetchAnswer(client), askedAtMs);
      if (failures > 0) logger.info("Access tokens can be fetched again.");
      failures = 0;
      current = token;
      return token;
    } catch (error) {
      notBeforeMs = now() + Math.min(pauseMaxMs, pauseMinMs * 2 ** failures);
      failures += 1;
      logger.warn({ error, client: client.client_id }, "An access token could not be fetched.");
      throw error;
    } finally {
      fetching = undefined;
    }
  }

  /** The fetch under way, or a new one; undefined during the pause after one that failed. */
  function begin(): Promise<Token> | undefined {
    if (fetching === undefined && now() >= notBeforeMs) {
      fetching = renew();
      // Nobody may be waiting for it: there may be a valid token still.
      fetching.catch(() => undefined);
    }
    return fetching;
  }

  return {
    async get() {
      const nowMs = now();
      if (current !== undefined && nowMs < current.renewAtMs) return current.text;
      const next = begin();
      if (current !== undefined && nowMs < current.expiresAtMs) return current.text;
      const token = await next?.catch(() => undefined);
      if (token === undefined) throw noToken();
      return token.text;
    },
    refused(text) {
      if (current?.text !== text) return;
      // One that was refused from its beginning would be followed by others like it, without end.
      notBeforeMs = Math.max(notBeforeMs, current.fetchedAtMs + pauseMaxMs);
      current = undefined;
      logger.warn({ client: client.client_id }, "An access token was refused.");
    },
  };
}

function tokenOf(answer: z.output<typeof answerSchema>, askedAtMs: number): Token {
  const lifeMs = answer.expires_in * 1_000;
  return {
    text: answer.access_token,
    fetchedAtMs: askedAtMs,
    renewAtMs: askedAtMs + 0.75 * lifeMs,
    expiresAtMs: askedAtMs + lifeMs - Math.min(onItsWayMsMax, lifeMs / 10),
  };
}

/** @throws an error whose message holds no secret */
async function fetchAnswer(client: ClientCredentials): Promise<z.output<typeof answerSchema>> {
  const { token_url, client_id, client_secret, scope, fields } = client;
  const grant = { ...fields, ...(scope && { scope }), grant_type: "client_credentials" };
  const response = await fetch(token_url, {
    method: "POST",
    // Both encoded, as RFC 6749 has it in section 2.3.1.
    headers: { accept: "application/json", authorization: basic(client_id, client_secret) },
    body: new URLSearchParams(grant),
    // The secret goes to nobody but the configured provider.
    redirect: "error",
    signal: AbortSignal.timeout(fetchTimeoutMs),
  });
  const text = await readText(response);
  if (!response.ok) throw new Error(`The provider answered ${response.status}${errorCode(text)}.`);
  const answer = answerSchema.safeParse(parseJson(text));
  if (!answer.success) throw new Error("The provider's answer is none of RFC 6749, section 5.1.");
  return answer.data;
}

function basic(id: string, secret: string): string {
  const encoded = [id, secret].map((part) => new URLSearchParams({ part }).toString().slice(5));
  return `Basic ${Buffer.from(encoded.join(":"), "utf8").toString("base64")}`;
}

async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > answerBytesMax) throw new Error(`The answer is over ${answerBytesMax} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** The code of an OAuth error, which is no secret; the rest of an answer might be one. */
function errorCode(text: string): string {
  const { data } = z
    .object({ error: z.string().regex(errorCodePattern) })
    .safeParse(parseJson(text));
  return data === undefined ? "" : `, ${data.error}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function noToken(): ConnectError {
  return rpcError({
    code: Code.Unavailable,
    reason: "NO_ACCESS_TOKEN",
    message: "This service could not get an access token for its own calls; try again",
  });
}
