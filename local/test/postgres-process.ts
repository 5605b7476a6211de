// A process that embedded-postgres.test.ts starts, and kills: it runs an embedded Postgres in the
// directory of its first argument and prints the owner's URL.
import { startEmbeddedPostgres } from "@pelikuni/local/embedded-postgres";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";

await runUntilSignal({
  name: "postgres-process",
  stopDeadlineMs: 20_000,
  start: async (logger) => {
    const server = await startEmbeddedPostgres({ directory: process.argv[2] ?? "", logger });
    await server.createDatabase("wallet");
    process.stdout.write(`url=${server.ownerUrl("wallet")}\n`);
    return server;
  },
});
