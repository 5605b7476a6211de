-- What may change, kept apart from what may not. All of it follows from the append-only tables, but for the reason of
-- a stop.

-- One row: how far history has come.
create table completeness (
  only_row boolean primary key default true check (only_row),
  -- Tells this history from every other one, for what others remember of it, such as a consumer group's offsets.
  history_id uuid not null default gen_random_uuid(),
  -- Every position up to this one is in events.
  complete_to bigint not null default 0 check (complete_to >= 0),
  -- Set when a known position arrived with other bytes. Nothing is taken in until an operator, as the owner, has
  -- looked into it and set this to null.
  stopped_reason text,
  stopped_at timestamptz
);
insert into completeness default values;

-- What became of a parked message that somebody tried to take in again.
create table parked_event_replays (
  id bigint primary key references parked_events (id),
  -- Why the latest try failed; null when it succeeded.
  reason text,
  replayed_at timestamptz
);
