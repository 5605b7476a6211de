import path from "node:path";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { createLogger, logSchema } from "@pelikuni/runtime/logger";
import { prepareSchema } from "@pelikuni/runtime/migrations";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { redactSecrets } from "@pelikuni/runtime/redaction";
import { importSchema } from "./import-configuration.ts";
import { runImport } from "./import-run.ts";
import { rulesOf } from "./rules.ts";
import { walletServiceSchema } from "./wallet-service-configuration.ts";

// Exit code 0: every wallet came over; 1: some did not, or differ; 2: the import was not finished.
try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  const operators = error instanceof OperatorError;
  const reason = operators ? error.message : String(error);
  const advice = operators ? "" : " Import again: it goes on where it was.";
  process.stderr.write(`import: ${redactSecrets(reason)}${advice}\n`);
  process.exitCode = 2;
}

async function main(): Promise<boolean> {
  const logger = createLogger("import", loadConfiguration("log", logSchema));
  const settings = loadConfiguration("import", importSchema);
  const configuration = loadConfiguration("wallet_service", walletServiceSchema);
  const sourceUrl = process.argv[2] ?? settings.source_url;
  refuseShownPassword(process.argv[2]);
  if (sourceUrl === undefined) {
    const variable = "APP__IMPORT__SOURCE_URL";
    throw new OperatorError(`Where is the earlier version's database? Set ${variable}.`);
  }
  const migrations = path.resolve(import.meta.dirname, "../migrations");
  await prepareSchema(configuration.database, migrations, logger);
  return await runImport({
    source: { url: sourceUrl, tls: settings.source_tls },
    database: configuration.database,
    currency: settings.currency,
    rules: rulesOf(configuration),
    now: Date.now,
    logger,
    tell: (line) => void process.stdout.write(`${line}\n`),
  });
}

// Every user of a machine can list the arguments of its processes.
function refuseShownPassword(url: string | undefined): void {
  if (url === undefined || redactSecrets(url) === url) return;
  const instead = "set APP__IMPORT__SOURCE_URL instead, or PGPASSWORD";
  throw new OperatorError(
    `An argument is seen by everybody on this machine, its password too: ${instead}.`,
  );
}
