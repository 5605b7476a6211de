import type { DescMethodServerStreaming } from "@bufbuild/protobuf";
import type { GenService } from "@bufbuild/protobuf/codegenv2";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import {
  type ListWalletsRequestSchema,
  type ListWalletsResponse,
  type ListWalletsResponseSchema,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterEach, describe, expect, test } from "vitest";
import { errorReason } from "../src/rpc-errors.ts";
import { rpcService } from "../src/rpc-server.ts";
import {
  deferred,
  failureOf,
  startTestServer,
  type TestServer,
  type WayIn,
  waysIn,
} from "./rpc-test-server.ts";

type Follow = DescMethodServerStreaming<
  typeof ListWalletsRequestSchema,
  typeof ListWalletsResponseSchema
>;

// A service with a stream, made of messages that the contract has.
const follow: Follow = {
  ...WalletService.method.listWallets,
  methodKind: "server_streaming",
  name: "Follow",
  localName: "follow",
  get parent() {
    return feed;
  },
};
const feed: GenService<{ follow: Pick<Follow, "methodKind" | "input" | "output"> }> = {
  ...WalletService,
  typeName: "test.Feed",
  name: "Feed",
  methods: [follow],
  method: { follow },
};

let running: TestServer | undefined;

afterEach(async () => {
  await running?.[Symbol.asyncDispose]();
  running = undefined;
});

type Handler = (name: string, context: HandlerContext) => AsyncIterable<{ nextPageToken: string }>;

async function start(handler: Handler, limits: Record<string, number> = {}): Promise<TestServer> {
  const service = rpcService(feed, {
    follow: (request, context) => handler(request.userId, context),
  });
  running = await startTestServer({ services: [service], limits });
  return running;
}

describe.each(waysIn)("%s", (wayIn) => {
  test("messages arrive in order, then the stream ends", async () => {
    const { transport } = await start(async function* (name) {
      for (let i = 0; i < 1_000; i += 1) yield { nextPageToken: `${name} ${i}` };
    });
    const { message } = await open({ transport, wayIn, name: "event" });
    const values = await readAll(message);
    expect(values).toEqual(Array.from({ length: 1_000 }, (_, i) => `event ${i}`));
  });

  test("an error after some messages arrives after them, with its reason; a fault is hidden", async () => {
    const { transport, log } = await start(async function* (name) {
      yield { nextPageToken: "one" };
      if (name === "fault") throw new Error("secret");
      throw new ConnectError("Enough", Code.OutOfRange);
    });
    for (const [name, code, text] of [
      ["error", Code.OutOfRange, "Enough"],
      ["fault", Code.Internal, "Internal error"],
    ] as const) {
      const { message } = await open({ transport, wayIn, name });
      const values: string[] = [];
      const error = await failureOf(readAll(message, values));
      expect(values).toEqual(["one"]);
      expect([error.code, error.rawMessage]).toEqual([code, text]);
    }
    expect(log).toHaveLength(1);
  });

  test("text that is not text is refused before the handler runs", async () => {
    let calls = 0;
    const { transport } = await start(async function* () {
      calls += 1;
      yield { nextPageToken: "" };
    });
    const call = open({ transport, wayIn, name: "a\0" }).then(({ message }) => readAll(message));
    const error = await failureOf(call);
    expect([error.code, errorReason(error)]).toEqual([Code.InvalidArgument, "INVALID_FIELD"]);
    expect(calls).toBe(0);
  });

  test("a reader who leaves ends the handler, also one that waits for ever", async () => {
    const ended = deferred();
    const never = deferred();
    const { transport } = await start(async function* (_name, { signal }) {
      signal.addEventListener("abort", () => ended.resolve());
      yield { nextPageToken: "one" };
      await never.promise;
    });
    const controller = new AbortController();
    const { message } = await open({ transport, wayIn, name: "", signal: controller.signal });
    const error = await failureOf(
      readAll(message, {
        push: () => {
          controller.abort();
          return 0;
        },
      }),
    );
    expect(error.code).toBe(Code.Canceled);
    await ended.promise;
    never.resolve();
  });

  test("a stream that is open for its longest time ends with DEADLINE_EXCEEDED", async () => {
    const never = deferred();
    const { transport } = await start(
      async function* () {
        yield { nextPageToken: "one" };
        await never.promise;
      },
      { stream_duration_max_ms: 200 },
    );
    const { message } = await open({ transport, wayIn, name: "" });
    expect((await failureOf(readAll(message))).code).toBe(Code.DeadlineExceeded);
    never.resolve();
  });

  test("streams beyond the limit are refused until one ends", async () => {
    const release = deferred();
    const { transport } = await start(
      async function* () {
        yield { nextPageToken: "one" };
        await release.promise;
      },
      { streams_open_max: 1 },
    );
    const { message } = await open({ transport, wayIn, name: "" });
    const iterator = message[Symbol.asyncIterator]();
    await iterator.next();
    const second = open({ transport, wayIn, name: "" }).then((stream) => readAll(stream.message));
    const error = await failureOf(second);
    expect([error.code, errorReason(error)]).toEqual([Code.Unavailable, "OVERLOADED"]);
    release.resolve();
    expect((await iterator.next()).done).toBe(true);
    await expect
      .poll(async () => {
        const third = await open({ transport, wayIn, name: "" });
        return await readAll(third.message);
      })
      .toEqual(["one"]);
  });

  test("a stop ends a stream that waits for ever with UNAVAILABLE", async () => {
    const never = deferred();
    const { transport, server } = await start(async function* () {
      yield { nextPageToken: "one" };
      await never.promise;
    });
    const { message } = await open({ transport, wayIn, name: "" });
    const iterator = message[Symbol.asyncIterator]();
    await iterator.next();
    const last = failureOf(iterator.next());
    await server[Symbol.asyncDispose]();
    const error = await last;
    expect([error.code, errorReason(error)]).toEqual([Code.Unavailable, "STOPPING"]);
    never.resolve();
  });
});

test("a handler waits for a gRPC reader who does not read", async () => {
  let sent = 0;
  const { transport } = await start(async function* () {
    const value = "a".repeat(10_000);
    for (; sent < 2_000; sent += 1) yield { nextPageToken: value };
  });
  const { message } = await open({ transport, wayIn: "gRPC", name: "" });
  const iterator = message[Symbol.asyncIterator]();
  await iterator.next();
  // The handler has stopped once its count is the same twice.
  let before = -1;
  await expect
    .poll(() => {
      const same = sent === before;
      before = sent;
      return same;
    })
    .toBe(true);
  expect(sent).toBeLessThan(1_000);
  let received = 1;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    received += 1;
  }
  expect(received).toBe(2_000);
});

async function open(call: {
  transport: TestServer["transport"];
  wayIn: WayIn;
  name: string;
  signal?: AbortSignal;
}) {
  const { transport, wayIn, name, signal } = call;
  async function* input() {
    yield { userId: name };
  }
  return await transport(wayIn).stream(follow, signal, undefined, undefined, input());
}

async function readAll(
  messages: AsyncIterable<ListWalletsResponse>,
  values: Pick<string[], "push"> = [],
): Promise<unknown> {
  for await (const message of messages) values.push(message.nextPageToken);
  return values;
}
