-- The keys of machines. None is ever changed or removed: whoever acted by one can be named for ever.
create table api_keys (
  id uuid primary key,
  -- SHA-256 of the secret, which is kept nowhere. The secret is 256 bits of chance: there is nothing to guess that a slow
  -- hash would have to make expensive.
  secret_hash bytea not null unique check (octet_length(secret_hash) = 32),
  owner text not null check (char_length(owner) between 1 and 100),
  description text not null,
  -- How the secret begins.
  prefix text not null,
  scopes text[] not null,
  create_time timestamptz not null,
  expire_time timestamptz,
  -- Issuer, subject and client; null: the configuration, or somebody who did not have to say who he is.
  created_by jsonb,
  -- The first 16 bytes of SHA-256 over the creator and his request_id.
  request_key uuid unique
);

create index api_keys_newest_first on api_keys (create_time desc, id desc);
create index api_keys_of_owner on api_keys (owner, create_time desc, id desc);

-- A row is for good: the service's role may add one, and can neither change nor remove it.
create table api_key_revocations (
  api_key_id uuid primary key references api_keys,
  revoke_time timestamptz not null,
  revoked_by jsonb
);
