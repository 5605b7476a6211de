const tokenPattern = /^([a-z]{1,20})~([0-9]{1,19})$/;

/**
 * Writes behind which number the next page begins; opaque to callers.
 *
 * @param list which list it is for: the token of another one is refused
 */
export function formatPageToken(list: string, behind: bigint): string {
  return Buffer.from(`${list}~${behind}`, "utf8").toString("base64url");
}

/** Reads what `formatPageToken` wrote for this list; `undefined` for anything else. */
export function parsePageToken(list: string, token: string): bigint | undefined {
  const text = Buffer.from(token, "base64url").toString("utf8");
  const [, ofList, behind] = tokenPattern.exec(text) ?? [];
  if (ofList !== list || behind === undefined) return undefined;
  return BigInt.asIntN(64, BigInt(behind)) === BigInt(behind) ? BigInt(behind) : undefined;
}
