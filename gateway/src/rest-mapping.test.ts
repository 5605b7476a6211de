import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletSchema, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { expect, test } from "vitest";
import { matchesTag, nextPageHeaders, walletBody, walletTag } from "./rest-mapping.ts";

const wallet = create(WalletSchema, {
  id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
  userId: "alice",
  currency: "USD",
  balance: "100.0000",
  held: "0.0000",
  available: "100.0000",
  status: WalletStatus.ACTIVE,
  version: 3n,
  createTime: timestampFromMs(Date.UTC(2026, 0, 2, 3, 4, 5, 6)),
  updateTime: timestampFromMs(Date.UTC(2026, 0, 2, 3, 4, 5, 7)),
});

test("a wallet is shown in snake_case, its version as a number and its instants in UTC", () => {
  expect(walletBody(wallet)).toEqual({
    id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
    user_id: "alice",
    currency: "USD",
    balance: "100.0000",
    held: "0.0000",
    available: "100.0000",
    status: "ACTIVE",
    version: 3,
    create_time: "2026-01-02T03:04:05.006Z",
    update_time: "2026-01-02T03:04:05.007Z",
  });
  expect(walletTag(wallet)).toBe('"3"');
});

test("an answer without a wallet is a fault, not an empty wallet", () => {
  expect(() => walletBody(undefined)).toThrow("left out");
});

test("If-None-Match matches the tag alone, in a list, weakly, and with a star", () => {
  for (const header of ['"3"', '"1", "3"', 'W/"3"', "*"]) {
    expect(matchesTag(header, '"3"')).toBe(true);
  }
  for (const header of [undefined, '"4"', "3", '"33"']) {
    expect(matchesTag(header, '"3"')).toBe(false);
  }
});

test("the next page is linked with an encoded token, and the last page links nothing", () => {
  expect(nextPageHeaders("/wallets", { page_size: "2" }, "a+b/c=")).toEqual({
    Link: '</wallets?page_size=2&page_token=a%2Bb%2Fc%3D>; rel="next"',
  });
  expect(nextPageHeaders("/wallets", { page_size: "2" }, "")).toEqual({});
});
