import type { ServiceImpl } from "@connectrpc/connect";
import type { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { Ownership } from "@pelikuni/runtime/access/authorization";
import type { Logger } from "@pelikuni/runtime/logger";
import type { WalletEngine } from "../wallet-engine.ts";
import type { WalletServiceConfiguration } from "../wallet-service-configuration.ts";
import { createCommandRunner } from "./command-runner.ts";
import { eventRpc } from "./event-rpc.ts";
import { holdRpc } from "./hold-rpc.ts";
import { movementRpc } from "./movement-rpc.ts";
import { walletLifeRpc } from "./wallet-life-rpc.ts";

/** What the handlers work with. */
export interface WalletRpcParts extends WalletEngine {
  /** The currencies that a wallet may have, by code. */
  readonly currencies: WalletServiceConfiguration["currencies"];
  readonly accounts: readonly string[];
  /** Makes the id of a new wallet or hold: a UUIDv7, later ones greater. */
  readonly newId: () => string;
  readonly ownership: Ownership;
  readonly logger: Logger;
}

/** The handlers of WalletService. Requests have passed the contract's rules when they get here. */
export function walletRpc(parts: WalletRpcParts): ServiceImpl<typeof WalletService> {
  const runner = createCommandRunner(parts.groupCommit);
  return {
    ...walletLifeRpc(parts, runner),
    ...movementRpc(runner, parts),
    ...holdRpc(parts, runner),
    ...eventRpc(parts),
  };
}
