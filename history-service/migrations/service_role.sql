-- What the service may do, apart from the owner: it appends, and moves its own marks. It owns nothing, and so cannot
-- disable a trigger either.
grant select, insert on events, entries, account_entries, account_totals, parked_events to :"service_role";
grant select on completeness to :"service_role";
grant update (complete_to, stopped_reason, stopped_at) on completeness to :"service_role";
grant select, insert, update on parked_event_replays to :"service_role";
