import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { errors, Provider, type ResourceServer } from "oidc-provider";
import {
  type IdentityProviderSettings,
  identityProviderSettingsSchema,
  readResource,
  userClient,
} from "./identity-provider-settings.ts";

// The OpenID provider in a process of its own: it takes its settings from its parent, and new ones
// at any time, whereupon it serves those from the next request on.
const tokenLifeSeconds = 3_600;
const keepAliveMs = 600_000;

let serve: RequestListener | undefined;

process.on("message", (message) => {
  const settings = identityProviderSettingsSchema.parse(message);
  const first = serve === undefined;
  serve = createProvider(settings).callback();
  void (first ? listen(settings.port) : Promise.resolve()).then(() => process.send?.("ready"));
});

// It never outlives the test that started it.
process.once("disconnect", () => process.exit());

async function listen(port: number): Promise<void> {
  const server = createServer((request, response) => serve?.(request, response));
  // A test on a busy machine must not send on a connection that is just being closed.
  server.keepAliveTimeout = keepAliveMs;
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
}

function createProvider({ port, machines, keys, scopes }: IdentityProviderSettings): Provider {
  return new Provider(`http://127.0.0.1:${port}`, {
    jwks: { keys },
    cookies: { keys: ["signs the cookies of one test"] },
    clients: [
      ...machines.map(({ id, secret }) => ({
        client_id: id,
        client_secret: secret,
        grant_types: ["client_credentials"],
        response_types: [],
        redirect_uris: [],
      })),
      {
        client_id: userClient.id,
        application_type: "native",
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code"],
        response_types: ["code"],
        redirect_uris: [userClient.redirectUri],
      },
    ],
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    features: {
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => describeResource(resource, scopes),
      },
    },
    ttl: { AccessToken: tokenLifeSeconds, ClientCredentials: tokenLifeSeconds },
  });
}

function describeResource(resource: string, scopes: readonly string[]): ResourceServer {
  const asked = readResource(resource);
  if (asked === undefined) throw new errors.InvalidTarget();
  return {
    scope: scopes.join(" "),
    audience: asked.audience,
    accessTokenFormat: "jwt",
    accessTokenTTL: tokenLifeSeconds,
    jwt: { sign: { alg: asked.algorithm } },
  };
}
