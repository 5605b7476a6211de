-- How far the journal has been published. Everything up to the position has been acknowledged; what comes behind it
-- may have been sent as well.
create table journal_cursors (
  topic text primary key,
  position bigint not null check (position >= 0),
  update_time timestamptz not null default clock_timestamp()
)
-- Room on the page keeps an update on it (HOT).
with (fillfactor = 10);
