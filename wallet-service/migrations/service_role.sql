-- What the service may do, apart from the owner: it writes balances and appends to the journal, and can neither change
-- nor remove what is recorded. Applied at every start; :"service_role" is the service's login role, as in psql.
grant select, insert on wallets, journal, request_keys, journal_cursors to :"service_role";
grant update (balance, version, head, update_time) on wallets to :"service_role";
grant update (position, update_time) on journal_cursors to :"service_role";
grant delete on request_keys to :"service_role";
