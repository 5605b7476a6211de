-- What the service may do, apart from the owner: it appends, and moves its own marks. It owns nothing, and so cannot
-- disable a trigger either.
grant select, insert on events, entries, parked_events to pelikuni_history_service;
grant select on completeness to pelikuni_history_service;
grant update (complete_to, stopped_reason, stopped_at) on completeness to pelikuni_history_service;
grant select, insert, update on parked_event_replays to pelikuni_history_service;
