import { connect } from "node:net";
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "@pelikuni/gen/grpc/health/v1/health_pb";
import { GetWalletResponseSchema } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { pino } from "pino";
import { expect, test } from "vitest";
import { authSchema } from "../src/access/auth-configuration.ts";
import { PortTakenError } from "../src/port.ts";
import { rpcLimitsSchema, startRpcServer } from "../src/rpc-server.ts";
import { createGrpcTransport } from "../src/rpc-transport.ts";
import {
  deferred,
  readDescriptorSet,
  startTestServer,
  type TestServer,
  walletId,
  waysIn,
} from "./rpc-test-server.ts";

test.each(waysIn)("%s: a call in flight is answered before the server stops", async (wayIn) => {
  const begun = deferred();
  const release = deferred();
  const { wallets, server } = await startTestServer({
    handlers: {
      getWallet: async () => {
        begun.resolve();
        await release.promise;
        return create(GetWalletResponseSchema, { wallet: { id: walletId } });
      },
    },
  });
  const call = wallets(wayIn).getWallet({ walletId });
  await begun.promise;
  let stopped = false;
  const stop = server[Symbol.asyncDispose]().then(() => {
    stopped = true;
  });
  await expectRefused(server.grpcPort);
  await expectRefused(server.httpPort);
  expect(stopped).toBe(false);
  release.resolve();
  expect((await call).wallet?.id).toBe(walletId);
  await stop;
});

test("connections without a call, watchers and half a request do not hold up a stop", async () => {
  const running = await startTestServer({});
  for (const wayIn of waysIn) await running.wallets(wayIn).getWallet({ walletId });
  const statuses = healthStatuses(running);
  expect(await nextStatus(statuses)).toBe(ServingStatus.SERVING);
  const sockets = [running.server.httpPort, running.server.grpcPort].map((port) =>
    connect(port, "127.0.0.1", function (this: { write(text: string): unknown }) {
      this.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    }),
  );
  for (const socket of sockets) socket.on("error", () => undefined);
  const begun = performance.now();
  const stop = running.server[Symbol.asyncDispose]();
  expect(await nextStatus(statuses)).toBe(ServingStatus.NOT_SERVING);
  const ended = nextStatus(statuses).catch(() => "cut");
  await stop;
  expect(performance.now() - begun).toBeLessThan(3_000);
  expect(await ended).toBe("cut");
  for (const socket of sockets) socket.destroy();
  await running[Symbol.asyncDispose]();
});

test("a port that is taken is named, and the other one is given back", async () => {
  const first = await startTestServer({});
  const { grpcPort, httpPort } = first.server;
  await expect(start(grpcPort, 0)).rejects.toThrow(new PortTakenError(grpcPort, "127.0.0.1"));
  const failed = start(0, httpPort);
  await expect(failed).rejects.toBeInstanceOf(PortTakenError);
  await expect(failed).rejects.toMatchObject({ port: httpPort });
  await first[Symbol.asyncDispose]();
  const second = await start(grpcPort, httpPort);
  expect([second.grpcPort, second.httpPort]).toEqual([grpcPort, httpPort]);
  await second[Symbol.asyncDispose]();
});

test("a client finds a server again that was away for a while", async () => {
  const first = await startTestServer({});
  const { grpcPort } = first.server;
  const transport = createGrpcTransport({
    address: `127.0.0.1:${grpcPort}`,
    messageBytesMax: 4_096,
    deadlineDefaultMs: 5_000,
  });
  const health = createClient(Health, transport);
  await health.check({});
  await first[Symbol.asyncDispose]();
  await expect(health.check({})).rejects.toThrow(/unavailable/);
  const second = await start(grpcPort, 0);
  await expect
    .poll(() => health.check({}).catch(() => undefined), { timeout: 3_000 })
    .toMatchObject({ status: ServingStatus.SERVING });
  await transport[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

async function start(grpcPort: number, httpPort: number) {
  return await startRpcServer({
    services: [],
    descriptorSet: await readDescriptorSet(),
    grpc: { host: "127.0.0.1", port: grpcPort },
    http: { host: "127.0.0.1", port: httpPort, corsOrigins: [] },
    limits: rpcLimitsSchema.parse({}),
    access: { auth: authSchema.parse({}) },
    logger: pino({ level: "silent" }),
  });
}

function healthStatuses(running: TestServer): AsyncIterator<{ status: ServingStatus }> {
  return createClient(Health, running.transport("gRPC")).watch({})[Symbol.asyncIterator]();
}

async function nextStatus(
  statuses: AsyncIterator<{ status: ServingStatus }>,
): Promise<ServingStatus | undefined> {
  const next = await statuses.next();
  return next.done === true ? undefined : next.value.status;
}

async function expectRefused(port: number): Promise<void> {
  await expect
    .poll(
      () =>
        new Promise((resolve) => {
          const socket = connect(port, "127.0.0.1");
          socket.once("connect", () => resolve("open"));
          socket.once("error", () => resolve("refused"));
          socket.once("close", () => socket.destroy());
        }),
    )
    .toBe("refused");
}
