-- What may change, kept apart from what may not. All of it follows from the append-only tables and the journal, but for
-- the reason of a stop.

-- One row: how far history has come.
create table completeness (
  only_row boolean primary key default true check (only_row),
  -- Tells this history from every other one, for what others remember of it, such as a consumer group's offsets.
  history_id uuid not null default gen_random_uuid(),
  -- The last position in events, which has every one up to it.
  complete_to bigint not null default 0 check (complete_to >= 0),
  -- Set when history and the journal contradict each other. Nothing is taken in until an operator, as the owner, has
  -- looked into it and set this to null.
  stopped_reason text,
  stopped_at timestamptz
);
insert into completeness default values;

-- Stops ingestion in every replica; the first reason stays. The service may do this, and cannot undo it.
create function stop_ingestion(reason text, at timestamptz) returns void
language sql volatile security definer
begin atomic
  update completeness set stopped_reason = reason, stopped_at = at where stopped_reason is null;
end;
revoke execute on function stop_ingestion from public;

-- Locks the mark of completeness and returns it; raises PH002 when ingestion has been stopped.
create function lock_completeness() returns bigint
language plpgsql volatile as $$
declare
  mark completeness;
begin
  select * into mark from completeness for update;
  if mark.stopped_reason is not null then raise exception 'ingestion has stopped' using errcode = 'PH002'; end if;
  return mark.complete_to;
end
$$;

-- Events that came before those in front of them: as they arrived, in case they are not what the journal has at their
-- position. Nothing is answered from them. They leave when they are taken in, or parked.
create table waiting_events (
  position bigint not null check (position >= 1),
  hash bytea not null check (octet_length(hash) = 32),
  -- Empty where the event came without one.
  journal_hash bytea not null,
  bytes bytea not null,
  -- Whether the wallet-service's own feed said it.
  confirmed boolean not null,
  topic text not null,
  partition int not null,
  message_offset bigint not null,
  -- One position may have several that contradict each other.
  primary key (position, hash, journal_hash)
);
alter table waiting_events alter bytes set storage external;

-- What became of a parked message that somebody tried to take in again.
create table parked_event_replays (
  id bigint primary key references parked_events (id),
  -- Why the latest try failed; null when it succeeded.
  reason text,
  replayed_at timestamptz
);
