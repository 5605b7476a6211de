-- Who asked for the change: issuer, subject and client; null where the event names nobody.
alter table entries add column actor jsonb;
-- Those before have none: to look at all of them would keep everybody waiting.
alter table entries add constraint entries_actor_check check (jsonb_typeof(actor) = 'object') not valid;

-- As ingest_events, which replicas of the release before go on calling; it takes who asked for each event.
create function ingest_events_2(
  positions bigint[], transaction_ids uuid[], occurred_ats timestamptz[], request_ids text[],
  -- The bytes of all events, one behind the other, and the length of each.
  all_bytes bytea, lengths int[], journal_hashes bytea[],
  details jsonb[], actors jsonb[], hold_ids uuid[], reverses_transaction_ids uuid[],
  -- The entries; each names its event by position.
  entry_positions bigint[], wallet_ids uuid[], versions bigint[], kinds text[], amounts numeric[],
  currencies text[], balances numeric[], helds numeric[], statuses text[], user_ids text[],
  -- The legs between accounts and wallets; each names its event by position.
  leg_positions bigint[], leg_indexes int[], accounts text[], leg_currencies text[], leg_amounts numeric[],
  leg_wallet_ids uuid[], leg_kinds text[],
  -- What must be known of the wallets that these events do not create.
  known_wallet_ids uuid[], known_versions bigint[], known_heads bytea[], known_balances numeric[],
  known_currencies text[], known_user_ids text[],
  out taken boolean, out complete_to bigint,
  -- Whether an event waits for the next position.
  out next_waits boolean
)
language plpgsql volatile as $$
declare
  reached bigint := positions[cardinality(positions)];
  event_bytes bytea[];
  hashes bytea[];
  misfit text;
begin
  -- The first lock: its holder alone takes events in, and sees what those before him have committed.
  complete_to := lock_completeness();
  taken := complete_to = positions[1] - 1;
  if not taken then
    next_waits := exists (select from waiting_events w where w.position = complete_to + 1);
    return;
  end if;

  select array_agg(b.bytes order by b.place), array_agg(sha256(b.bytes) order by b.place)
    into event_bytes, hashes
    from (
      select l.place, substring(all_bytes from (sum(l.length) over (order by l.place) - l.length + 1)::int for l.length)
      from unnest(lengths) with ordinality as l (length, place)
    ) as b (place, bytes);

  if exists (select from waiting_events w where w.position <= reached) then
    taken := not exists (
      select from waiting_events w
      left join unnest(positions, hashes, journal_hashes) as a (position, hash, journal_hash)
        on a.position = w.position and a.hash = w.hash and coalesce(a.journal_hash, '') = w.journal_hash
      where w.position > complete_to and w.position <= reached and a.position is null
    );
    if not taken then
      next_waits := exists (select from waiting_events w where w.position = complete_to + 1);
      return;
    end if;
    delete from waiting_events w where w.position > complete_to and w.position <= reached;
  end if;

  select format('version %s of wallet %s does not follow from what is known of it', k.version + 1, k.wallet_id)
    into misfit
    from unnest(known_wallet_ids, known_versions, known_heads, known_balances, known_currencies, known_user_ids)
      as k (wallet_id, version, head, balance, currency, user_id)
    left join entries e on e.wallet_id = k.wallet_id and e.version = k.version
    where (e.head, e.balance, e.currency, e.user_id)
      is distinct from (k.head, k.balance, k.currency, k.user_id)
    limit 1;
  if misfit is not null then raise exception '%', misfit using errcode = 'PH001'; end if;

  insert into events (position, transaction_id, occurred_at, hash, bytes, journal_hash)
    select a.position, a.transaction_id, a.occurred_at, a.hash, a.bytes, a.journal_hash
    from unnest(positions, transaction_ids, occurred_ats, hashes, event_bytes, journal_hashes)
      as a (position, transaction_id, occurred_at, hash, bytes, journal_hash);

  insert into entries (wallet_id, version, position, transaction_id, occurred_at, kind, amount, currency, balance, held,
      status, user_id, request_id, details, actor, hold_id, reverses_transaction_id, head)
    select n.wallet_id, n.version, n.position, a.transaction_id, a.occurred_at, n.kind, n.amount, n.currency,
      n.balance, n.held, n.status, n.user_id, a.request_id, a.details, a.actor, a.hold_id, a.reverses_transaction_id,
      a.hash
    from unnest(entry_positions, wallet_ids, versions, kinds, amounts, currencies, balances, helds, statuses, user_ids)
      as n (position, wallet_id, version, kind, amount, currency, balance, held, status, user_id)
    join unnest(positions, transaction_ids, occurred_ats, request_ids, details, actors, hold_ids,
        reverses_transaction_ids, hashes)
      as a (position, transaction_id, occurred_at, request_id, details, actor, hold_id, reverses_transaction_id, hash)
      on a.position = n.position;

  if cardinality(leg_positions) > 0 then
    insert into account_entries (position, leg_index, account, currency, amount, wallet_id, transaction_id, occurred_at,
        kind, details)
      select l.position, l.leg_index, l.account, l.currency, l.amount, l.wallet_id, a.transaction_id, a.occurred_at,
        l.kind, a.details
      from unnest(leg_positions, leg_indexes, accounts, leg_currencies, leg_amounts, leg_wallet_ids, leg_kinds)
        as l (position, leg_index, account, currency, amount, wallet_id, kind)
      join unnest(positions, transaction_ids, occurred_ats, details)
        as a (position, transaction_id, occurred_at, details) on a.position = l.position;
  end if;

  update completeness set complete_to = reached;
  perform write_account_totals(complete_to, reached);
  complete_to := reached;
  next_waits := exists (select from waiting_events w where w.position = reached + 1);
end
$$;
