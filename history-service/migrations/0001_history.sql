-- The journal's events as they were hashed, in the order of their positions, dense from 1. Nothing in this file is ever
-- changed or removed (0003_append_only.sql).
create table events (
  position bigint primary key check (position >= 1),
  transaction_id uuid not null unique,
  occurred_at timestamptz not null,
  -- SHA-256 over the bytes: the head of every wallet in the event.
  hash bytea not null check (octet_length(hash) = 32),
  -- The encoded WalletEvent, verbatim.
  bytes bytea not null,
  -- On a segment's last event alone, the segment's hash: the anchor that the wallet-service gave away.
  journal_hash bytea check (octet_length(journal_hash) = 32),
  stored_at timestamptz not null default clock_timestamp()
);

-- The events are dense with hashes and ids; trying to compress them costs more than it saves.
alter table events alter bytes set storage external;

-- The hashes of segments whose last event came without. What is in events stays as it is.
create table late_journal_hashes (
  position bigint primary key,
  journal_hash bytea not null check (octet_length(journal_hash) = 32)
);

-- The events with the hashes of their segments, whenever these came.
create view journal_events as
  select e.position, e.transaction_id, e.occurred_at, e.hash, e.bytes,
    coalesce(e.journal_hash, l.journal_hash) as journal_hash, e.stored_at
  from events e left join late_journal_hashes l using (position);

-- What happened to each wallet: one row for each change of each event.
create table entries (
  wallet_id uuid not null,
  version bigint not null check (version >= 0),
  position bigint not null check (position >= 1),
  transaction_id uuid not null,
  occurred_at timestamptz not null,
  kind text not null,
  amount numeric(19, 4) not null,
  currency text not null,
  balance numeric(19, 4) not null,
  held numeric(19, 4) not null,
  status text not null,
  user_id text not null,
  request_id text not null,
  -- What the caller wanted remembered: reference, description and metadata; null when nothing.
  details jsonb check (jsonb_typeof(details) = 'object'),
  -- The hold that was placed, captured, released or expired; null when none.
  hold_id uuid,
  -- The transaction that this one takes back; null when none.
  reverses_transaction_id uuid,
  head bytea not null check (octet_length(head) = 32),
  primary key (wallet_id, version)
);

-- The balance at an instant, and the first and last version of a period.
create index entries_by_time on entries (wallet_id, occurred_at, version);
-- The entries of an event, and the wallets touched since a position.
create index entries_by_position on entries (position);
-- The transactions that take back another one.
create index entries_by_reversed on entries (reverses_transaction_id, position) where reverses_transaction_id is not null;

-- Messages that are no event of the journal, with everything that came with them.
create table parked_events (
  id bigint generated always as identity primary key,
  topic text not null,
  partition int not null,
  -- The offset in that partition; of the feed, the position.
  message_offset bigint not null,
  -- What came beside the value, as far as it was there.
  position bigint,
  journal_hash bytea,
  value bytea not null,
  value_hash bytea not null generated always as (sha256(value)) stored,
  reason text not null,
  parked_at timestamptz not null default clock_timestamp(),
  -- A topic that was made anew has other messages at the same offsets.
  unique (topic, partition, message_offset, value_hash)
);
-- The beginning of a long value is read without the rest.
alter table parked_events alter value set storage external;
