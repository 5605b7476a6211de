import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Health } from "@pelikuni/gen/grpc/health/v1/health_pb";
import { expect, test } from "vitest";
import { createAuthorization } from "../src/access/authorization.ts";
import { assertScopesKnown } from "../src/access/known-scopes.ts";
import { createLogger } from "../src/logger.ts";
import { readDescriptorSet } from "./rpc-test-server.ts";

const logger = createLogger("test", { level: "silent", format: "json" });

test("the contract says of every method of ours who may call it", async () => {
  const contract = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, await readDescriptorSet()),
  );
  const services = [...contract].filter(
    (desc): desc is DescService => desc.kind === "service" && desc.typeName.startsWith("pelikuni."),
  );
  expect(services.length).toBeGreaterThanOrEqual(3);
  for (const service of services) createAuthorization([service], undefined, logger);
});

test("a service with a method that has no rule does not start", () => {
  expect(() => createAuthorization([Health], undefined, logger)).toThrow(
    "The contract does not say who may call grpc.health.v1.Health/Check",
  );
});

test("a client certificate is given no scope that no method asks for", async () => {
  const contract = createFileRegistry(
    fromBinary(FileDescriptorSetSchema, await readDescriptorSet()),
  );
  const given = (scope: string) => ({ certificates: [{ name: "shop", scopes: ["admin", scope] }] });
  expect(() => assertScopesKnown(given("wallets:read"), contract)).not.toThrow();
  expect(() => assertScopesKnown(given("wallets:reed"), contract)).toThrow(
    'auth.certificates gives "shop" the scope "wallets:reed", which there is not; there are: admin, ',
  );
});
