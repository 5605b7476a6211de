-- Commits a group of decided commands, all or nothing: what was decided on states that are no longer current, or with
-- a request key that is taken, writes nothing. docs/ARCHITECTURE.md tells why each step stands where it stands.
--
-- Returns the position of the group's first event; 0 when the group has no event; null when a wallet that a command
-- looked at is not what it was decided on. Raises PW001 when a request key is taken.
create function commit_group(
  -- Every wallet that a command looked at, refused commands included; version and head null: seen as absent.
  seen_ids uuid[], seen_versions bigint[], seen_heads bytea[],
  -- The wallets that the group creates, as they are after it.
  created_ids uuid[], created_user_ids text[], created_currencies text[], created_heads bytea[],
  created_times timestamptz[],
  -- The wallets that the group changes, as they are after it.
  changed_ids uuid[], changed_balances numeric[], changed_versions bigint[], changed_heads bytea[],
  changed_times timestamptz[],
  -- The request keys of accepted commands, and those of refused ones.
  keys uuid[], fingerprints bytea[], transaction_ids uuid[], refused_keys uuid[],
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

  if events = 0 then return 0; end if;
  insert into wallets (id, user_id, currency, balance, held, status, version, head, create_time, update_time)
    select c.id, c.user_id, c.currency, 0, 0, 'ACTIVE', 0, c.head, c.at, c.at
    from unnest(created_ids, created_user_ids, created_currencies, created_heads, created_times)
      as c (id, user_id, currency, head, at);
  update wallets w set balance = c.balance, version = c.version, head = c.head, update_time = c.at
    from unnest(changed_ids, changed_balances, changed_versions, changed_heads, changed_times)
      as c (id, balance, version, head, at)
    where w.id = c.id;

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
