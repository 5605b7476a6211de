import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Ledger, Reading } from "./ledger.ts";
import { amountText } from "./money-units.ts";
import type { WalletTrail } from "./trail-audit.ts";

/**
 * Every read must show a state that a whole committed group left, and nothing older than what had
 * been acknowledged to anybody before the read began.
 */
export function auditReadings(
  ledger: Ledger,
  trails: ReadonlyMap<string, WalletTrail>,
  faultsAllowed: ReadonlySet<string>,
  findings: string[],
): void {
  const known = acknowledgedVersions(ledger);
  const readings = [...ledger.readings].sort((one, other) => one.startMs - other.startMs);
  for (const reading of readings) {
    const complain = (text: string): void => {
      findings.push(`wallet ${reading.walletId}: read on replica ${reading.replica}: ${text}`);
    };
    if (reading.fault !== undefined) {
      const [code, reason] = reading.fault.split(" ");
      if (!faultsAllowed.has(`${code}/${reason}`)) complain(reading.fault);
      continue;
    }
    auditReading(reading, trails.get(reading.walletId), known.before(reading), complain);
  }
}

function auditReading(
  { wallet }: Reading,
  trail: WalletTrail | undefined,
  acknowledged: bigint,
  complain: (text: string) => void,
): void {
  const version = wallet?.version ?? -1n;
  const state = trail?.versions[Number(version)];
  if (wallet === undefined || state === undefined) {
    complain(`version ${version} is not in the journal`);
    return;
  }
  const { balance, held, status } = wallet;
  const read = `${balance}, held ${held}, ${WalletStatus[status]}`;
  const amounts = `${amountText(state.units)}, held ${amountText(state.heldUnits)}`;
  const expected = `${amounts}, ${WalletStatus[state.status]}`;
  if (read !== expected) complain(`${read} at version ${version}, which has ${expected}`);
  if (version < acknowledged) {
    complain(`version ${version}, after version ${acknowledged} was acknowledged`);
  }
  const next = trail?.versions[Number(version) + 1];
  if (next !== undefined && next.committedAtMs === state.committedAtMs) {
    complain(`version ${version} in the middle of the group at position ${state.position}`);
  }
}

/** Asked for readings in the order of their start. */
function acknowledgedVersions({ attempts }: Ledger): { before(reading: Reading): bigint } {
  const ends = attempts
    .flatMap(({ outcome, endMs }) =>
      "acknowledged" in outcome
        ? outcome.acknowledged.wallets.map(({ id, version }) => ({ id, version, endMs }))
        : [],
    )
    .sort((one, other) => one.endMs - other.endMs);
  const highest = new Map<string, bigint>();
  let taken = 0;
  return {
    before({ walletId, startMs }) {
      for (let next = ends[taken]; next && next.endMs < startMs; next = ends[taken]) {
        const version = highest.get(next.id) ?? 0n;
        highest.set(next.id, next.version > version ? next.version : version);
        taken += 1;
      }
      return highest.get(walletId) ?? 0n;
    },
  };
}
