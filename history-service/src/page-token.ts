import { invalidFields } from "@pelikuni/runtime/rpc-validation";

const tokenPattern = /^[a-z]{1,20}(~[0-9]{1,19}){1,2}$/;

/**
 * Writes behind which numbers the next page begins; opaque to callers.
 *
 * @param list which list it is for: the token of another one is refused
 * @param last where the page ended, one or two numbers
 * @returns empty when there is no next page
 */
export function nextToken(
  list: string,
  hasMore: boolean,
  last: readonly bigint[] | undefined,
): string {
  if (!hasMore || last === undefined) return "";
  return Buffer.from([list, ...last].join("~"), "utf8").toString("base64url");
}

/**
 * Reads what `nextToken` wrote for this list.
 *
 * @param count how many numbers the list's tokens have
 * @returns undefined for the first page
 * @throws INVALID_FIELD for anything else
 */
export function pageStart(
  list: string,
  token: string,
  count: number,
): readonly bigint[] | undefined {
  if (token === "") return undefined;
  const text = Buffer.from(token, "base64url").toString("utf8");
  const [ofList, ...numbers] = tokenPattern.test(text) ? text.split("~") : [];
  const behind = numbers.map(BigInt);
  const fits = behind.every((number) => BigInt.asIntN(64, number) === number);
  if (ofList === list && behind.length === count && fits) return behind;
  const description = "must be empty or the next_page_token of the page before";
  throw invalidFields([{ field: "page_token", description }]);
}
