import { type AccessBed, alice, allScopes } from "./access-bed.ts";
import type { AccessRule, Tries } from "./access-check.ts";
import { giveBelongings } from "./belongings.ts";
import { unacceptedCredentials } from "./credentials.ts";

const bob = "bobby";

/** Prepares those who try doors, with new belongings for each door. */
export async function prepareTries(
  bed: AccessBed,
): Promise<{ triesOf(rule: AccessRule): Promise<Tries> }> {
  const { people, machines, history, operatorToken, asOperator } = bed;
  const unaccepted = await unacceptedCredentials(machines, operatorToken);
  const { wallet } = await history.wallets.createWallet({ userId: "carol" }, asOperator);
  const receiverId = wallet?.id ?? "";
  const give = (userId: string) =>
    giveBelongings(history.walletTransport, asOperator, { userId, receiverId });
  const tokens = new Map<string, Promise<string>>();

  /** Fetches each token once. */
  function bearer(name: string, fetchToken: () => Promise<string>): Promise<string> {
    const known = tokens.get(name) ?? fetchToken().then((token) => `Bearer ${token}`);
    tokens.set(name, known);
    return known;
  }

  return {
    triesOf: async ({ scope }) => {
      const own = scope === undefined ? [] : [scope];
      const others = allScopes.filter((each) => each !== scope);
      const [ofAlice, ofBob] = await Promise.all([give(alice), give(bob)]);
      return {
        unaccepted,
        lacking: await bearer(`machine without ${scope}`, () =>
          machines.machineToken(alice, { scopes: others }),
        ),
        user: await bearer("user", () => people.userToken(alice)),
        userWithScope: await bearer(`user with ${scope}`, () =>
          people.userToken(alice, { scopes: own }),
        ),
        operator: asOperator.headers.authorization,
        own: ofAlice,
        foreign: ofBob,
      };
    },
  };
}
