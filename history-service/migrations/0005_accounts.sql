-- What happened to accounts outside the wallets: one row for each leg between one of them and a wallet. Nothing keeps a
-- balance of an account, so that no row is changed by everybody; its total is made from these rows.
create table account_entries (
  position bigint not null check (position >= 1),
  -- The leg's place in its event.
  leg_index int not null check (leg_index >= 0),
  account text collate "C" not null,
  currency text collate "C" not null,
  -- What the leg added to the account; negative when money went to the wallet.
  amount numeric(19, 4) not null check (amount <> 0),
  wallet_id uuid not null,
  transaction_id uuid not null,
  occurred_at timestamptz not null,
  kind text not null,
  details jsonb check (jsonb_typeof(details) = 'object'),
  -- Which thousand of positions it belongs to, from 0. No index has the position in front: a walk through the positions
  -- of all accounts would be tempting and, for an account that is seldom used, long.
  thousand bigint not null generated always as ((position - 1) / 1000) stored,
  primary key (account, currency, position, leg_index)
);

-- The entries of events, and of a thousand.
create index account_entries_by_thousand on account_entries (thousand);

-- What accounts added up to at the end of every thousand, so that no sum is made of more rows than lie between two of
-- them. A row for each account and currency with a leg in that thousand; written once history is complete up to there,
-- and never changed: it follows from the account's entries, whatever the order in which they arrived.
create table account_totals (
  account text collate "C" not null,
  currency text collate "C" not null,
  position bigint not null check (position >= 1),
  -- Of all legs up to the position: what came from wallets, and what went to them.
  total_in numeric(44, 4) not null check (total_in >= 0),
  total_out numeric(44, 4) not null check (total_out >= 0),
  -- When the latest of all legs up to the position occurred. Clocks differ: it need not be the last one.
  latest_at timestamptz not null,
  -- When the earliest of the legs behind the row before occurred.
  earliest_at timestamptz not null,
  primary key (account, currency, position)
);

create trigger append_only before update or delete or truncate on account_entries
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on account_totals
  for each statement execute function refuse_change();
alter table account_entries enable always trigger append_only;
alter table account_totals enable always trigger append_only;

-- Writes the totals of every thousand positions that history has become complete to between two marks. Its caller has
-- locked the mark.
create function write_account_totals(mark bigint, reached bigint) returns void
language plpgsql volatile as $$
declare
  this_thousand bigint;
begin
  for this_thousand in select n from generate_series(mark / 1000, reached / 1000 - 1) n loop
    insert into account_totals (account, currency, position, total_in, total_out, latest_at, earliest_at)
      select n.account, n.currency, (this_thousand + 1) * 1000, coalesce(b.total_in, 0) + n.total_in,
        coalesce(b.total_out, 0) + n.total_out, greatest(b.latest_at, n.latest_at), n.earliest_at
      from (
        select e.account, e.currency, coalesce(sum(e.amount) filter (where e.amount > 0), 0) as total_in,
          coalesce(-sum(e.amount) filter (where e.amount < 0), 0) as total_out,
          max(e.occurred_at) as latest_at, min(e.occurred_at) as earliest_at
        from account_entries e where e.thousand = this_thousand group by e.account, e.currency
      ) n
      left join lateral (
        select t.total_in, t.total_out, t.latest_at from account_totals t
        where t.account = n.account and t.currency = n.currency order by t.position desc limit 1
      ) b on true;
  end loop;
end
$$;

-- What an account adds up to by all legs up to a position, of those that occurred by an instant: the last total that
-- contains no other leg, and the legs behind it. History must be complete to the position.
create function account_total(
  of_account text, of_currency text, up_to bigint, at timestamptz, out total_in numeric, out total_out numeric
)
language sql stable as $$
  with base as (
    select coalesce(max(t.position), 0) as position, coalesce(max(t.total_in), 0) as total_in,
      coalesce(max(t.total_out), 0) as total_out
    from (
      select t.position, t.total_in, t.total_out from account_totals t
      where t.account = of_account and t.currency = of_currency and t.position <= up_to and t.latest_at <= at
      order by t.position desc limit 1
    ) t
  ), steps as (
    -- Clocks differ: of the legs between two later totals, some may have occurred by the instant.
    select coalesce(lag(t.position) over (order by t.position), b.position) as behind, t.position as last, t.earliest_at
    from base b join account_totals t
      on t.account = of_account and t.currency = of_currency and t.position > b.position and t.position <= up_to
  ), parts as (
    select s.behind, s.last from steps s where s.earliest_at <= at
    union all
    select coalesce((select max(s.last) from steps s), b.position), up_to from base b
  ), sums as (
    select sum(l.total_in) as total_in, sum(l.total_out) as total_out
    from parts p cross join lateral (
      select coalesce(sum(e.amount) filter (where e.amount > 0), 0) as total_in,
        coalesce(-sum(e.amount) filter (where e.amount < 0), 0) as total_out
      from account_entries e
      where e.account = of_account and e.currency = of_currency
        and e.position > p.behind and e.position <= p.last and e.occurred_at <= at
    ) l
  )
  select (b.total_in + s.total_in)::numeric(44, 4), (b.total_out + s.total_out)::numeric(44, 4) from base b, sums s
$$;
