-- The other side of the comparison: a transfer as a good engineer writes it by hand, one call of a function each. It
-- has balances, versions and a record of every transfer; no request keys, heads, hashes or positions.
create table plain_wallets (
  id int primary key,
  balance numeric(19, 4) not null check (balance >= 0),
  version bigint not null
);
insert into plain_wallets select n, 1000000, 0 from generate_series(1, 1000) n;

create table plain_transfers (
  id uuid primary key default gen_random_uuid(),
  sender int,
  receiver int,
  amount numeric(19, 4),
  at timestamptz default now()
);

create function plain_transfer(sender int, receiver int, amount numeric) returns void
language plpgsql as $$
begin
  -- In id order, so that two transfers between the same wallets wait for each other instead of deadlocking.
  perform 1 from plain_wallets where id in (sender, receiver) order by id for update;
  update plain_wallets set balance = balance - amount, version = version + 1 where id = sender;
  update plain_wallets set balance = balance + amount, version = version + 1 where id = receiver;
  insert into plain_transfers (sender, receiver, amount) values (sender, receiver, amount);
end
$$;
