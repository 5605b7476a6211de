import { RestRefusal } from "./rest-errors.ts";

/** Knows which methods each path has, for requests that no route takes. */
export interface RouteTable {
  /** Notes a route; the pattern is Fastify's, for example `/wallets/:id`. */
  add(pattern: string, methods: readonly string[]): void;
  /** 405 with the methods that the path has, or 404 when nothing is there. */
  refusal(method: string, url: string): RestRefusal;
}

/** Makes an empty table. */
export function createRouteTable(): RouteTable {
  const routes = new Map<string, { path: RegExp; methods: Set<string> }>();
  return {
    add: (pattern, methods) => {
      const route = routes.get(pattern) ?? { path: pathOf(pattern), methods: new Set() };
      for (const method of methods) route.methods.add(method);
      routes.set(pattern, route);
    },
    refusal: (method, url) => {
      const path = url.split("?", 1)[0] ?? url;
      const here = [...routes.values()].filter((route) => route.path.test(path));
      const methods = new Set(here.flatMap((route) => [...route.methods]));
      const allowed = [...methods].join(", ");
      // A route may look for what it serves and not find it.
      if (allowed === "" || methods.has(method)) {
        const detail = "Nothing is at this path; /docs lists what there is";
        return new RestRefusal(404, { reason: "NO_SUCH_PATH", detail });
      }
      const detail = `${method} is not possible here; allowed: ${allowed}`;
      const headers = { Allow: allowed };
      return new RestRefusal(405, { reason: "METHOD_NOT_ALLOWED", detail, headers });
    },
  };
}

function pathOf(pattern: string): RegExp {
  const source = pattern.replaceAll(/:[a-z_]+/g, "[^/]+").replaceAll("*", ".*");
  return new RegExp(`^${source}$`);
}
