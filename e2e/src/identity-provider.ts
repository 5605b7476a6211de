import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import path from "node:path";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { z } from "zod";
import {
  type Algorithm,
  algorithms,
  type IdentityProviderSettings,
  resourceOf,
} from "./identity-provider-settings.ts";
import { chooseLastingPort } from "./lasting-port.ts";
import { signIn } from "./sign-in.ts";

/** A key of the provider with its private part, so that tests can forge what it would not sign. */
export interface ProviderKey extends JWK {
  readonly kty: string;
  readonly kid: string;
  readonly alg: Algorithm;
}

/** What a token shall be like. */
export interface TokenRequest {
  readonly scopes?: readonly string[];
  /** `pelikuni` unless another one is named. */
  readonly audience?: string;
  /** RS256 unless another one is named. */
  readonly algorithm?: Algorithm;
}

/** An OpenID provider in a process of its own. */
export interface IdentityProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** Its keys, of each algorithm the one that signs first. */
  readonly keys: readonly ProviderKey[];
  /** With what one of its machines gets tokens. */
  machineSecret(machine: string): string;
  /** A token for one of its machines: `sub` is the machine's id. */
  machineToken(machine: string, request?: TokenRequest): Promise<string>;
  /** A token for a user, who signs in as with a browser: `sub` is the user's id. */
  userToken(userId: string, request?: TokenRequest): Promise<string>;
  /** Signs with new keys from now on. The old ones stay published, or are gone at once. */
  rotateKeys(old: "kept" | "removed"): Promise<void>;
  /** Ends its process; it does not answer any more. */
  stop(): Promise<void>;
  /** Starts it again after `stop`: same address, same keys. */
  start(): Promise<void>;
}

/** The audience of the tokens that our services take. */
export const audience = "pelikuni";

const project = path.resolve(import.meta.dirname, "../..");
const mainFile = path.resolve(import.meta.dirname, "identity-provider-main.ts");
const answerDeadlineMs = 30_000;
const linesKeptMax = 50;
const tokenAnswerSchema = z.object({ access_token: z.string(), scope: z.string().default("") });

/**
 * Starts a provider.
 *
 * @param scopes what its machines and users may ask for
 * @param machines the ids of its machines
 */
export async function startIdentityProvider(
  scopes: readonly string[],
  machines: readonly string[] = ["operator"],
): Promise<IdentityProvider> {
  const port = await chooseLastingPort();
  const issuer = `http://127.0.0.1:${port}`;
  const secrets = new Map(machines.map((id) => [id, randomBytes(16).toString("hex")]));
  let keys = await createKeys();
  let child = await startProcess();

  function settings(): IdentityProviderSettings {
    const clients = [...secrets].map(([id, secret]) => ({ id, secret }));
    return { port, machines: clients, scopes: [...scopes], keys: keys.map((key) => ({ ...key })) };
  }

  async function startProcess(): Promise<ChildProcess> {
    return await startProvider(settings());
  }

  async function stop(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  function machineSecret(machine: string): string {
    const secret = secrets.get(machine);
    if (secret === undefined) throw new Error(`There is no machine "${machine}".`);
    return secret;
  }

  return {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    get keys() {
      return keys;
    },
    machineSecret,
    machineToken: async (machine, request) => {
      const secret = machineSecret(machine);
      const fields = tokenFields(request);
      const grant = { grant_type: "client_credentials", client_id: machine, client_secret: secret };
      return await fetchToken(issuer, { ...grant, ...fields }, fields.scope);
    },
    userToken: async (userId, request) => {
      const fields = tokenFields(request);
      return await fetchToken(issuer, await signIn(issuer, userId, fields), fields.scope);
    },
    rotateKeys: async (old) => {
      keys = [...(await createKeys()), ...(old === "kept" ? keys : [])];
      await tell(child, settings());
    },
    stop,
    start: async () => {
      child = await startProcess();
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Forks the process and waits until it listens; the error of a failed start shows its output. */
async function startProvider(settings: IdentityProviderSettings): Promise<ChildProcess> {
  const child = fork(mainFile, [], {
    cwd: project,
    execArgv: ["--import", "tsx/esm", "--conditions=source"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const printed: string[] = [];
  child.stderr?.on("data", (chunk) => {
    printed.push(String(chunk));
    if (printed.length > linesKeptMax) printed.shift();
  });
  try {
    await tell(child, settings);
    return child;
  } catch {
    child.kill("SIGKILL");
    throw new Error(`The provider did not start:\n${printed.join("")}`);
  }
}

/** Sends settings, and waits until they are served. */
async function tell(child: ChildProcess, settings: IdentityProviderSettings): Promise<void> {
  const given = new AbortController();
  const signal = AbortSignal.any([given.signal, AbortSignal.timeout(answerDeadlineMs)]);
  const exited = once(child, "exit", { signal }).then(() => {
    throw new Error("The provider's process has ended.");
  });
  const answered = once(child, "message", { signal });
  child.send(settings);
  try {
    await Promise.race([answered, exited]);
  } finally {
    given.abort();
    // Both are over: the one that lost the race ends with the signal.
    await Promise.allSettled([answered, exited]);
  }
}

async function createKeys(): Promise<ProviderKey[]> {
  return await Promise.all(
    algorithms.map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true });
      const { kty, ...jwk } = await exportJWK(privateKey);
      if (kty === undefined) throw new Error(`A key for ${alg} has no type.`);
      const kid = `${alg}-${randomBytes(6).toString("hex")}`;
      return { ...jwk, kty, kid, alg, use: "sig" };
    }),
  );
}

function tokenFields(request: TokenRequest = {}): { resource: string; scope: string } {
  const { scopes = [], algorithm = "RS256" } = request;
  const resource = resourceOf(request.audience ?? audience, algorithm);
  return { resource, scope: scopes.join(" ") };
}

async function fetchToken(
  issuer: string,
  fields: Record<string, string>,
  scope: string,
): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: "POST",
    body: new URLSearchParams(fields),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`The provider gave no token: ${text}`);
  const answer = tokenAnswerSchema.parse(JSON.parse(text));
  // It leaves out what it does not know, and `openid` concerns nobody but itself.
  const given = answer.scope.replace(/^openid ?/, "");
  if (given !== scope) throw new Error(`Scopes asked for: "${scope}", given: "${given}"`);
  return answer.access_token;
}
