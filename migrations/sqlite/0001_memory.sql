-- The memory of leadlink, first shape.
--
-- Rules of this folder: times are INTEGER, milliseconds since 1970 UTC, and come from the program,
-- never from the database; JSON is TEXT; states are TEXT with a check; nothing is deleted but by
-- retention. Tables and columns have the same names on PostgreSQL.

-- Inbox: what came in, byte for byte. A second delivery under the same key changes nothing.
create table raw (
    id           integer primary key,
    connection   text    not null,
    channel      text    not null,             -- 'hook', or the feed that was polled
    content_type text    not null,
    body         blob    not null,
    dedupe_key   text    not null,
    received     integer not null,
    state        text    not null default 'new' check (state in ('new', 'routed', 'unreadable')),
    why          text,                         -- why it is unreadable
    routed       integer,
    unique (connection, dedupe_key)
) strict;

-- Only rows that wait are in here, so that the router finds them however long the inbox grows.
create index raw_new on raw (id) where state = 'new';
create index raw_unreadable on raw (id) where state = 'unreadable';

-- Events: normalized facts, merged from all their deliveries.
create table event (
    id          integer primary key,
    connection  text    not null,
    kind        text    not null,
    key         text    not null,
    aliases     text    not null,              -- JSON list, in the order in which they were learnt
    provisional integer not null check (provisional in (0, 1)),
    registered  integer not null,
    fields      text    not null,
    same_as     integer references event (id), -- this turned out to be that one; its keys moved there
    first_seen  integer not null,
    changed     integer not null
) strict;

create index event_same on event (same_as);

-- Every key and alias of an event, held for ever. `tail` is what stands behind the first colon: the
-- bare id that a person types.
create table event_key (
    connection text    not null,
    key        text    not null,
    tail       text    not null,
    event_id   integer not null references event (id),
    primary key (connection, key)
) strict, without rowid;

create index event_key_event on event_key (event_id);
create index event_key_key on event_key (key);
create index event_key_tail on event_key (tail);

-- Which deliveries carried which event.
create table raw_event (
    raw_id   integer not null references raw (id),
    event_id integer not null references event (id),
    primary key (raw_id, event_id)
) strict, without rowid;

create index raw_event_event on raw_event (event_id);

-- Jobs: decide flow F for event E at time `due`.
create table job (
    id          integer primary key,
    flow        text    not null,
    event_id    integer not null references event (id),
    merge_key   text    not null,
    registered  integer not null,
    due         integer not null,
    first_due   integer,                       -- due time when it was first claimed
    state       text    not null check (
        state in ('waiting', 'deciding', 'acted', 'skipped', 'incomplete', 'stuck')),
    -- 1: it waits and may be claimable; the claim looks whether it is. 0 while it waits: surely not,
    -- since a lane of it is held by another job or has an earlier job; whoever frees a lane sets 1 for
    -- the first waiting job of that lane. Thus a lane with ten thousand jobs costs a claim one look,
    -- not ten thousand.
    ready       integer not null check (ready in (0, 1)),
    tries       integer not null default 0,
    first_tried integer,
    epoch       integer not null default 0,    -- grows with every claim: the fence
    claimed     integer,
    lease_owner text,
    lease_until integer,
    why         text,
    created     integer not null,
    changed     integer not null,
    check (ready = 0 or state = 'waiting'),
    check ((state = 'deciding') = (lease_owner is not null)),
    check ((lease_owner is null) = (lease_until is null))
) strict;

-- The claim walks each flow in due order; the flows themselves are found by skipping through it.
create index job_ready on job (flow, due, registered, id) where ready = 1;
-- Several events, one decision: among jobs that wait and were never started.
create unique index job_merge on job (flow, merge_key) where state = 'waiting' and epoch = 0;
create index job_event_id on job (event_id);
-- Counts by state, and the oldest due of those not decided.
create index job_state on job (state, due);

-- Events that were merged into a job that already waited.
create table job_event (
    job_id   integer not null references job (id),
    event_id integer not null references event (id),
    primary key (event_id, job_id)
) strict, without rowid;

create index job_event_job on job_event (job_id);

-- The lanes of a job. While it waits, `due` and `registered` repeat the job's, so that the order
-- within a lane is one index; otherwise `due` is null. `contact` is what stands behind the last bar.
create table job_lane (
    job_id     integer not null references job (id),
    lane       text    not null,
    contact    text    not null,
    due        integer,
    registered integer not null,
    primary key (job_id, lane)
) strict, without rowid;

create index job_lane_order on job_lane (lane, due, registered, job_id) where due is not null;
create index job_lane_contact on job_lane (contact, job_id);

-- Who has a lane. The primary key is what makes two holders impossible.
create table lane_hold (
    lane   text    not null primary key,
    job_id integer not null references job (id)
) strict, without rowid;

create index lane_hold_job on lane_hold (job_id);

-- Decisions, stored whole: the event and the facts as they were, the flow as it was, the reasons.
create table decision (
    id        integer primary key,
    job_id    integer not null references job (id),
    epoch     integer not null,
    event     text    not null,                -- fields of the event when it was decided
    facts     text    not null,
    flow_hash text    not null,
    decision  text    not null,
    created   integer not null
) strict;

create index decision_job on decision (job_id);

-- Steps of plans. `input` has its holes filled once the step has run.
create table step (
    id          integer primary key,
    decision_id integer not null references decision (id),
    job_id      integer not null references job (id),
    position    integer not null,
    name        text    not null,
    connection  text    not null,
    operation   text    not null,
    input       text    not null,
    key         text    not null,
    state       text    not null check (
        state in ('waiting', 'running', 'done', 'refused', 'unknown', 'absent', 'skipped')),
    output      text,
    started     integer,
    looks       integer not null default 0,
    created     integer not null
) strict;

create index step_job on step (job_id, position);
create index step_decision on step (decision_id, position);
create index step_unknown on step (id) where state = 'unknown';

-- What was tried for a step, and every look after an unknown outcome.
create table attempt (
    id      integer primary key,
    step_id integer not null references step (id),
    started integer not null,
    ended   integer,
    result  text,                              -- done, later, refused, unknown, look: found, look: absent
    why     text
) strict;

create index attempt_step on attempt (step_id);

-- This lead is that order: pairs of foreign ids, written with the step that made them.
create table link (
    id              integer primary key,
    to_connection   text    not null,
    to_kind         text    not null,
    from_kind       text    not null,
    from_id         text    not null,
    from_connection text    not null,
    to_id           text    not null,
    made            integer not null,
    step_id         integer references step (id),
    unique (to_connection, to_kind, from_kind, from_id, from_connection, to_id)
) strict;

create index link_to on link (to_id);
create index link_from on link (from_connection, from_id);

-- How far a poll has read. It moves in the transaction that stores what was read.
create table cursor (
    connection text    not null,
    feed       text    not null,
    position   text    not null,
    moved      integer not null,
    primary key (connection, feed)
) strict, without rowid;

-- When a connection was first started: leads registered before that make no jobs.
create table connection_start (
    connection text    not null primary key,
    started    integer not null
) strict, without rowid;

-- Requests that other processes leave for the daemon. One that was taken is never taken again: a
-- message sent twice is worse than a command that a person repeats.
create table command (
    id       integer primary key,
    kind     text    not null,
    body     text    not null,
    answer   text,
    created  integer not null,
    taken    integer,
    answered integer
) strict;

create index command_left on command (id) where taken is null;

-- The row that a readiness probe writes, to know that writing works.
create table probe (
    id integer not null primary key check (id = 1),
    at integer not null
) strict, without rowid;
