import { Code, ConnectError } from "@connectrpc/connect";
import { pause } from "@pelikuni/runtime/pause";
import type { Logger } from "pino";
import { IngestionStopped } from "./event-store.ts";
import type { SourceHealth } from "./source-health.ts";

/** The source is about to work, as after a start: trying again is all that is needed. */
export class SourceNotReady extends Error {
  override readonly name = "SourceNotReady";
}

/** How a source is run. */
export interface EventSourceOptions {
  /**
   * Reads events into history until the signal aborts, or reading fails.
   *
   * @param onProgress to be called when events were taken in
   */
  readonly readOn: (stop: AbortSignal, onProgress: () => void) => Promise<void>;
  /** Told how reading fares. */
  readonly health: SourceHealth;
  readonly logger: Logger;
  /** A number from 0 up to 1, for the jitter of the back-off. */
  readonly random: () => number;
}

const credentialsHint =
  " Who this service is to the wallet-service: history_service.wallet_service_credentials.";
const backoffMinMs = 100;
const backoffMaxMs = 5_000;

/**
 * Keeps reading events into history: again after every failure, with growing pauses, until
 * ingestion is stopped for good. Disposing it lets the batch in flight finish.
 */
export function startEventSource(options: EventSourceOptions): AsyncDisposable {
  const { readOn, health, logger, random } = options;
  const stop = new AbortController();
  let failures = 0;
  let outageTold = false;
  const onProgress = (): void => {
    failures = 0;
    outageTold = false;
    health.works();
  };

  function tell(error: unknown): void {
    if (error instanceof SourceNotReady) {
      logger.debug({ failures }, `${error.message} It is tried again.`);
      return;
    }
    // The rest of an outage, which may take hours, is told in the debug log alone.
    const level = outageTold ? "debug" : "warn";
    const hint = isRefusal(error) ? credentialsHint : "";
    logger[level](
      { error, failures },
      `The source of events broke off; it is opened again.${hint}`,
    );
    outageTold = true;
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await readOn(stop.signal, onProgress);
      } catch (error) {
        health.failed(error);
        if (error instanceof IngestionStopped) {
          logger.fatal({ reason: error.message }, "INGESTION HAS STOPPED; nothing is taken in.");
          return;
        }
        tell(error);
      }
      const backoffMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** failures);
      failures += 1;
      await pause(backoffMs * (0.5 + random() / 2), stop.signal);
    }
  }

  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

/** Whether the wallet-service does not know this service, or does not let it. */
function isRefusal(error: unknown): boolean {
  const refusals = [Code.Unauthenticated, Code.PermissionDenied];
  return error instanceof ConnectError && refusals.includes(error.code);
}
