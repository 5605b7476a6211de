-- What the service may do, apart from the owner: it writes balances and appends to the journal, and can neither change
-- nor remove what is recorded. Applied at every start; :"service_role" is the service's login role, as in psql.
grant select, insert on wallets, wallet_settings, holds, reversals, account_references, journal, request_keys,
  journal_cursors, api_keys, api_key_revocations to :"service_role";
grant update (balance, held, status, transfer_limit, version, head, update_time) on wallets to :"service_role";
grant update (metadata, wallet_version) on wallet_settings to :"service_role";
grant update (captured, status, wallet_version) on holds to :"service_role";
grant update (reversed, version) on reversals to :"service_role";
grant update (position, update_time) on journal_cursors to :"service_role";
grant delete on request_keys to :"service_role";
