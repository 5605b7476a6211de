import { createServer } from "node:net";
import { expect, test } from "vitest";
import { OperatorError } from "./operator-error.ts";
import { isLoopbackHost, listen, withPortSetting } from "./port.ts";

test("a taken port is told with the setting that changes it, gRPC's or HTTP's", async () => {
  const first = createServer();
  const port = await listen(first, "127.0.0.1", 0);
  const taken: unknown = await listen(createServer(), "127.0.0.1", port).catch((error) => error);
  first.close();
  const message = `Port ${port} on 127.0.0.1 is already in use`;
  expect(withPortSetting(taken, "WALLET_SERVICE", port)).toEqual(
    new OperatorError(`${message}; APP__WALLET_SERVICE__GRPC__PORT sets another one`),
  );
  expect(withPortSetting(taken, "HISTORY_SERVICE", port + 1)).toEqual(
    new OperatorError(`${message}; APP__HISTORY_SERVICE__HTTP__PORT sets another one`),
  );
  const other = new Error("The network is down");
  expect(withPortSetting(other, "HISTORY_SERVICE", port)).toBe(other);
});

test.each([
  ["localhost:8000", true],
  ["127.0.0.1", true],
  ["[::1]:8051", true],
  ["evil.example:8000", false],
  ["localhost.evil.example", false],
  ["evil-localhost", false],
  ["127.0.0.1.evil.example", false],
  ["evil.example@127.0.0.1.evil.example", false],
  ["", false],
  [undefined, false],
])("whether the Host header %j names this machine: %j", (header, expected) => {
  expect(isLoopbackHost(header)).toBe(expected);
});
