import { runCommand } from "./history-command.ts";

await runCommand({
  name: "verify-journal",
  async ask(history, tell) {
    let toldCount = 0n;
    for await (const message of history.verifyJournal({})) {
      const { finding, done, verifiedTo, findingCount, journalHash, hashPosition } = message;
      if (finding !== undefined) {
        const { position, walletId, version, description } = finding;
        const wallet = walletId === "" ? "" : `, wallet ${walletId} version ${version}`;
        tell(`Position ${position}${wallet}: ${description}`);
        toldCount += 1n;
      }
      if (!done) continue;
      if (findingCount === 0n) {
        const hash = Buffer.from(journalHash).toString("hex");
        tell(`Verified up to position ${verifiedTo}: 0 findings.`);
        tell(`The journal hash of position ${hashPosition} is ${hash}.`);
        return true;
      }
      const count = `${findingCount} ${findingCount === 1n ? "finding" : "findings"}`;
      const told = toldCount < findingCount ? `, of which the first ${toldCount} are told` : "";
      tell(`Looked at every position up to ${verifiedTo}: ${count}${told}. No hash is verified.`);
      const uncovered = `${message.uncoveredCount} positions behind ${hashPosition}`;
      if (message.uncoveredCount > 0n) tell(`${uncovered} are covered by no journal hash yet.`);
      return false;
    }
    throw new Error("The verification ended without a result.");
  },
});
