import { createHash, randomBytes } from "node:crypto";
import { userClient } from "./identity-provider-settings.ts";

// Sign-in, consent, and the ways between them.
const stepsMax = 12;

/**
 * Signs a user in at the provider as a browser would: follows its redirects, keeps its cookies and
 * fills in its forms, until it hands out an authorization code.
 *
 * @param request the resource for which the token shall be, and scopes of it
 * @returns the fields with which the code is exchanged for a token
 */
export async function signIn(
  issuer: string,
  userId: string,
  { resource, scope }: { readonly resource: string; readonly scope: string },
): Promise<Record<string, string>> {
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    client_id: userClient.id,
    response_type: "code",
    redirect_uri: userClient.redirectUri,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    resource,
    scope: `openid ${scope}`.trim(),
  });
  const code = await followToCode(new URL(`${issuer}/auth?${query}`), userId);
  return {
    grant_type: "authorization_code",
    client_id: userClient.id,
    redirect_uri: userClient.redirectUri,
    code,
    code_verifier: verifier,
    resource,
  };
}

async function followToCode(start: URL, userId: string): Promise<string> {
  const cookies = new Map<string, string>();
  let url = start;
  let form: URLSearchParams | undefined;
  for (let step = 1; step <= stepsMax; step += 1) {
    const response = await visit(url, cookies, form);
    const location = response.headers.get("location");
    if (location === null) {
      form = fillIn(await response.text(), userId);
      continue;
    }
    form = undefined;
    url = new URL(location, url);
    const code = url.href.startsWith(userClient.redirectUri) && url.searchParams.get("code");
    if (code) return code;
  }
  throw new Error(`Nobody was signed in; the last address was ${url.href}`);
}

/** A GET, or a POST when there is a form to send. */
async function visit(
  url: URL,
  cookies: Map<string, string>,
  form: URLSearchParams | undefined,
): Promise<Response> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const response = await fetch(url, {
    redirect: "manual",
    headers: { Cookie: cookie },
    ...(form && { method: "POST", body: form }),
  });
  for (const line of response.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) cookies.set(name, value);
  }
  return response;
}

/** The provider's two pages have a form each, which goes back to the page's own address. */
function fillIn(page: string, userId: string): URLSearchParams {
  if (page.includes('name="login"')) {
    return new URLSearchParams({ prompt: "login", login: userId, password: "any" });
  }
  if (page.includes('value="consent"')) return new URLSearchParams({ prompt: "consent" });
  throw new Error(`The provider shows no form: ${page}`);
}
