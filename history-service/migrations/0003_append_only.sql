create function refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'PH003';
end
$$;

-- For the owner as well, and in a session that replicates. An owner who alters the table gets past it: he disables the
-- trigger, or has "alter column ... type ... using" write every row anew. VerifyJournal finds what he did.
create trigger append_only before update or delete or truncate on events
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on late_journal_hashes
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on entries
  for each statement execute function refuse_change();
create trigger append_only before update or delete or truncate on parked_events
  for each statement execute function refuse_change();
alter table events enable always trigger append_only;
alter table late_journal_hashes enable always trigger append_only;
alter table entries enable always trigger append_only;
alter table parked_events enable always trigger append_only;
