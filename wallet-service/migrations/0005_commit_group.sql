-- Commits a group of decided commands, all or nothing: what was decided on states that are no longer current, or with
-- a request key that is taken, writes nothing. docs/ARCHITECTURE.md tells why each step stands where it stands.
--
-- Returns the position of the group's first event; 0 when the group has no event; null when a wallet that a command
-- looked at, or a hold, a reversal or metadata, is not what it was decided on. Raises PW001 when a request key is taken, else PW002
-- when a reference is; PW003 means null.
create function commit_group(
  -- Every wallet that a command looked at, refused commands included; version and head null: seen as absent.
  seen_ids uuid[], seen_versions bigint[], seen_heads bytea[],
  -- The wallets that the group creates, as they are after it.
  created_ids uuid[], created_user_ids text[], created_currencies text[], created_heads bytea[],
  created_times timestamptz[],
  -- The wallets that the group changes, as they are after it.
  changed_ids uuid[], changed_balances numeric[], changed_helds numeric[], changed_statuses text[],
  changed_limits numeric[], changed_versions bigint[], changed_heads bytea[], changed_times timestamptz[],
  -- The request keys of accepted commands, and those of refused ones.
  keys uuid[], fingerprints bytea[], transaction_ids uuid[], refused_keys uuid[],
  -- The holds that a command looked at, by what tells their states apart; and those that it leaves, as they are after it.
  seen_hold_ids uuid[], seen_hold_versions bigint[],
  hold_ids uuid[], hold_wallet_ids uuid[], hold_currencies text[], hold_amounts numeric[], hold_captureds numeric[],
  hold_statuses text[], hold_create_times timestamptz[], hold_expire_times timestamptz[], hold_versions bigint[],
  -- What was taken back of transactions: the versions seen, 0 for no row; and each row after it, as the text of an array.
  seen_reversal_ids uuid[], seen_reversal_versions int[],
  reversal_ids uuid[], reversal_arrays text[], reversal_versions int[],
  -- The metadata that a command looked at, by the wallet's version when they changed last, 0 for none; and all of them
  -- after the group.
  seen_metadata_ids uuid[], seen_metadata_versions bigint[],
  metadata_ids uuid[], metadata_objects jsonb[], metadata_versions bigint[],
  -- The references of accepted commands.
  reference_hashes uuid[], reference_transaction_ids uuid[],
  -- The journal's row; event_hashes is SHA-256 of each event, one behind the other.
  segment uuid, events int, event_bytes bytea, event_hashes bytea
) returns bigint
language plpgsql volatile as $$
declare
  inserted int;
  next_position bigint;
  previous_hash bytea;
