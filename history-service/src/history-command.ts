import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";

const addressDefault = "localhost:50052";
const messageBytesMax = 4 * 1024 * 1024;
const deadlineDefaultMs = 10_000;

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
 * Runs a command against the history-service at the address that it was given, localhost:50052
 * otherwise. Exit code 0: nothing was found; 1: something was; 2: it could not be asked.
 */
export async function runCommand({ name, ask }: HistoryQuestion): Promise<void> {
  const address = process.argv[2] ?? addressDefault;
  const tell = (line: string): void => void process.stdout.write(`${line}\n`);
  const transport = createGrpcTransport({ address, messageBytesMax, deadlineDefaultMs });
  try {
    const clean = await ask(createClient(HistoryService, transport), tell);
    process.exitCode = clean ? 0 : 1;
  } catch (error) {
    const reason = ConnectError.from(error).message;
    process.stderr.write(`${name}: the history-service at ${address} gave no answer: ${reason}\n`);
    process.exitCode = 2;
  } finally {
    await transport[Symbol.asyncDispose]();
  }
}
