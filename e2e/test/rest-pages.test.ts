import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type RestAnswer,
  type RestService,
  startRestService,
  type WalletView,
  walletsOf,
} from "./rest-service.ts";

let rest: RestService;

beforeAll(async () => {
  rest = await startRestService();
});

afterAll(() => rest[Symbol.asyncDispose]());

const pagesMax = 50;

function nextPath({ headers }: RestAnswer): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(headers.get("link") ?? "")?.[1];
}

/** Follows the links from a path to the last page. */
async function pagesFrom(path: string): Promise<(readonly WalletView[])[]> {
  const pages: (readonly WalletView[])[] = [];
  let next: string | undefined = path;
  while (next !== undefined && pages.length < pagesMax) {
    const answer: RestAnswer = await rest.send("GET", next);
    expect(answer.status).toBe(200);
    pages.push(walletsOf(answer));
    next = nextPath(answer);
  }
  return pages;
}

test("following the links lists every wallet once, newest first, in pages of the size", async () => {
  const user = "päge/user?x=1&y";
  const made: WalletView[] = [];
  for (let index = 0; index < 5; index += 1) made.unshift(await rest.wallet(user));
  const pages = await pagesFrom(`/users/${encodeURIComponent(user)}/wallets?page_size=2`);
  expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
  expect(pages.flat()).toEqual(made);
});

test("a page that ends with the last wallet links no further", async () => {
  for (let index = 0; index < 4; index += 1) await rest.wallet("even");
  const pages = await pagesFrom("/users/even/wallets?page_size=2");
  expect(pages.map((page) => page.length)).toEqual([2, 2]);
});

test("without parameters the first 1,000 wallets are answered, and the rest is linked", async () => {
  const create = () => rest.send("POST", "/wallets", { user_id: "many" });
  for (let batch = 0; batch < 16; batch += 1) await Promise.all(Array.from({ length: 64 }, create));
  const first = await rest.send("GET", "/wallets");
  expect(walletsOf(first)).toHaveLength(1_000);
  expect(nextPath(first)).toMatch(/^\/wallets\?page_size=1000&page_token=/);
  const pages = await pagesFrom("/users/many/wallets");
  expect(pages.map((page) => page.length)).toEqual([1_000, 24]);
  expect(new Set(pages.flat().map(({ id }) => id)).size).toBe(1_024);
});
