-- The state of each wallet at its latest version.
create table wallets (
  id uuid primary key,
  user_id text not null check (char_length(user_id) between 1 and 100),
  currency text not null check (currency ~ '^[A-Z][A-Z0-9]{2,11}$'),
  balance numeric(19, 4) not null,
  held numeric(19, 4) not null,
  status text not null check (status in ('ACTIVE', 'FROZEN_OUTGOING', 'FROZEN', 'CLOSED')),
  -- The most that one transaction may take out of it, or one hold set aside; null: no limit.
  transfer_limit numeric(19, 4) check (transfer_limit > 0),
  version bigint not null check (version >= 0),
  -- SHA-256 over the encoded bytes of the wallet's latest event.
  head bytea not null check (octet_length(head) = 32),
  create_time timestamptz not null,
  -- When the latest event happened.
  update_time timestamptz not null,
  check (held >= 0 and balance >= held),
  check (status <> 'CLOSED' or balance = 0)
)
-- Room on each page keeps an update on it (HOT), as no indexed column ever changes.
with (fillfactor = 60);

create index wallets_newest_first on wallets (create_time desc, id desc);
create index wallets_of_user on wallets (user_id, create_time desc, id desc);

-- What is kept beside a wallet, and decides nothing; a row from its first pair on. Its changes move the wallet's version.
create table wallet_settings (
  wallet_id uuid primary key,
  metadata jsonb not null check (jsonb_typeof(metadata) = 'object'),
  -- The version that the wallet had after they changed last: who has read them compares it at his commit.
  wallet_version bigint not null check (wallet_version > 0)
);
