import { runCommand } from "./history-command.ts";

const nothing = "0.0000";

await runCommand({
  name: "reconcile",
  async ask(history, tell) {
    for await (const { result } of history.reconcile({})) {
      if (result.case === "difference") {
        const { walletId, description, walletService, history: inHistory } = result.value;
        const sides = `wallet-service: ${walletService || "-"}, history: ${inHistory || "-"}`;
        tell(`Wallet ${walletId}: ${description} (${sides})`);
      } else if (result.case === "summary") {
        const { position, walletCount, differenceCount, currencySums } = result.value;
        tell(`${walletCount} wallets compared at position ${position}: ${differenceCount} differ.`);
        for (const { currency, wallets, accounts, sum } of currencySums) {
          tell(`${currency}: wallets ${wallets} + accounts ${accounts} = ${sum}`);
        }
        return differenceCount === 0n && currencySums.every(({ sum }) => sum === nothing);
      }
    }
    throw new Error("The reconciliation ended without a summary.");
  },
});
