import fc from "fast-check";
import { expect, test } from "vitest";
import { formatSecret, shownPrefix } from "./api-key-secret.ts";

const secretBytes = 32;
const bytes = fc.uint8Array({ minLength: secretBytes, maxLength: secretBytes });

test("secrets are letters and digits of one length, and differ where their bytes do", () => {
  fc.assert(
    fc.property(bytes, bytes, (one, other) => {
      const secret = formatSecret(Buffer.from(one));
      expect(secret).toMatch(/^pelikuni_[0-9A-Za-z]{43}$/);
      const same = Buffer.from(one).equals(Buffer.from(other));
      expect(formatSecret(Buffer.from(other)) === secret).toBe(same);
    }),
  );
  const smallest = formatSecret(Buffer.alloc(secretBytes, 0));
  const largest = formatSecret(Buffer.alloc(secretBytes, 255));
  expect([smallest, largest].map((each) => each.length)).toEqual([52, 52]);
  expect(largest).not.toBe(smallest);
});

test("what is shown of a secret leaves 35 characters to guess", () => {
  const secret = formatSecret(Buffer.alloc(secretBytes, 7));
  expect(secret.startsWith(shownPrefix(secret))).toBe(true);
  expect(secret.length - shownPrefix(secret).length).toBe(35);
});
