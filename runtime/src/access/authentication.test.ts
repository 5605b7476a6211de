import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { authSchema } from "./auth-configuration.ts";
import { createAuthentication } from "./authentication.ts";
import { openCaller } from "./caller.ts";

const logger = createLogger("test", { level: "silent", format: "json" });
const certificates = [{ name: "shop", scopes: ["wallets:read"] }];
const peerCalled = (...names: string[]) => ({ names: () => names, address: () => "here" });
const call = { rpc: "service/Method", peer: peerCalled() };

test("an API key is nobody's where API keys are not accepted, whoever could find it", async () => {
  const auth = authSchema.parse({ certificates });
  const findApiKey = async () => openCaller;
  using authentication = createAuthentication({ auth, findApiKey, logger });
  const authorization = "Bearer pelikuni_key";
  await expect(authentication.identify({ ...call, authorization })).rejects.toMatchObject({
    code: Code.Unauthenticated,
  });
});

test("a token that is refused is not made good by the certificate beside it", async () => {
  using authentication = createAuthentication({ auth: authSchema.parse({ certificates }), logger });
  const shop = { rpc: "service/Method", peer: peerCalled("shop"), authorization: undefined };
  expect(await authentication.identify(shop)).toMatchObject({ subject: "shop", isUser: false });
  for (const authorization of [
    "",
    "Basic c2hvcA==",
    "Bearer no.such.token",
    "Bearer a, Bearer b",
  ]) {
    await expect(authentication.identify({ ...shop, authorization })).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
  }
});
