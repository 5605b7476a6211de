import { X509Certificate } from "node:crypto";
import { createTestAuthority } from "@pelikuni/e2e/test-certificates";
import { expect, test } from "vitest";
import { namesIn } from "./peer.ts";

test.each([
  ["gateway", ["gateway.internal", "10.0.0.1", "spiffe://example/gateway"]],
  ["a, DNS:b", ["spiffe://example/a, DNS:c", 'https://example/"quoted", URI:https://d']],
  ["alone", []],
])("the names of a certificate for %j with %j are told one by one", (commonName, names) => {
  const { certificate } = createTestAuthority().issue({ commonName, names });
  const told = names.filter((name) => name !== "10.0.0.1");
  expect(namesIn(new X509Certificate(certificate).toLegacyObject())).toEqual([...told, commonName]);
});
