import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { callCredentialsSchema, withCredentials } from "@pelikuni/runtime/access/call-credentials";
import { clientTlsSchema, openClientTls } from "@pelikuni/runtime/certificates";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { redactSecrets } from "@pelikuni/runtime/redaction";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { historyServiceSchema } from "./history-service-configuration.ts";

const messageBytesMax = 4 * 1024 * 1024;
const deadlineDefaultMs = 10_000;
// What goes wrong is told in the end.
const logger = createLogger("command", { level: "silent", format: "json" });

const whoAsks = " (APP__COMMANDS__API_KEY says who asks; docs/SECURITY.md, Service to service)";
const hints: ReadonlyMap<Code, string> = new Map([
  [Code.Unauthenticated, whoAsks],
  [Code.PermissionDenied, whoAsks],
  [Code.Unavailable, " (where its port speaks TLS: commands.tls)"],
]);

/** The section `history_service`; a command needs no database of its own. */
const serviceSchema = historyServiceSchema.extend({
  database: historyServiceSchema.shape.database.partial({ url: true }),
});

/** The section `commands`: who asks, and how the history-service's gRPC port is reached. */
const commandsSchema = callCredentialsSchema.unwrap().safeExtend({ tls: clientTlsSchema });

/** What a command asks a running history-service. */
export interface HistoryQuestion {
  /** How the command is called, for example "reconcile". */
  readonly name: string;
  /** Asks; gives whether nothing was found. */
  readonly ask: (
    history: Client<typeof HistoryService>,
    tell: (line: string) => void,
  ) => Promise<boolean>;
}

/**
 * Runs a command against the history-service at the address that it was given, otherwise against
 * the one of this machine, on the port `history_service.grpc.port`. Exit code 0: nothing was found;
 * 1: something was; 2: it could not be asked. Who asks is said by the section `commands`.
 */
export async function runCommand({ name, ask }: HistoryQuestion): Promise<void> {
  const report = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
  try {
    const address = process.argv[2] ?? configuredAddress();
    report(`asking the history-service at ${address}`);
    process.exitCode = (await askAt(address, ask)) ? 0 : 1;
  } catch (error) {
    report(redactSecrets(error instanceof OperatorError ? error.message : String(error)));
    process.exitCode = 2;
  }
}

function configuredAddress(): string {
  const { port } = loadConfiguration("history_service", serviceSchema).grpc;
  if (port !== 0) return `localhost:${port}`;
  throw new OperatorError("history_service.grpc.port is 0, any free one; give host:port instead.");
}

async function askAt(address: string, ask: HistoryQuestion["ask"]): Promise<boolean> {
  const tell = (line: string): void => void process.stdout.write(`${line}\n`);
  const commands = loadConfiguration("commands", commandsSchema);
  const tls = openClientTls(commands.tls, "commands.tls", logger);
  await using transport = createGrpcTransport({ address, tls, messageBytesMax, deadlineDefaultMs });
  const authorized = withCredentials(transport, commands, { now: Date.now, logger });
  try {
    return await ask(createClient(HistoryService, authorized), tell);
  } catch (error) {
    const { code, message } = ConnectError.from(error);
    const hint = hints.get(code) ?? "";
    throw new OperatorError(`the history-service at ${address} gave no answer: ${message}${hint}`);
  }
}
