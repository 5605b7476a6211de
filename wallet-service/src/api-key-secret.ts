import { apiKeyPrefix } from "@pelikuni/runtime/access/authentication";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
// 62 ** 43 is the first power above 2 ** 256.
const digitCount = 43;
const shownCount = 8;

/**
 * Makes a secret: letters and digits only, which a double click selects and no shell or URL changes.
 *
 * @param random 32 bytes of chance
 */
export function formatSecret(random: Buffer): string {
  let rest = BigInt(`0x${random.toString("hex")}`);
  let text = "";
  while (text.length < digitCount) {
    text = digits.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return apiKeyPrefix + text;
}

/** As much of a secret as is shown to tell keys apart; what is left is as hard to guess as before. */
export function shownPrefix(secret: string): string {
  return secret.slice(0, apiKeyPrefix.length + shownCount);
}
