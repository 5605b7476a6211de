import type { ValidApiKey } from "@pelikuni/runtime/access/api-key-lookup";
import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import type { Actor } from "./wallet.ts";
import type { PageStart } from "./wallet-store.ts";

/** A key to store. */
export interface NewApiKey {
  readonly id: string;
  /** SHA-256 of its secret, in hexadecimal digits. */
  readonly secretHash: string;
  readonly owner: string;
  readonly description: string;
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly createTimeMs: number;
  readonly expireTimeMs: number | undefined;
  /** Undefined: the configuration, or somebody who did not have to say who he is. */
  readonly createdBy: Actor | undefined;
  /** What makes a repeated creation recognisable, as a UUID. */
  readonly requestKey: string | undefined;
}

/** A key as it is stored. */
export interface RecordedApiKey extends Omit<NewApiKey, "requestKey"> {
  readonly revokeTimeMs: number | undefined;
  readonly revokedBy: Actor | undefined;
}

/** Stores a key; false when there is one with its secret, or with its request key. */
export async function insertApiKey(sql: Sql, key: NewApiKey): Promise<boolean> {
  const expireTime = key.expireTimeMs === undefined ? null : new Date(key.expireTimeMs);
  const rows = await sql`
    insert into api_keys (id, secret_hash, owner, description, prefix, scopes, create_time, expire_time,
      created_by, request_key)
    values (${key.id}, ${Buffer.from(key.secretHash, "hex")}, ${key.owner}, ${key.description},
      ${key.prefix}, ${arrayLiteral(key.scopes)}::text[], ${new Date(key.createTimeMs)}, ${expireTime},
      ${jsonOf(key.createdBy)}::text::jsonb, ${key.requestKey ?? null})
    on conflict do nothing returning id`;
  return rows.length > 0;
}

/** Revokes a key, unless it is revoked or there is none. */
export async function insertRevocation(
  sql: Sql,
  revocation: { readonly id: string; readonly atMs: number; readonly by: Actor | undefined },
): Promise<void> {
  const { id, atMs, by } = revocation;
  await sql`
    insert into api_key_revocations (api_key_id, revoke_time, revoked_by)
    select id, ${new Date(atMs)}, ${jsonOf(by)}::text::jsonb from api_keys where id = ${id}
    on conflict do nothing`;
}

/** Reads a key by its id. */
export async function findApiKey(sql: Sql, id: string): Promise<RecordedApiKey | undefined> {
  return await findOne(sql, sql`id = ${id}`);
}

/** Reads a key by its secret. */
export async function findApiKeyBySecret(
  sql: Sql,
  secretHash: string,
): Promise<RecordedApiKey | undefined> {
  return await findOne(sql, sql`secret_hash = ${Buffer.from(secretHash, "hex")}`);
}

/** Reads the key that a request has created. */
export async function findApiKeyByRequest(
  sql: Sql,
  requestKey: string,
): Promise<RecordedApiKey | undefined> {
  return await findOne(sql, sql`request_key = ${requestKey}`);
}

/** Lists keys, newest first, of everybody or of one owner. */
export async function listApiKeys(
  sql: Sql,
  { owner, after, limit }: { owner?: string; after?: PageStart; limit: number },
): Promise<RecordedApiKey[]> {
  const ofOwner = owner === undefined ? sql`` : sql`and owner = ${owner}`;
  const behind = after
    ? sql`and (create_time, id) < (${new Date(after.createTimeMs)}, ${after.id}::uuid)`
    : sql``;
  const rows = await sql<ApiKeyRow[]>`
    select ${columns(sql)} from ${table(sql)} where true ${ofOwner} ${behind}
    order by create_time desc, id desc limit ${limit}`;
  return rows.map(keyOf);
}

/** Reads keys that are not revoked, by the hashes of their secrets; also those that have expired. */
export async function findUnrevokedApiKeys(
  sql: Sql,
  secretHashes: readonly string[],
): Promise<Map<string, ValidApiKey>> {
  const hashes = arrayLiteral(secretHashes.map((each) => Buffer.from(each, "hex")));
  const rows = await sql<ApiKeyRow[]>`
    select ${columns(sql)} from ${table(sql)}
    where secret_hash = any(${hashes}::bytea[]) and revoke_time is null`;
  return new Map(rows.map(keyOf).map((key) => [key.secretHash, key]));
}

interface ApiKeyRow {
  id: string;
  secretHash: string;
  owner: string;
  description: string;
  prefix: string;
  scopes: string[];
  createTime: Date;
  expireTime: Date | null;
  createdBy: Actor | null;
  revokeTime: Date | null;
  revokedBy: Actor | null;
}

async function findOne(sql: Sql, condition: ReturnType<Sql>): Promise<RecordedApiKey | undefined> {
  const rows = await sql<ApiKeyRow[]>`select ${columns(sql)} from ${table(sql)} where ${condition}`;
  return rows.map(keyOf)[0];
}

function table(sql: Sql): ReturnType<Sql> {
  return sql`api_keys left join api_key_revocations on api_key_id = id`;
}

// Scopes as JSON: the driver does not know arrays without asking the server for their type.
function columns(sql: Sql): ReturnType<Sql> {
  return sql`id, encode(secret_hash, 'hex') as "secretHash", owner, description, prefix,
    to_json(scopes) as scopes, create_time as "createTime", expire_time as "expireTime",
    created_by as "createdBy", revoke_time as "revokeTime", revoked_by as "revokedBy"`;
}

// Cast from text where it is used: given a jsonb, the driver would write a text that holds JSON.
function jsonOf(actor: Actor | undefined): string | null {
  return actor === undefined ? null : JSON.stringify(actor);
}

function keyOf(row: ApiKeyRow): RecordedApiKey {
  const { createTime, expireTime, createdBy, revokeTime, revokedBy, ...others } = row;
  return {
    ...others,
    createTimeMs: createTime.getTime(),
    expireTimeMs: expireTime?.getTime(),
    createdBy: createdBy ?? undefined,
    revokeTimeMs: revokeTime?.getTime(),
    revokedBy: revokedBy ?? undefined,
  };
}
