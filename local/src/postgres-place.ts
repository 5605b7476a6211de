import { createHash } from "node:crypto";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { OperatorError } from "@pelikuni/runtime/operator-error";

/** Another user of this machine, for Postgres, which refuses to run as root. */
export interface PostgresUser {
  readonly uid: number;
  readonly gid: number;
}

/** Where an embedded Postgres keeps its files, and as whom it runs. */
export interface PostgresPlace {
  readonly directory: string;
  /** Undefined: as the user of this process. */
  readonly user: PostgresUser | undefined;
}

/** Root's place for what another user must be able to enter. */
export const rootDirectory = "/var/lib/pelikuni";

/**
 * The place for an embedded Postgres that was asked to live in `directory`, which is made. Only
 * root gets another one: when the user that Postgres then runs as cannot enter the directory. A
 * file in the directory says so.
 *
 * @throws OperatorError when the directory cannot be used
 */
export function findPostgresPlace(directory: string): PostgresPlace {
  const here = makeDirectory(directory);
  if (process.getuid?.() !== 0) return { directory: here, user: undefined };
  const hash = createHash("sha256").update(here).digest("hex").slice(0, 16);
  const elsewhere = path.join(rootDirectory, hash);
  const isHere = existsSync(path.join(here, "data"));
  // Who made the data can go on with them, whatever users this machine has got since.
  const user = ownerOf(path.join(isHere ? here : elsewhere, "data")) ?? readUnprivilegedUser();
  chmodSync(here, 0o755);
  const open = canEnter(here, user);
  if (open && (isHere || !existsSync(elsewhere))) return { directory: here, user };
  if (isHere) {
    throw new OperatorError(
      `Postgres may not run as root, and user ${user.uid} cannot enter ${here}, where its data ` +
        "are. Let others enter the directories above it again (chmod o+x).",
    );
  }
  noteOtherPlace(here, elsewhere, user);
  return { directory: elsewhere, user };
}

function makeDirectory(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
    return realpathSync(directory);
  } catch (error) {
    throw new OperatorError(
      `${directory}, where Postgres is to keep its data, cannot be used (${String(error)}). ` +
        "If another user, such as root, made it, give it to this one or remove it.",
    );
  }
}

function noteOtherPlace(here: string, elsewhere: string, user: PostgresUser): void {
  mkdirSync(elsewhere, { recursive: true });
  for (const each of [rootDirectory, elsewhere]) chmodSync(each, 0o755);
  const text =
    `The data of the Postgres server lie in ${elsewhere}:\n` +
    `it may not run as root, and user ${user.uid} cannot enter this directory.\n`;
  writeFileSync(path.join(here, "LOCATION.txt"), text);
  writeFileSync(path.join(elsewhere, "PROJECT.txt"), `These are the data of ${here}\n`);
}

function ownerOf(data: string): PostgresUser | undefined {
  const found = statSync(data, { throwIfNoEntry: false });
  return found === undefined || found.uid === 0 ? undefined : { uid: found.uid, gid: found.gid };
}

/** `postgres` where a package made that user, else `nobody`. */
function readUnprivilegedUser(): PostgresUser {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  return { uid: 65_534, gid: 65_534 };
}

function canEnter(directory: string, user: PostgresUser): boolean {
  const { uid, gid, mode } = statSync(directory);
  const execute = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  const parent = path.dirname(directory);
  return (mode & execute) !== 0 && (parent === directory || canEnter(parent, user));
}
