-- Processes, who owns which connection, how connections do, and chores by the clock. On SQLite one
-- process owns all; the same tables let `leadlink status` tell of it from beside.

-- The processes that share this database, each under the name that stands in its leases.
create table replica (
    owner   text    not null primary key,
    version text    not null,
    listen  text    not null,
    started integer not null,
    seen    integer not null,                  -- its last sign of life
    loaded  integer not null,                  -- when the config and flows that it runs were read
    connections text not null,                 -- JSON: which it is set up to own, and the flows it knows
    heard   integer not null,                  -- the last call to all (a command) that it has acted upon
    trouble text                               -- why the last reload was refused
) strict, without rowid;

-- Who polls a connection and writes to it. `epoch` grows with every change of hands.
create table connection_owner (
    connection  text    not null primary key,
    owner       text,                          -- null: nobody
    epoch       integer not null default 0,
    lease_until integer not null default 0
) strict, without rowid;

-- How a connection does, as its owner sees it.
create table connection_state (
    connection text    not null primary key,
    state      text    not null check (state in ('setting up', 'ready', 'paused')),
    why        text,
    since      integer not null,
    answered   integer,                        -- the last proper answer
    seen       integer not null                -- when this was written
) strict, without rowid;

-- Chores by the clock (retention and the like): each runs once for all processes, and one that is
-- overdue runs whatever the scheduler does.
create table chore (
    name       text    not null primary key,
    last_run   integer,                        -- when the last run that ended was due
    owner      text,                           -- who runs it now
    until      integer,                        -- and until when it is theirs
    report     text                            -- JSON: what the last run did
) strict, without rowid;

-- Replays walk decisions by time.
create index decision_created on decision (created, id);
