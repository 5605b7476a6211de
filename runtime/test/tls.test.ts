import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type Client, Code, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import {
  createTestAuthority,
  type TestCertificateFiles,
  writeCertificate,
} from "@pelikuni/e2e/test-certificates";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { peerNamesOf } from "../src/access/peer.ts";
import { type CertificateFiles, openCertificates, type ServerTls } from "../src/certificates.ts";
import { createLogger } from "../src/logger.ts";
import { createGrpcTransport } from "../src/rpc-transport.ts";
import {
  deferred,
  failureOf,
  startTestServer,
  type TestServer,
  walletId,
} from "./rpc-test-server.ts";

const directory = mkdtempSync(path.join(tmpdir(), "pelikuni-tls-"));
const quiet = createLogger("test", { level: "silent", format: "json" });
const known = createTestAuthority();
const unknown = createTestAuthority();
const reloadTimeoutMs = 15_000;
const promptMs = 5_000;

const server = write("server", ["localhost", "127.0.0.1"]);
const gateway = write("gateway", ["gateway.internal", "spiffe://example/gateway"]);
const stranger = writeCertificate(directory, unknown, { commonName: "stranger" });
const trusting = { ca_file: server.ca_file };
const gatewayNames = ["gateway.internal", "spiffe://example/gateway", "gateway"];

const waysIn = ["gRPC", "Connect", "Connect with JSON", "gRPC-Web"] as const;
const opened: AsyncDisposable[] = [];

