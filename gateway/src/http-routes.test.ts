import { expect, test } from "vitest";
import { createRouteTable } from "./http-routes.ts";

function routes() {
  const table = createRouteTable();
  table.add("/wallets", ["GET"]);
  table.add("/wallets", ["HEAD"]);
  table.add("/wallets", ["POST"]);
  table.add("/wallets/:id", ["GET"]);
  table.add("/docs/*", ["GET"]);
  return table;
}

test("a path with other methods answers 405 and lists them all", () => {
  const refusal = routes().refusal("DELETE", "/wallets?page_size=1");
  expect(refusal.status).toBe(405);
  expect(refusal.headers).toEqual({ Allow: "GET, HEAD, POST" });
  expect(routes().refusal("PATCH", "/wallets/abc").headers).toEqual({ Allow: "GET" });
  expect(routes().refusal("POST", "/docs/a.css").headers).toEqual({ Allow: "GET" });
});

test("a path that no route has answers 404", () => {
  for (const url of ["/", "/wallet", "/wallets/a/b", "/walletsx", "", "*"]) {
    expect(routes().refusal("GET", url).status).toBe(404);
  }
});

test("a path whose route has found nothing answers 404", () => {
  expect(routes().refusal("GET", "/docs/nothing.css").status).toBe(404);
});
