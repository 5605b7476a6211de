import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, createClient, type Transport } from "@connectrpc/connect";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";

/** What belongs to one user; of a user who has nothing, ids of what does not exist. */
export interface Belongings {
  readonly userId: string;
  readonly walletId: string;
  /** A hold on the wallet. */
  readonly holdId: string;
  /** A transaction between two wallets of this user. */
  readonly transactionId: string;
  /** An API key that the user's machines may have. */
  readonly apiKeyId: string;
  /** Somebody else's wallet, which exists in any case. */
  readonly receiverId: string;
}

const hourMs = 3_600_000;

/**
 * Gives a user a wallet with money and a hold, and a second one to which he has transferred.
 *
 * @param options with the headers of a caller who may do everything
 */
export async function giveBelongings(
  transport: Transport,
  options: CallOptions,
  { userId, receiverId }: Pick<Belongings, "userId" | "receiverId">,
): Promise<Belongings> {
  const client = createClient(WalletService, transport);
  const create = async (): Promise<string> =>
    (await client.createWallet({ userId }, options)).wallet?.id ?? "";
  const [walletId, secondId] = await Promise.all([create(), create()]);
  await client.fundWallet({ walletId, amount: "100" }, options);
  const transfer = { fromWalletId: walletId, toWalletId: secondId, amount: "1" };
  const { receipt } = await client.transfer(transfer, options);
  const expireTime = timestampFromMs(Date.now() + hourMs);
  const { hold } = await client.placeHold({ walletId, amount: "10", expireTime }, options);
  const keys = createClient(ApiKeyService, transport);
  const key = await keys.createApiKey({ owner: userId, scopes: ["wallets:read"] }, options);
  return {
    userId,
    walletId,
    holdId: hold?.id ?? "",
    transactionId: receipt?.transactionId ?? "",
    apiKeyId: key.apiKey?.id ?? "",
    receiverId,
  };
}

/** Ids that look like these, of what nobody has; the receiver is the same. */
export function nobodysBelongings({ userId, receiverId }: Belongings): Belongings {
  return {
    userId: randomUUID().slice(0, userId.length),
    walletId: randomUUID(),
    holdId: randomUUID(),
    transactionId: randomUUID(),
    apiKeyId: randomUUID(),
    receiverId,
  };
}

/** A text with placeholders instead of these ids, so that answers about different ones compare. */
export function withoutIds(text: string, belongings: Belongings): string {
  return Object.entries(belongings).reduce(
    (left, [name, id]) => left.replaceAll(id, `<${name}>`),
    text,
  );
}
