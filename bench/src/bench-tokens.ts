import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** An issuer of tokens on the loopback interface; disposing it takes its keys away. */
export interface TokenIssuer extends AsyncDisposable {
  /** The settings of a service that accepts its tokens. */
  readonly environment: Readonly<Record<string, string>>;
  /** A token of a machine that may do everything with wallets, good for a day. */
  issue(client: string): Promise<string>;
  /** A token with everything right but its signature. */
  forge(client: string): Promise<string>;
}

const audience = "pelikuni-bench";
const algorithm = "RS256";
const scope = "wallets:read wallets:write wallets:fund transfers:write";

/** Starts an issuer with one key, as OpenID providers publish theirs. */
export async function startTokenIssuer(): Promise<TokenIssuer> {
  const keys = await generateKeyPair(algorithm);
  const others = await generateKeyPair(algorithm);
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "bench", alg: algorithm, use: "sig" };
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${portOf(server.address())}`;
  const sign = (client: string, key: typeof keys.privateKey): Promise<string> =>
    new SignJWT({ client_id: client, scope })
      .setProtectedHeader({ alg: algorithm, kid: jwk.kid })
      .setIssuer(url)
      .setAudience(audience)
      .setSubject(client)
      .setIssuedAt()
      .setExpirationTime("1 day")
      .sign(key);
  const settings = [{ issuer: url, audience, jwks_url: `${url}/keys` }];
  return {
    environment: { APP__AUTH__ISSUERS: JSON.stringify(settings) },
    issue: (client) => sign(client, keys.privateKey),
    forge: (client) => sign(client, others.privateKey),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("The issuer has no port.");
  return address.port;
}
