-- The requests that were acted on: a repeat is answered from the transaction that its key points to.
create table request_keys (
  -- The first 16 bytes of SHA-256 over the caller and his request_id.
  key uuid primary key,
  -- SHA-256 over the parsed command; a repeat with another one is refused.
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  transaction_id uuid not null,
  create_time timestamptz not null default now()
);

-- Old keys are found by time alone; a block range index costs nothing on the way in.
create index request_keys_by_time on request_keys using brin (create_time) with (pages_per_range = 32);
