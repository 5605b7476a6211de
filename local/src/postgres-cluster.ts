import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import type { Logger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { z } from "zod";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import type { PostgresPlace } from "./postgres-place.ts";
import { runPostgresTool } from "./postgres-tool.ts";

/** The login role that owns databases and migrates them; no superuser. */
export const ownerRole = "pelikuni_owner";
/** The login role that services use. */
export const serviceRole = "pelikuni_service";

const connectionSchema = z.object({
  /** The port of the last start; 0 before the first. */
  port: z.number(),
  superuserPassword: z.string(),
  ownerPassword: z.string(),
  servicePassword: z.string(),
});

/** How to connect; kept beside the data in a file that only its owner may read. */
export type ClusterConnection = z.output<typeof connectionSchema>;

/** The directory of the server's data below its place. */
export function dataDirectory(place: PostgresPlace): string {
  return path.join(place.directory, "data");
}

/**
 * Finds the data of an earlier start, or initialises them: UTF8, locale C, passwords made here.
 *
 * @throws OperatorError when the data are of another major version, or their passwords are gone
 */
export async function openCluster(
  place: PostgresPlace,
  binaries: PostgresBinaries,
  logger: Logger,
): Promise<ClusterConnection> {
  const data = dataDirectory(place);
  if (!existsSync(data)) {
    logger.info({ directory: place.directory }, "Initialising Postgres");
    return await initialise(place, binaries);
  }
  const major = readFileSync(path.join(data, "PG_VERSION"), "utf8").trim();
  const ours = binaries.version.split(".")[0];
  if (major !== ours) {
    throw new OperatorError(
      `${data} was made by PostgreSQL ${major}, and this release brings ${ours}. Dump it with the ` +
        `release that made it, or move ${place.directory} away to start with an empty database.`,
    );
  }
  try {
    return connectionSchema.parse(JSON.parse(readFileSync(connectionFile(place), "utf8")));
  } catch {
    throw new OperatorError(
      `${connectionFile(place)}, which holds the passwords of ${data}, is missing or damaged. ` +
        `Put it back, or move ${place.directory} away to start with an empty database.`,
    );
  }
}

/** Writes the connection beside the data, all of it or nothing. */
export function saveConnection(place: PostgresPlace, connection: ClusterConnection): void {
  const partial = `${connectionFile(place)}.partial`;
  writeFileSync(partial, `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 });
  renameSync(partial, connectionFile(place));
}

function connectionFile(place: PostgresPlace): string {
  return path.join(place.directory, "connection.json");
}

/** Works beside the final name, so that an interrupted start leaves nothing that looks whole. */
async function initialise(
  place: PostgresPlace,
  binaries: PostgresBinaries,
): Promise<ClusterConnection> {
  const connection: ClusterConnection = {
    port: 0,
    superuserPassword: newPassword(),
    ownerPassword: newPassword(),
    servicePassword: newPassword(),
  };
  const partial = path.join(place.directory, "data.partial");
  const passwordFile = path.join(place.directory, "initdb-password");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { mode: 0o700 });
  writeFileSync(passwordFile, connection.superuserPassword, { mode: 0o600 });
  if (place.user !== undefined) {
    for (const each of [partial, passwordFile]) chownSync(each, place.user.uid, place.user.gid);
  }
  chmodSync(partial, 0o700);
  const initdbArgs = ["--username=postgres", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  initdbArgs.push("--encoding=UTF8", "--locale=C", "--no-instructions", "-D", partial);
  await runPostgresTool({ binaries, user: place.user, program: "initdb", args: initdbArgs });
  rmSync(passwordFile);
  // In single-user mode each line is one command, and nobody can connect meanwhile.
  const roles = [
    `create role ${ownerRole} login createdb createrole password '${connection.ownerPassword}'`,
    `create role ${serviceRole} login password '${connection.servicePassword}'`,
  ];
  await runPostgresTool({
    binaries,
    user: place.user,
    program: "postgres",
    args: ["--single", "-D", partial, "-c", "exit_on_error=on", "postgres"],
    input: `${roles.join("\n")}\n`,
  });
  saveConnection(place, connection);
  renameSync(partial, dataDirectory(place));
  return connection;
}

function newPassword(): string {
  return randomBytes(24).toString("base64url");
}
