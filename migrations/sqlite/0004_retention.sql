-- Retention deletes what has grown old. It finds that by walking through primary keys from the
-- oldest row on, so it needs no index by time, which every delivery would have to pay for.

-- Keys and aliases of events that retention deleted, held for ever: a delivery that is repeated years
-- later is still no new lead. Of a key the first 64 bits of a SHA-256 are enough (aliases hold
-- phones, which must not be kept); a row takes some 12 bytes.
create table gone_key (
    hash        integer primary key,
    provisional integer not null check (provisional in (0, 1))  -- of the event: its aliases tell
) strict;

-- A step is deleted, and its links stay: whoever deletes a step asks for them.
create index link_step on link (step_id);
