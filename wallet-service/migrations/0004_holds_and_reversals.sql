-- Money of wallets that is set aside. A hold's change always moves its wallet's version too.
create table holds (
  id uuid primary key,
  wallet_id uuid not null,
  currency text not null,
  amount numeric(19, 4) not null check (amount > 0),
  captured numeric(19, 4) not null check (captured between 0 and amount),
  status text not null check (status in ('OPEN', 'CAPTURED', 'RELEASED', 'EXPIRED')),
  create_time timestamptz not null,
  expire_time timestamptz not null,
  -- The version that the wallet had after the hold changed last: who has read the hold compares it at his commit.
  wallet_version bigint not null check (wallet_version > 0)
);

create index holds_newest_first on holds (wallet_id, create_time desc, id desc);
create index holds_due on holds (expire_time) where status = 'OPEN';

-- What was taken back of transactions; a row from a transaction's first reversal on.
create table reversals (
  transaction_id uuid primary key,
  -- Of each leg.
  reversed numeric(19, 4)[] not null,
  -- 1 with the first reversal, one more with every other: who has read the row compares it at his commit.
  version int not null check (version > 0)
);

-- The references of movements out of accounts outside the wallets: each acts once, for ever.
create table account_references (
  -- The first 16 bytes of SHA-256 over the account and the reference.
  hash uuid primary key,
  transaction_id uuid not null
);