begin
  -- The rows are locked in id order before they are compared: the comparison stands outside the sub-select, since a
  -- filter next to the lock would be evaluated before the lock is granted and miss the change that held it. A missing
  -- row is a mismatch too, unless it was seen as missing.
  perform 1
    from unnest(seen_ids, seen_versions, seen_heads) as seen (id, version, head)
    left join (
      select w.id, w.version, w.head from wallets w where w.id = any (seen_ids) order by w.id for no key update
    ) current on current.id = seen.id
    where current.version is distinct from seen.version or current.head is distinct from seen.head;
  if found then return null; end if;
  if cardinality(seen_hold_ids) > 0 then
    perform 1
      from unnest(seen_hold_ids, seen_hold_versions) as seen (id, version)
      left join (
        select h.id, h.wallet_version from holds h where h.id = any (seen_hold_ids) order by h.id for no key update
      ) current on current.id = seen.id
      where current.wallet_version is distinct from seen.version;
    if found then return null; end if;
  end if;
  -- Not locked: they only change with their wallet, which is.
  if cardinality(seen_metadata_ids) > 0 then
    perform 1
      from unnest(seen_metadata_ids, seen_metadata_versions) as seen (id, version)
      left join wallet_settings s on s.wallet_id = seen.id
      where coalesce(s.wallet_version, 0) <> seen.version;
    if found then return null; end if;
  end if;
  if cardinality(seen_reversal_ids) > 0 then
    perform 1
      from unnest(seen_reversal_ids, seen_reversal_versions) as seen (id, version)
      left join (
        select r.transaction_id, r.version from reversals r where r.transaction_id = any (seen_reversal_ids)
          order by r.transaction_id for no key update
      ) current on current.transaction_id = seen.id
      where coalesce(current.version, 0) <> seen.version;
    if found then return null; end if;
    -- In id order as well: who else reverses one of these transactions for the first time waits here.
    insert into reversals (transaction_id, reversed, version)
      select n.id, n.reversed::numeric[], n.version
      from unnest(reversal_ids, reversal_arrays, reversal_versions) as n (id, reversed, version)
      order by n.id
      on conflict (transaction_id) do update set reversed = excluded.reversed, version = excluded.version
        where reversals.version = (
          select seen.version from unnest(seen_reversal_ids, seen_reversal_versions) as seen (id, version)
          where seen.id = excluded.transaction_id);
    get diagnostics inserted = row_count;
    -- Somebody else was first.
    if inserted < cardinality(reversal_ids) then raise exception 'a reversal is stale' using errcode = 'PW003'; end if;
  end if;

  -- A refused command's key may belong to an earlier try of it that succeeded.
  perform 1 from request_keys k where k.key = any (refused_keys);
  if found then raise exception 'a request key is taken' using errcode = 'PW001'; end if;
  -- Sorted, so that two groups that share keys wait for each other instead of deadlocking.
  insert into request_keys (key, fingerprint, transaction_id)
    select n.key, n.fingerprint, n.transaction_id
    from unnest(keys, fingerprints, transaction_ids) as n (key, fingerprint, transaction_id) order by n.key
    on conflict do nothing;
  get diagnostics inserted = row_count;
  if inserted < cardinality(keys) then raise exception 'a request key is taken' using errcode = 'PW001'; end if;

  if cardinality(reference_hashes) > 0 then
    insert into account_references (hash, transaction_id)
      select n.hash, n.transaction_id
      from unnest(reference_hashes, reference_transaction_ids) as n (hash, transaction_id) order by n.hash
      on conflict do nothing;
    get diagnostics inserted = row_count;
    if inserted < cardinality(reference_hashes) then
      raise exception 'a reference is taken' using errcode = 'PW002';
    end if;
  end if;

  if events = 0 then return 0; end if;
  insert into wallets (id, user_id, currency, balance, held, status, version, head, create_time, update_time)
    select c.id, c.user_id, c.currency, 0, 0, 'ACTIVE', 0, c.head, c.at, c.at
    from unnest(created_ids, created_user_ids, created_currencies, created_heads, created_times)
      as c (id, user_id, currency, head, at);
  update wallets w set balance = c.balance, held = c.held, status = c.status, transfer_limit = c.transfer_limit,
      version = c.version, head = c.head, update_time = c.at
    from unnest(changed_ids, changed_balances, changed_helds, changed_statuses, changed_limits, changed_versions,
        changed_heads, changed_times)
      as c (id, balance, held, status, transfer_limit, version, head, at)
    where w.id = c.id;
  if cardinality(hold_ids) > 0 then
    insert into holds (id, wallet_id, currency, amount, captured, status, create_time, expire_time, wallet_version)
      select * from unnest(hold_ids, hold_wallet_ids, hold_currencies, hold_amounts, hold_captureds, hold_statuses,
        hold_create_times, hold_expire_times, hold_versions)
      on conflict (id) do update
        set captured = excluded.captured, status = excluded.status, wallet_version = excluded.wallet_version;
  end if;
  if cardinality(metadata_ids) > 0 then
    insert into wallet_settings (wallet_id, metadata, wallet_version)
      select * from unnest(metadata_ids, metadata_objects, metadata_versions)
      on conflict (wallet_id) do update
        set metadata = excluded.metadata, wallet_version = excluded.wallet_version;
  end if;

  -- The last lock: its holder waits for nothing but its own commit.
  perform pg_advisory_xact_lock(7001);
  select j.first_position + j.event_count, j.hash into next_position, previous_hash
    from journal j order by j.first_position desc limit 1;
  next_position := coalesce(next_position, 1);
  insert into journal (first_position, segment_id, event_count, hash, events)
    values (next_position, segment, events,
      sha256(coalesce(previous_hash, ''::bytea) || int8send(next_position) || event_hashes), event_bytes);
  return next_position;
end
$$;
