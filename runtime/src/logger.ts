import { type Logger, pino, stdSerializers, stdTimeFunctions } from "pino";
import { prettyFactory } from "pino-pretty";
import { z } from "zod";
import { redactSecrets } from "./redaction.ts";

export type { Logger } from "pino";

/** The configuration section `log`: how much is logged, and in which form. */
export const logSchema = z.strictObject({
  level: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info"),
  format: z.enum(["pretty", "json", "auto"]).default("auto"),
});

/** The parsed section `log`. `auto` is `pretty` on a terminal and `json` elsewhere. */
export type LogOptions = z.output<typeof logSchema>;

/** Where finished lines go; each ends with a newline. */
export interface LineSink {
  write(line: string): void;
}

/**
 * Creates the logger of one service. Lines are written synchronously, so that nothing is lost
 * when the process exits. Passwords, tokens and keys are replaced wherever they stand in a line.
 */
export function createLogger(
  name: string,
  options: LogOptions,
  sink: LineSink = process.stdout,
): Logger {
  const terminal = sink === process.stdout && process.stdout.isTTY === true;
  const pretty = options.format === "pretty" || (options.format === "auto" && terminal);
  const destination = pretty ? prettySink(sink, terminal) : sink;
  return pino(
    {
      name,
      level: options.level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      errorKey: "error",
      serializers: { error: describeError },
      hooks: { streamWrite: redactSecrets },
    },
    destination,
  );
}

/** An error without the row that Postgres quotes in it, which may hold a user with his balance. */
function describeError(error: unknown): unknown {
  // Kafka's client gives texts.
  if (!(error instanceof Error)) return error;
  const { detail: _, ...described } = stdSerializers.err(error);
  return described;
}

function prettySink(sink: LineSink, colorize: boolean): LineSink {
  const format = prettyFactory({
    colorize,
    translateTime: "UTC:HH:MM:ss.l",
    ignore: "pid,hostname",
    singleLine: true,
    errorLikeObjectKeys: ["error"],
  });
  return { write: (line) => sink.write(format(line)) };
}
