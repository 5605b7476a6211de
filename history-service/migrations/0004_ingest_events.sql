-- Moves the mark of completeness over the positions that have arrived behind it. Returns the mark; call again when
-- there may be more, since one call looks at so many positions at most.
create function advance_completeness(positions_max bigint) returns bigint
language plpgsql volatile as $$
declare
  mark bigint;
  reached bigint;
  next bigint;
begin
  -- The lock first, then a new look: it sees what those committed who held the lock before.
  select c.complete_to into mark from completeness c for update;
  reached := mark;
  -- Row by row up to the first gap: behind it there may be any number of events, again at each call.
  for next in select e.position from events e where e.position > mark order by e.position limit positions_max loop
    exit when next <> reached + 1;
    reached := next;
  end loop;
  if reached > mark then
    update completeness set complete_to = reached;
    perform write_account_totals(mark, reached);
  end if;
  return reached;
end
$$;

-- Takes in a batch of events with their entries, all or nothing. Events that are there already change nothing.
--
-- Returns the position that history is complete to. Raises PH001 when a position, a transaction or a wallet's version
-- is known with other content: two histories that must not be merged; PH002 when that has happened before.
create function ingest_events(
  positions bigint[], transaction_ids uuid[], occurred_ats timestamptz[], request_ids text[],
  -- The bytes of all events, one behind the other, and the length of each.
  all_bytes bytea, lengths int[], journal_hashes bytea[],
  details jsonb[], hold_ids uuid[], reverses_transaction_ids uuid[],
  -- The entries; each names its event by position.
  entry_positions bigint[], wallet_ids uuid[], versions bigint[], kinds text[], amounts numeric[],
  currencies text[], balances numeric[], helds numeric[], statuses text[], user_ids text[],
  -- The legs between accounts and wallets; each names its event by position.
  leg_positions bigint[], leg_indexes int[], accounts text[], leg_currencies text[], leg_amounts numeric[],
  leg_wallet_ids uuid[], leg_kinds text[],
  positions_max bigint
) returns bigint
language plpgsql volatile as $$
declare
  event_bytes bytea[];
  hashes bytea[];
  fresh bigint[];
  forked text;
begin
  perform 1 from completeness c where c.stopped_reason is not null;
  if found then raise exception 'ingestion has stopped' using errcode = 'PH002'; end if;

  select array_agg(b.bytes order by b.place), array_agg(sha256(b.bytes) order by b.place)
    into event_bytes, hashes
    from (
      select l.place, substring(all_bytes from (sum(l.length) over (order by l.place) - l.length + 1)::int for l.length)
      from unnest(lengths) with ordinality as l (length, place)
    ) as b (place, bytes);

  -- Sorted, so that two replicas with the same events wait for each other instead of deadlocking.
  with inserted as (
    insert into events (position, transaction_id, occurred_at, hash, bytes, journal_hash)
      select a.position, a.transaction_id, a.occurred_at, a.hash, a.bytes, a.journal_hash
      from unnest(positions, transaction_ids, occurred_ats, hashes, event_bytes, journal_hashes)
        as a (position, transaction_id, occurred_at, hash, bytes, journal_hash)
      order by a.position
      on conflict do nothing
      returning events.position
  )
  select array_agg(i.position) into fresh from inserted i;

  if coalesce(cardinality(fresh), 0) < cardinality(positions) then
    select format('position %s arrived as transaction %s with hash %s, %s', a.position, a.transaction_id,
        encode(a.hash, 'hex'),
        coalesce('and is known with hash ' || encode(e.hash, 'hex'), 'and its transaction has another position'))
      into forked
      from unnest(positions, transaction_ids, hashes, journal_hashes)
        as a (position, transaction_id, hash, journal_hash)
      left join events e on e.position = a.position
      where e.position is null or e.hash <> a.hash or e.journal_hash <> a.journal_hash
      order by a.position limit 1;
    if forked is not null then raise exception '%', forked using errcode = 'PH001'; end if;
  end if;

  -- Without "on conflict", which costs a fifth of the whole call: entries of events that were not there can only be
  -- there when history has forked, or was changed by hand.
  begin
    insert into entries (wallet_id, version, position, transaction_id, occurred_at, kind, amount, currency, balance,
        held, status, user_id, request_id, details, hold_id, reverses_transaction_id, head)
      select n.wallet_id, n.version, n.position, a.transaction_id, a.occurred_at, n.kind, n.amount, n.currency,
        n.balance, n.held, n.status, n.user_id, a.request_id, a.details, a.hold_id, a.reverses_transaction_id, a.hash
      from unnest(entry_positions, wallet_ids, versions, kinds, amounts, currencies, balances, helds, statuses,
          user_ids)
        as n (position, wallet_id, version, kind, amount, currency, balance, held, status, user_id)
      join unnest(positions, transaction_ids, occurred_ats, request_ids, details, hold_ids, reverses_transaction_ids,
          hashes)
        as a (position, transaction_id, occurred_at, request_id, details, hold_id, reverses_transaction_id, hash)
        on a.position = n.position
      join unnest(fresh) as f (position) on f.position = n.position
      order by n.wallet_id, n.version;
  exception when unique_violation then
    select format('version %s of wallet %s arrived at position %s, and is known at position %s',
        n.version, n.wallet_id, n.position, e.position)
      into forked
      from unnest(entry_positions, wallet_ids, versions) as n (position, wallet_id, version)
      join unnest(fresh) as f (position) on f.position = n.position
      join entries e on e.wallet_id = n.wallet_id and e.version = n.version
      order by n.position limit 1;
    raise exception '%', coalesce(forked, 'two events of the batch are the same version of a wallet')
      using errcode = 'PH001';
  end;

  if cardinality(leg_positions) > 0 then
    insert into account_entries (position, leg_index, account, currency, amount, wallet_id, transaction_id, occurred_at,
        kind, details)
      select l.position, l.leg_index, l.account, l.currency, l.amount, l.wallet_id, a.transaction_id, a.occurred_at,
        l.kind, a.details
      from unnest(leg_positions, leg_indexes, accounts, leg_currencies, leg_amounts, leg_wallet_ids, leg_kinds)
        as l (position, leg_index, account, currency, amount, wallet_id, kind)
      join unnest(positions, transaction_ids, occurred_ats, details)
        as a (position, transaction_id, occurred_at, details) on a.position = l.position
      join unnest(fresh) as f (position) on f.position = l.position
      order by l.position, l.leg_index
      on conflict do nothing;
  end if;

  -- The last lock: its holder waits for nothing but its own commit.
  return advance_completeness(positions_max);
end
$$;
