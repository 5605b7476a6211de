import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { createTestDirectory } from "@pelikuni/e2e/test-directory";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@pelikuni/local/embedded-postgres";
import { createLogger } from "@pelikuni/runtime/logger";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";

const logger = createLogger("embedded postgres test", { level: "error", format: "json" });
const root = process.getuid?.() === 0;
const startTimeoutMs = 60_000;

let directory: string;
const servers: EmbeddedPostgres[] = [];

beforeEach(async () => {
  directory = await createTestDirectory();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

async function start(port = 0): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ directory, port, logger });
  servers.push(server);
  await server.createDatabase("wallet");
  return server;
}

async function stop(server: EmbeddedPostgres): Promise<void> {
  servers.splice(servers.indexOf(server), 1);
  await server[Symbol.asyncDispose]();
}

async function query(url: string, text: string): Promise<postgres.RowList<postgres.Row[]>> {
  const sql = postgres(url, { max: 1, connect_timeout: 2 });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Starts a process with a Postgres in the directory and waits for it. */
async function startProcess(): Promise<{ child: ChildProcess; url: string }> {
  const script = path.join(import.meta.dirname, "postgres-process.ts");
  const args = ["--conditions=source", "--import", "tsx/esm", script, directory];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const url = (): string | undefined => /^url=(.*)$/m.exec(output)?.[1];
  await expect.poll(url, { timeout: startTimeoutMs, interval: 20 }).toBeDefined();
  return { child, url: url() ?? "" };
}

async function postmasterPid(): Promise<number> {
  return Number.parseInt(await readFile(path.join(directory, "data/postmaster.pid"), "utf8"), 10);
}

test("is UTF8 with locale C, durable, on the loopback interface and with passwords only", async () => {
  const server = await start();
  const shown = await query(
    server.ownerUrl("wallet"),
    `select current_setting('server_encoding') as encoding, datcollate as collate,
      current_setting('fsync') as fsync, current_setting('listen_addresses') as addresses
    from pg_database where datname = 'wallet'`,
  );
  expect(shown).toEqual([{ encoding: "UTF8", collate: "C", fsync: "on", addresses: "127.0.0.1" }]);
  const lockFile = (await readFile(path.join(directory, "data/postmaster.pid"), "utf8")).split(
    "\n",
  );
  expect(lockFile[4], "directory of Unix sockets").toBe("");
  const guessed = new URL(server.ownerUrl("wallet"));
  guessed.password = "guess";
  await expect(query(guessed.href, "select 1")).rejects.toThrow(/password authentication failed/);
  expect((await stat(path.join(directory, "connection.json"))).mode & 0o777).toBe(0o600);
});

test("the owner creates databases, where the service's role has no right of its own", async () => {
  const server = await start();
  await server.createDatabase("wallet");
  await query(server.ownerUrl("wallet"), "create table coins (id int)");
  await expect(query(server.serviceUrl("wallet"), "select * from coins")).rejects.toThrow(
    /permission denied/,
  );
  await expect(query(server.ownerUrl("wallet"), "create role x superuser")).rejects.toThrow(
    /permission denied/,
  );
});

test("data and port are the same after a restart; another port is found when it is taken", async () => {
  const first = await start();
  await query(first.ownerUrl("wallet"), "create table coins as select 7 as id");
  await stop(first);
  const second = await start();
  expect(second.port).toBe(first.port);
  await stop(second);
  const thief = createServer().listen(first.port, "127.0.0.1");
  await once(thief, "listening");
  try {
    const third = await start();
    expect(third.port).not.toBe(first.port);
    expect(await query(third.ownerUrl("wallet"), "select id from coins")).toEqual([{ id: 7 }]);
    await stop(third);
    await expect(start(first.port)).rejects.toThrow(/Port \d+.*taken.*local\.postgres_port/);
  } finally {
    thief.close();
  }
});

test("a second start says that it is already running, and by which process", async () => {
  const { child } = await startProcess();
  await expect(start()).rejects.toThrow(`already running, pid ${child.pid}`);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  await start();
});

test("after kill -9 of our process the Postgres left behind is replaced, data and all", async () => {
  const { child, url } = await startProcess();
  await query(url, "create table coins as select 7 as id");
  const orphan = await postmasterPid();
  child.kill("SIGKILL");
  await once(child, "exit");
  const server = await start();
  expect(await query(server.ownerUrl("wallet"), "select id from coins")).toEqual([{ id: 7 }]);
  expect(await postmasterPid()).not.toBe(orphan);
});

test("after kill -9 of both, a lock file that names a living stranger does not stop the start", async () => {
  const { child, url } = await startProcess();
  await query(url, "create table coins as select 7 as id");
  child.kill("SIGKILL");
  await once(child, "exit");
  const lockFile = path.join(directory, "data/postmaster.pid");
  const stale = await readFile(lockFile, "utf8");
  process.kill(await postmasterPid(), "SIGKILL");
  await writeFile(lockFile, stale.replace(/^\d+/, String(process.pid)));
  const ownerFile = path.join(directory, "owner.json");
  const owner = await readFile(ownerFile, "utf8");
  await writeFile(ownerFile, owner.replace(/\d+/, String(process.pid)));
  const server = await start();
  expect(await query(server.ownerUrl("wallet"), "select id from coins")).toEqual([{ id: 7 }]);
});

test("data of another major version are refused with a message, and left alone", async () => {
  await stop(await start());
  const versionFile = path.join(directory, "data/PG_VERSION");
  const version = await readFile(versionFile, "utf8");
  await writeFile(versionFile, "17\n");
  await expect(start()).rejects.toThrow(/made by PostgreSQL 17, and this release brings 18/);
  await writeFile(versionFile, version);
  await start();
});

test("lost passwords are told", async () => {
  await stop(await start());
  await rm(path.join(directory, "connection.json"));
  await expect(start()).rejects.toThrow(/connection\.json, which holds the passwords/);
});

test.runIf(root)(
  "as root in a closed directory, the data lie where Postgres can enter",
  async () => {
    const closed = directory;
    directory = path.join(closed, "project");
    const server = await start();
    await stop(server);
    const text = await readFile(path.join(directory, "LOCATION.txt"), "utf8");
    const place = /(\/var\/lib\/pelikuni\/[0-9a-f]{16})/.exec(text)?.[1] ?? "";
    expect((await stat(path.join(place, "data"))).isDirectory()).toBe(true);
    // Opened later, the project still finds its data.
    await chmod(closed, 0o755);
    await stop(await start());
    await expect(stat(path.join(directory, "data"))).rejects.toThrow(/ENOENT/);
    await rm(place, { recursive: true });
    await rm(closed, { recursive: true });
    directory = await createTestDirectory();
  },
);

test.runIf(root)("as root on an ordinary user's data, Postgres runs as that user", async () => {
  await stop(await start());
  const uid = 65_534;
  const data = path.join(directory, "data");
  for (const each of [".", ...(await readdir(data, { recursive: true }))]) {
    await chown(path.join(data, each), uid, uid);
  }
  await start();
  expect((await stat(path.join(data, "postmaster.pid"))).uid).toBe(uid);
});

test.runIf(root)(
  "as root, data in a directory closed since are not replaced by empty ones",
  async () => {
    const outer = directory;
    await chmod(outer, 0o755);
    directory = path.join(outer, "project");
    await stop(await start());
    await chmod(outer, 0o700);
    await expect(start()).rejects.toThrow(/cannot enter .*project, where its data are/);
    directory = outer;
  },
);

test.skipIf(root)("a directory of another user is told", async () => {
  directory = "/etc/pelikuni";
  await expect(start()).rejects.toThrow(/cannot be used .*give it to this one or remove it/);
  directory = await createTestDirectory();
});
