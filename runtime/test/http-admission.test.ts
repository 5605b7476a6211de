import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestServer, type TestServer, walletId } from "./rpc-test-server.ts";

let server: TestServer;
const begun: ClientRequest[] = [];

const person = { issuer: "api-key", client: "", scopes: new Set(["wallets:read"]), isUser: false };

beforeEach(async () => {
  server = await startTestServer({
    callers: new Map([
      ["pelikuni_alice", { ...person, subject: "alice" }],
      ["pelikuni_bob", { ...person, subject: "bob" }],
    ]),
  });
});

afterEach(async () => {
  for (const each of begun.splice(0)) each.destroy();
  await server[Symbol.asyncDispose]();
});

/** Begins a call whose body does not end. */
function begin(contentType: string, authorization?: string): ClientRequest {
  const started = request(server.url("/pelikuni.wallet.v1.WalletService/GetWallet"), {
    method: "POST",
    headers: { "content-type": contentType, ...(authorization && { authorization }) },
    agent: false,
  });
  started.on("error", () => undefined);
  started.write("{");
  begun.push(started);
  return started;
}

async function answerOf(started: ClientRequest): Promise<{ status: number; text: string }> {
  const [response]: IncomingMessage[] = await once(started, "response");
  if (response === undefined) throw new Error("There is no response");
  let text = decodeURIComponent(String(response.headers["grpc-message"] ?? ""));
  for await (const part of response) text += part;
  return { status: response.statusCode ?? 0, text: decodeURIComponent(text) };
}

test.each(["application/json", "application/proto", "application/grpc-web+proto"])(
  "who does not say who he is is refused before his %s is there",
  async (contentType) => {
    expect((await answerOf(begin(contentType))).text).toContain("Say who calls");
    const refused = await answerOf(begin(contentType, "Bearer no.such.token"));
    expect(refused.text).toContain("The token is refused");
    expect(server.log).toHaveLength(2);
  },
);

test("a caller with many unfinished bodies does not keep another one waiting, nor himself for ever", async () => {
  for (let count = 0; count < 200; count += 1) begin("application/json", "Bearer pelikuni_bob");
  const call = async (who: string): Promise<string | undefined> => {
    const headers = { authorization: `Bearer pelikuni_${who}` };
    return (await server.wallets("Connect").getWallet({ walletId }, { headers })).wallet?.id;
  };
  expect(await call("alice")).toBe(walletId);
  for (const each of begun.splice(0)) each.destroy();
  expect(await call("bob")).toBe(walletId);
});