afterEach(async () => {
  for (const resource of opened.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
afterAll(() => rmSync(directory, { recursive: true }));

function write(commonName: string, names: readonly string[]): TestCertificateFiles {
  return writeCertificate(directory, known, { commonName, names });
}

/** A server whose answer names who asked. */
async function start(
  clients: Pick<ServerTls, "client_certificates" | "ca_file"> = { client_certificates: "none" },
  { certificate_file, key_file } = server,
): Promise<TestServer> {
  const running = await startTestServer({
    tls: { certificate_file, key_file, ...clients },
    handlers: {
      getWallet: (_, { values }) => ({ wallet: { id: peerNamesOf(values).join(" ") } }),
      async *subscribeEvents(request) {
        yield { position: request.afterPosition };
        await deferred().promise;
      },
    },
  });
  opened.push(running);
  return running;
}

type WayIn = (typeof waysIn)[number];

/** A client with these certificates, by an address or a name that the server's certificate has. */
function clientOf(
  running: TestServer,
  wayIn: WayIn,
  files: CertificateFiles,
  host = "localhost",
): Client<typeof WalletService> {
  return createClient(WalletService, transportOf(running, wayIn, files, host));
}

function transportOf(
  { server: { grpcPort, httpPort } }: TestServer,
  wayIn: WayIn,
  files: CertificateFiles,
  host: string,
): Transport {
  if (wayIn === "gRPC") {
    const transport = createGrpcTransport({
      address: `${host}:${grpcPort}`,
      tls: openCertificates(files, "test", quiet),
      messageBytesMax: 1_048_576,
      deadlineDefaultMs: 20_000,
    });
    opened.push(transport);
    return transport;
  }
  const options = {
    baseUrl: `https://${host}:${httpPort}`,
    httpVersion: "1.1",
    useBinaryFormat: wayIn !== "Connect with JSON",
    nodeOptions: pemOf(files),
  } as const;
  return wayIn === "gRPC-Web" ? createGrpcWebTransport(options) : createConnectTransport(options);
}

function pemOf({ ca_file, certificate_file, key_file }: CertificateFiles): ConnectionOptions {
  const read = (file: string | undefined): Buffer | undefined =>
    (file && readFileSync(file)) || undefined;
  return { ca: read(ca_file), cert: read(certificate_file), key: read(key_file) };
}

test("the variable of Node's that trusts every server changes nothing for a gRPC client", async () => {
  const running = await start();
  vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
  try {
    const foreign = { ca_file: stranger.ca_file };
    const failure = await failureOf(clientOf(running, "gRPC", foreign).getWallet({ walletId }));
    expect(failure.message).toMatch(/certificate/);
  } finally {
    vi.unstubAllEnvs();
  }
});

describe.each(waysIn)("%s over TLS", (wayIn) => {
  test.each(["localhost", "127.0.0.1"])("a call to %s is answered", async (host) => {
    const running = await start();
    const { wallet } = await clientOf(running, wayIn, trusting, host).getWallet({ walletId });
    expect(wallet?.id).toBe("");
  });

  test("a server of an unknown authority is not called", async () => {
    const running = await start();
    const foreign = { ca_file: stranger.ca_file };
    const failure = await failureOf(clientOf(running, wayIn, foreign).getWallet({ walletId }));
    expect(failure.code).not.toBe(Code.Unimplemented);
    expect(failure.message).toMatch(/certificate/);
  });

  test("a server whose certificate is for another host is not called", async () => {
    const running = await start(undefined, write("elsewhere", ["elsewhere.example"]));
    for (const host of ["localhost", "127.0.0.1"]) {
      const failure = await failureOf(
        clientOf(running, wayIn, trusting, host).getWallet({ walletId }),
      );
      expect(failure.message).toMatch(/does not match certificate's altnames/);
    }
  });

  test("a handler sees the names in the certificate of its caller", async () => {
    const running = await start({ client_certificates: "required", ca_file: gateway.ca_file });
    const client = clientOf(running, wayIn, gateway);
    for (let call = 0; call < 2; call += 1) {
      const { wallet } = await client.getWallet({ walletId });
      expect(wallet?.id).toBe(gatewayNames.join(" "));
    }
  });

  test("where a certificate is required, nobody else is answered", async () => {
    const running = await start({ client_certificates: "required", ca_file: gateway.ca_file });
    for (const files of [trusting, { ...stranger, ...trusting }]) {
      const failure = await failureOf(clientOf(running, wayIn, files).getWallet({ walletId }));
      expect([Code.Unavailable, Code.Aborted, Code.Internal, Code.Unknown]).toContain(failure.code);
    }
  });

  test("where a certificate is optional, callers without one have no names", async () => {
    const running = await start({ client_certificates: "optional", ca_file: gateway.ca_file });
    const { wallet } = await clientOf(running, wayIn, trusting).getWallet({ walletId });
    expect(wallet?.id).toBe("");
    const known = await clientOf(running, wayIn, gateway).getWallet({ walletId });
    expect(known.wallet?.id).toBe(gatewayNames.join(" "));
  });

  test("where a certificate is optional, one of an unknown authority is refused", async () => {
    const running = await start({ client_certificates: "optional", ca_file: gateway.ca_file });
    const files = { ...stranger, ...trusting };
    await failureOf(clientOf(running, wayIn, files).getWallet({ walletId }));
  });

  test("where no certificate is asked for, one that a caller has tells nothing", async () => {
    const running = await start();
    const { wallet } = await clientOf(running, wayIn, gateway).getWallet({ walletId });
    expect(wallet?.id).toBe("");
  });
});

test.each(["gRPC", "Connect", "gRPC-Web"] as const)(
  "an unencrypted call by %s to an encrypted port is refused",
  async (wayIn) => {
    const running = await start();
    await failureOf(running.wallets(wayIn).getWallet({ walletId }, { timeoutMs: 2_000 }));
  },
);

test("a handshake older than TLS 1.2 is refused", async () => {
  const { server } = await start();
  const old = {
    maxVersion: "TLSv1.1",
    minVersion: "TLSv1",
    ciphers: "DEFAULT@SECLEVEL=0",
  } as const;
  for (const port of [server.grpcPort, server.httpPort]) {
    expect(await protocolWith(port, { maxVersion: "TLSv1.2" })).toBe("TLSv1.2");
    await expect(protocolWith(port, old)).rejects.toThrow(/protocol version|alert/);
  }
});

async function protocolWith(port: number, options: ConnectionOptions): Promise<string | null> {
  const ALPNProtocols = ["h2", "http/1.1"];
  const socket = connectTls({
    host: "127.0.0.1",
    port,
    ...pemOf(trusting),
    ALPNProtocols,
    ...options,
  });
  await once(socket, "secureConnect");
  const protocol = socket.getProtocol();
  socket.destroy();
  return protocol;
}

test("changed certificates are shown to new connections, and open ones live on", async () => {
  const files = write("first", ["localhost"]);
  const running = await start(undefined, files);
  const { grpcPort, httpPort } = running.server;
  const held = clientOf(running, "gRPC", trusting);
  const stream = held.subscribeEvents({ afterPosition: 7n })[Symbol.asyncIterator]();
  expect((await stream.next()).value?.position).toBe(7n);
  const [certificate, key] = [files.certificate_file, files.key_file].map((name) =>
    readFileSync(name),
  );
  const second = write("second", ["localhost"]);
  writeFileSync(files.certificate_file, readFileSync(second.certificate_file));
  writeFileSync(files.key_file, readFileSync(second.key_file));
  for (const port of [grpcPort, httpPort]) {
    await expect.poll(() => shownBy(port), { timeout: reloadTimeoutMs }).toBe("second");
  }
  expect((await held.getWallet({ walletId })).wallet).toBeDefined();
  // Broken files change nothing.
  writeFileSync(files.certificate_file, "broken");
  await expect
    .poll(() => running.log.filter((line) => line.includes("the old ones stay")).length, {
      timeout: reloadTimeoutMs,
    })
    .toBe(2);
  for (const port of [grpcPort, httpPort]) expect(await shownBy(port)).toBe("second");
  writeFileSync(files.certificate_file, certificate ?? "");
  writeFileSync(files.key_file, key ?? "");
  for (const port of [grpcPort, httpPort]) {
    await expect.poll(() => shownBy(port), { timeout: reloadTimeoutMs }).toBe("first");
  }
  expect((await held.getWallet({ walletId })).wallet).toBeDefined();
});

/** The common name in the certificate of a port. */
async function shownBy(port: number): Promise<unknown> {
  const ALPNProtocols = ["h2", "http/1.1"];
  const socket = connectTls({ host: "localhost", port, ...pemOf(trusting), ALPNProtocols });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

test("an authority that was taken out is refused at the next connection, also to who was here before", async () => {
  const trusted = path.join(directory, "trusted.pem");
  writeFileSync(trusted, known.certificate);
  const running = await start({ client_certificates: "required", ca_file: trusted });
  await clientOf(running, "gRPC", gateway).getWallet({ walletId });
  writeFileSync(trusted, unknown.certificate);
  const refused = async (): Promise<boolean> => {
    const client = clientOf(running, "gRPC", gateway);
    return await client.getWallet({ walletId }, { timeoutMs: 2_000 }).then(
      () => false,
      () => true,
    );
  };
  await expect.poll(refused, { timeout: reloadTimeoutMs }).toBe(true);
});

test("a client shows its changed certificate at its next connection", async () => {
  const files = write("before", []);
  const running = await start({ client_certificates: "required", ca_file: gateway.ca_file });
  const certificates = openCertificates(files, "test", quiet);
  const nameSeen = async (): Promise<string | undefined> => {
    const address = `localhost:${running.server.grpcPort}`;
    const limits = { messageBytesMax: 1_048_576, deadlineDefaultMs: 20_000 };
    await using transport = createGrpcTransport({ address, tls: certificates, ...limits });
    return (await createClient(WalletService, transport).getWallet({ walletId })).wallet?.id;
  };
  expect(await nameSeen()).toBe("before");
  const after = write("after", []);
  writeFileSync(files.certificate_file, readFileSync(after.certificate_file));
  writeFileSync(files.key_file, readFileSync(after.key_file));
  expect(await nameSeen()).toBe("after");
});

test("a stop does not wait for clients that never begin TLS", async () => {
  const running = await start();
  const { grpcPort, httpPort } = running.server;
  const sockets = [grpcPort, httpPort].map((port) => connectTcp(port, "127.0.0.1"));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const startMs = performance.now();
  await running.server[Symbol.asyncDispose]();
  expect(performance.now() - startMs).toBeLessThan(promptMs);
  for (const socket of sockets) socket.destroy();
});
