import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { ArrivedMessage } from "../src/parked-event-store.ts";

/** A wallet-service's journal over its contract. */
export interface TestFeed {
  /** The journal, from its first position; undefined while the wallet-service cannot be asked. */
  messages: readonly ArrivedMessage[] | undefined;
  /** How often it was asked for events. */
  subscriptions: number;
  readonly transport: Transport;
}

/** Creates one that cannot be asked yet. */
export function createTestFeed(): TestFeed {
  const journal = (): readonly ArrivedMessage[] => {
    if (feed.messages === undefined) throw new ConnectError("It is away.", Code.Unavailable);
    return feed.messages;
  };
  const transport = createRouterTransport(({ service }) => {
    service(WalletService, {
      getLastPosition: () => ({ position: BigInt(journal().length) }),
      async *subscribeEvents({ afterPosition }, { signal }) {
        feed.subscriptions += 1;
        for (const { position, bytes, journalHash } of journal().slice(Number(afterPosition))) {
          yield {
            position: position ?? 0n,
            content: { case: "eventBytes", value: bytes },
            journalHash: journalHash ?? new Uint8Array(),
          };
        }
        // It goes on live.
        await new Promise((resolve) => {
          signal.addEventListener("abort", resolve);
        });
      },
    });
  });
  const feed: TestFeed = { messages: undefined, subscriptions: 0, transport };
  return feed;
}
