-- What the service may do, apart from the owner: it writes balances and appends to the journal, and can neither change
-- nor remove what is recorded. The migrator creates the role and makes the service's login role a member of it.
grant select, insert on wallets, journal, request_keys to pelikuni_wallet_service;
grant update (balance, version, head, update_time) on wallets to pelikuni_wallet_service;
grant delete on request_keys to pelikuni_wallet_service;
