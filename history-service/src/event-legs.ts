import type { Leg, Side, WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { unitsOf } from "./amount-units.ts";
import { check, currencyPattern, isText, undecodable } from "./undecodable-event.ts";

/** A leg between an account outside the wallets and a wallet. */
export interface AccountLeg {
  /** Its place in the event, from 0. */
  readonly legIndex: number;
  readonly account: string;
  readonly currency: string;
  /** What it added to the account, four decimals; negative when money went to the wallet. */
  readonly amount: string;
  /** The wallet on the other side. */
  readonly walletId: string;
  /** The contract's name of the event's kind, for example "wallet_funded". */
  readonly kind: string;
}

const accountLengthMax = 50;

/**
 * What each wallet's change added must be what the legs moved, in the wallet's own currency. The
 * changes were checked before: only their ids can stand in a reason.
 *
 * @throws UndecodableEvent
 */
export function checkLegs({ legs, changes }: WalletEvent): void {
  const changed = new Map(
    changes.map(({ walletId, currency }) => [walletId, { currency, units: 0n }]),
  );
  check(changed.size === changes.length, "it changes a wallet twice");
  const move = (side: Side | undefined, currency: string, units: bigint): void => {
    const { case: kind, value = "" } = side?.side ?? {};
    if (kind === "account") check(isText(value, 1, accountLengthMax), "a leg has no such account");
    if (kind !== "walletId") return;
    const wallet = changed.get(value);
    if (!wallet) throw undecodable("a leg moves money of a wallet that it does not change");
    check(wallet.currency === currency, "a leg has another currency than its wallet");
    wallet.units += units;
  };
  for (const leg of legs) {
    const units = legUnits(leg);
    move(leg.from, leg.currency, -units);
    move(leg.to, leg.currency, units);
  }
  for (const { walletId, amount } of changes) {
    const fits = unitsOf(amount) === changed.get(walletId)?.units;
    check(fits, `its change of wallet ${walletId} is not what its legs move`);
  }
}

function legUnits({ from, to, amount, currency }: Leg): bigint {
  const units = unitsOf(amount);
  const sides = from?.side.case !== undefined && to?.side.case !== undefined;
  if (units === undefined || units <= 0n || !sides || !currencyPattern.test(currency))
    throw undecodable("one of its legs is not whole");
  check(from.side.case === "walletId" || to.side.case === "walletId", "a leg is without a wallet");
  return units;
}

/** The legs between accounts outside and wallets, of an event whose legs were checked. */
export function accountLegsOf({ legs }: WalletEvent, kind: string): AccountLeg[] {
  return legs.flatMap(({ from, to, amount, currency }, legIndex) => {
    const [source, destination] = [from?.side, to?.side];
    if (source?.case === "account" && destination?.case === "walletId") {
      const [account, walletId] = [source.value, destination.value];
      return [{ legIndex, account, currency, amount: `-${amount}`, walletId, kind }];
    }
    if (source?.case === "walletId" && destination?.case === "account") {
      const [account, walletId] = [destination.value, source.value];
      return [{ legIndex, account, currency, amount, walletId, kind }];
    }
    return [];
  });
}
