import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type AccessBed, startAccessBed } from "../src/access-bed.ts";
import { type Answer, checkDoors, type Door } from "../src/access-check.ts";
import { type AccessRoute, accessRoutes } from "../src/access-routes.ts";
import { prepareTries } from "../src/access-tries.ts";

const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
});
const problemSchema = z.object({ status: z.number(), reason: z.string() });
/** What differs from answer to answer by itself. */
const varying = new Set(["date", "keep-alive"]);

let bed: AccessBed;
let tries: Awaited<ReturnType<typeof prepareTries>>;
let cells = 0;

beforeAll(async () => {
  bed = await startAccessBed();
  tries = await prepareTries(bed);
});

afterAll(async () => {
  process.stdout.write(`Routes × callers: ${cells} cells\n`);
  await bed[Symbol.asyncDispose]();
});

test("every route has a row", async () => {
  const answer = await fetch(`${bed.origin}/openapi.json`);
  const { paths } = documentSchema.parse(await answer.json());
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(new Set(accessRoutes.map(({ name }) => name))).toEqual(new Set(routes));
});

test("pages about the interface are for everybody", async () => {
  for (const path of ["/", "/openapi.json", "/docs", "/docs/start.js"]) {
    expect(await fetch(bed.origin + path)).toMatchObject({ status: 200 });
  }
});

describe.each(accessRoutes.map((route) => [route.name, route] as const))("%s", (_, route) => {
  test("answers each caller as it should, and a refused one changes nothing", async () => {
    const door = { name: "REST", door: doorOf(route), tries: await tries.triesOf(route) };
    await bed.settle();
    const checked = await checkDoors([door], route, bed.readWritten);
    cells += checked.cells;
    expect(checked.findings).toEqual([]);
  });
});

function doorOf({ requestFor }: AccessRoute): Door {
  return {
    ask: async (belongings, authorization) => {
      const { method, path, body } = requestFor(belongings);
      const answer = await fetch(bed.origin + path, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { Authorization: authorization }),
          ...(body && { "Content-Type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      return await readAnswer(answer);
    },
    refused: (reason) => `${statuses[reason] ?? statusOfMissing(reason)} ${reason}`,
  };
}

const statuses: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  OPEN_HOLDS: 400,
};

function statusOfMissing(reason: string): number {
  if (!reason.endsWith("_NOT_FOUND")) throw new Error(`Which status has ${reason}?`);
  return 404;
}

async function readAnswer(answer: Response): Promise<Answer> {
  const text = await answer.text();
  const headers = [...answer.headers].filter(([name]) => !varying.has(name));
  const shown = JSON.stringify({ status: answer.status, headers, text });
  if (answer.ok) return { outcome: "OK", shown };
  const { status, reason } = problemSchema.parse(JSON.parse(text));
  const asks = answer.headers.get("www-authenticate") ?? "";
  // RFC 6750: whoever has to say who he is, is told how; and who may not do this, what he lacks.
  const challenges: Readonly<Record<number, RegExp>> = {
    401: /^Bearer( error="invalid_token")?$/,
    403: /^(Bearer error="insufficient_scope", scope="[a-z:_]+")?$/,
  };
  const challenged = (challenges[status] ?? /^$/).test(asks);
  return { outcome: `${status} ${reason}${challenged ? "" : ` and "${asks}"`}`, shown };
}
