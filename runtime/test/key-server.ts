import { once } from "node:events";
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** An issuer that only publishes keys, so that a test can say when it has which, and answers when. */
export interface KeyServer extends AsyncDisposable {
  readonly issuer: string;
  /** How often its keys were fetched. */
  readonly fetches: () => number;
  /** Publishes these keys from now on, and no others. */
  publish(...keys: readonly SigningKey[]): void;
  /** From now on it answers no request: 503. */
  goAway(): void;
  /** Answers with another configuration from now on: a document, or a redirection to a path. */
  misconfigure(answer: object | string): void;
}

/** A key of an issuer. */
export interface SigningKey {
  readonly id: string;
  /** A token of it, valid for five minutes unless the claims say otherwise, or for ever. */
  sign(claims?: JWTPayload, expires?: boolean): Promise<string>;
  readonly publicKey: object;
}

export const audience = "pelikuni";

export async function startKeyServer(): Promise<KeyServer> {
  let published: readonly SigningKey[] = [];
  let away = false;
  let misconfigured: object | string | undefined;
  let fetches = 0;
  const server = createServer((request, response) => {
    fetches += 1;
    if (away) response.writeHead(503).end();
    else if (request.url === "/keys") {
      response.end(JSON.stringify({ keys: published.map(({ publicKey }) => publicKey) }));
    } else if (typeof misconfigured === "string" && request.url !== misconfigured) {
      response.writeHead(302, { location: misconfigured }).end();
    } else {
      const configuration = { issuer, jwks_uri: `${issuer}/keys` };
      response.end(
        JSON.stringify({
          ...configuration,
          ...(typeof misconfigured === "object" ? misconfigured : {}),
        }),
      );
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const issuer = `http://127.0.0.1:${port}`;
  return {
    issuer,
    fetches: () => fetches,
    publish(...keys) {
      published = keys;
      away = false;
    },
    goAway() {
      away = true;
    },
    misconfigure(answer) {
      misconfigured = answer;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Makes a key for the tokens of an issuer. */
export async function createSigningKey(issuer: string, id: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), kid: id, alg: "ES256", use: "sig" };
  return {
    id,
    publicKey: jwk,
    sign: (claims = {}, expires = true) => {
      const token = new SignJWT({ iss: issuer, aud: audience, sub: "alice", ...claims });
      if (expires) token.setExpirationTime(claims.exp ?? "5 minutes");
      return token.setProtectedHeader({ alg: "ES256", kid: id }).sign(privateKey);
    },
  };
}
