import { runCommand } from "./history-command.ts";

await runCommand({
  name: "verify-journal",
  async ask(history, tell) {
    for await (const message of history.verifyJournal({})) {
      const { finding, done, verifiedTo, findingCount, journalHash } = message;
      if (finding !== undefined) {
        const { position, walletId, version, description } = finding;
        const wallet = walletId === "" ? "" : `, wallet ${walletId} version ${version}`;
        tell(`Position ${position}${wallet}: ${description}`);
      }
      if (!done) continue;
      const hash = Buffer.from(journalHash).toString("hex");
      tell(
        `Verified up to position ${verifiedTo}, journal hash ${hash}: ${findingCount} findings.`,
      );
      return findingCount === 0n;
    }
    throw new Error("The verification ended without a result.");
  },
});
