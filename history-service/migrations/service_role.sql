-- What the service may do, apart from the owner: it appends, and moves its own marks. It owns nothing, and so cannot
-- disable a trigger either. It can stop ingestion, and cannot lift a stop.
grant select, insert on events, late_journal_hashes, entries, account_entries, account_totals, parked_events to :"service_role";
grant select on completeness, journal_events to :"service_role";
grant update (complete_to) on completeness to :"service_role";
grant execute on function stop_ingestion to :"service_role";
grant select, insert, delete on waiting_events to :"service_role";
grant select, insert, update on parked_event_replays to :"service_role";
