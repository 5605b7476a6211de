import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import path from "node:path";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import type { BenchDatabase } from "./bench-bed.ts";
import { removePostgresData } from "./bench-bed.ts";
import { projectDirectory, startServer } from "./server-process.ts";

/** A wallet system that serves on the loopback interface; disposing stops it. */
export interface WalletSystem extends AsyncDisposable {
  readonly restPort: number;
  readonly grpcPort: number;
}

const startDirectory = path.join(projectDirectory, ".pelikuni/bench-start");
const freePorts = {
  APP__GATEWAY__PORT: "0",
  APP__WALLET_SERVICE__GRPC__PORT: "0",
  APP__WALLET_SERVICE__HTTP__PORT: "0",
};
const freeHistoryPorts = {
  APP__HISTORY_SERVICE__GRPC__PORT: "0",
  APP__HISTORY_SERVICE__HTTP__PORT: "0",
};
const log = { APP__LOG__FORMAT: "json", APP__LOG__LEVEL: "info" };

/** `npm start` as everybody runs it, with data of its own, which disposing removes. */
export async function startNpmStart(signal: AbortSignal): Promise<WalletSystem> {
  return await buildWithResources(async (resources) => {
    resources.use({ [Symbol.asyncDispose]: () => removePostgresData(startDirectory) });
    const { told } = resources.use(
      await startServer({
        name: "npm start",
        args: [path.join(projectDirectory, "local/start.mjs")],
        environment: { ...freePorts, ...log, APP__LOCAL__DIRECTORY: startDirectory },
        ready: /REST +\S+:(\d+)[\s\S]*gRPC +\S+:(\d+)/,
        signal,
      }),
    );
    return {
      restPort: Number(told[0]),
      grpcPort: Number(told[1]),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/**
 * The wallet-service and the gateway, built, in a process each, as they are deployed.
 *
 * @param environment further settings of the wallet-service, such as who may call
 */
export async function startTwoServices(
  database: BenchDatabase,
  signal: AbortSignal,
  environment: Readonly<Record<string, string>> = {},
): Promise<WalletSystem> {
  return await buildWithResources(async (resources) => {
    const wallet = resources.use(await startWalletService(database, signal, environment));
    await build("gateway", signal);
    const gateway = resources.use(
      await startServer({
        name: "gateway",
        args: builtArgs("gateway"),
        environment: {
          ...freePorts,
          ...log,
          APP__GATEWAY__WALLET_SERVICE_ADDRESS: `localhost:${wallet.grpcPort}`,
        },
        ready: /"port":(\d+)/,
        signal,
      }),
    );
    return {
      restPort: Number(gateway.told[0]),
      grpcPort: wallet.grpcPort,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** A service that answers gRPC on the loopback interface; disposing stops it. */
export interface GrpcService extends AsyncDisposable {
  readonly grpcPort: number;
}

/**
 * The wallet-service, built, in a process of its own.
 *
 * @param environment further settings, such as where Kafka is
 */
export async function startWalletService(
  database: BenchDatabase,
  signal: AbortSignal,
  environment: Readonly<Record<string, string>> = {},
): Promise<GrpcService> {
  const settings = {
    ...freePorts,
    APP__WALLET_SERVICE__DATABASE__URL: database.serviceUrl,
    ...environment,
  };
  return await startGrpcService("wallet-service", settings, signal);
}

/**
 * The history-service, built, in a process of its own; it makes its schema itself.
 *
 * @param environment further settings: where its events come from
 */
export async function startHistoryService(
  database: BenchDatabase,
  signal: AbortSignal,
  environment: Readonly<Record<string, string>>,
): Promise<GrpcService> {
  const settings = {
    ...freeHistoryPorts,
    APP__HISTORY_SERVICE__DATABASE__URL: database.serviceUrl,
    APP__HISTORY_SERVICE__DATABASE__MIGRATION_URL: database.ownerUrl,
    ...environment,
  };
  return await startGrpcService("history-service", settings, signal);
}

async function startGrpcService(
  name: string,
  settings: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<GrpcService> {
  await build(name, signal);
  const server = await startServer({
    name,
    args: builtArgs(name),
    environment: { ...settings, ...log },
    ready: /"grpcPort":(\d+)/,
    signal,
  });
  return {
    grpcPort: Number(server.told[0]),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/**
 * A server of this directory that does no work, run like what it is compared to: from the
 * sources, as `npm start` runs, or on the parts that starting a service has built.
 *
 * @param file a module that prints its port once it serves
 */
export async function startEmptyServer(
  file: string,
  parts: "sources" | "built",
  signal: AbortSignal,
): Promise<AsyncDisposable & { readonly port: number }> {
  const conditions = parts === "sources" ? ["--conditions=source"] : [];
  const server = await startServer({
    name: file,
    args: [
      ...conditions,
      "--import",
      import.meta.resolve("tsx"),
      path.join(import.meta.dirname, file),
    ],
    ready: /port (\d+)/,
    signal,
  });
  return {
    port: Number(server.told[0]),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function builtArgs(service: string): string[] {
  return [
    "--enable-source-maps",
    "--max-semi-space-size=64",
    path.join(projectDirectory, service, "dist/main.js"),
  ];
}

/** Builds a service and what it stands on, where that is older than its sources. */
async function build(service: string, signal: AbortSignal): Promise<void> {
  const require = createRequire(import.meta.url);
  const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin/tsc");
  const args = [tsc, "-b", path.join(projectDirectory, service)];
  const tool = spawn(process.execPath, args, { stdio: ["ignore", 2, 2], signal });
  const [code] = await once(tool, "close");
  if (code !== 0) throw new Error(`${service} could not be built.`);
}
