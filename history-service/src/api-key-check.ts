import { timestampMs } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import {
  type ApiKeyLookup,
  createApiKeyLookup,
  type ValidApiKey,
} from "@pelikuni/runtime/access/api-key-lookup";
import type { Logger } from "pino";
import { refusalError } from "./history-errors.ts";

const answerMsMax = 2_500;
const complaintIntervalMs = 10_000;

/**
 * Finds out at the wallet-service, which keeps the keys, who has one.
 *
 * @param transport reaches the wallet-service
 * @param options.now the wall clock, milliseconds since 1970
 */
export function createApiKeyCheck(
  transport: Transport,
  { now, logger }: { readonly now: () => number; readonly logger: Logger },
): ApiKeyLookup {
  const keys = createClient(ApiKeyService, transport);
  let complainedAtMs = Number.NEGATIVE_INFINITY;

  function complain(error: ConnectError): void {
    if (now() - complainedAtMs < complaintIntervalMs) return;
    complainedAtMs = now();
    logger.warn({ error }, "The wallet-service could not be asked about API keys.");
  }

  async function read(secretHashes: readonly string[]): Promise<Map<string, ValidApiKey>> {
    const request = { secretHashes: secretHashes.map((hash) => Buffer.from(hash, "hex")) };
    const { apiKeys } = await keys.checkApiKeys(request, { timeoutMs: answerMsMax });
    return new Map(
      apiKeys.map(({ secretHash, id, owner, scopes, expireTime }) => {
        const key = { id, owner, scopes, expireTimeMs: expireTime && timestampMs(expireTime) };
        return [Buffer.from(secretHash).toString("hex"), key];
      }),
    );
  }

  return createApiKeyLookup({
    read: async (secretHashes) => {
      try {
        return await read(secretHashes);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        complain(error);
        // Whatever it was, it says nothing of the caller: it may be this service that was refused.
        throw refusalError({ reason: "WALLET_SERVICE_UNAVAILABLE" });
      }
    },
    now,
  });
}
