import { runCommand } from "./history-command.ts";

await runCommand({
  name: "reconcile",
  async ask(history, tell) {
    for await (const { result } of history.reconcile({})) {
      if (result.case === "difference") {
        const { walletId, description, walletService, history: inHistory } = result.value;
        const sides = `wallet-service: ${walletService || "-"}, history: ${inHistory || "-"}`;
        tell(`Wallet ${walletId}: ${description} (${sides})`);
      } else if (result.case === "summary") {
        const { position, walletCount, differenceCount } = result.value;
        tell(`${walletCount} wallets compared at position ${position}: ${differenceCount} differ.`);
        return differenceCount === 0n;
      }
    }
    throw new Error("The reconciliation ended without a summary.");
  },
});
