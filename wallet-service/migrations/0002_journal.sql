-- Transaction record, outbox and audit source in one. A row (a segment) is one committed group of events; event i of
-- it, from 0, has position first_position + i. Positions are dense from 1, in commit order.
create table journal (
  first_position bigint primary key check (first_position >= 1),
  -- A UUIDv7 whose low 16 bits are zero; the transaction id of event i is the same with i in them.
  segment_id uuid not null unique,
  event_count int not null check (event_count between 1 and 65536),
  -- SHA-256(hash of the segment before, nothing for the first || int8 first_position || SHA-256 of each event in order).
  hash bytea not null check (octet_length(hash) = 32),
  -- The encoded WalletEvents, each with its length in front as a protobuf varint.
  events bytea not null,
  committed_at timestamptz not null default clock_timestamp()
);

-- The events are dense with hashes and ids; trying to compress them costs more than it saves.
alter table journal alter events set storage external;
