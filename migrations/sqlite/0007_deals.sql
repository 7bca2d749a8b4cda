-- The journal of leads, what we remember of foreign things, and backfills.

-- A person asked for the event (backfill, reconciliation): it is due at once.
alter table event add column asked integer not null default 0 check (asked in (0, 1));
-- The same of a job: any of its events is so. Those that are not through are counted, to go on with
-- asking no faster than they are decided.
alter table job add column asked integer not null default 0 check (asked in (0, 1));

create index job_asked on job (asked, state) where asked = 1 and state in ('waiting', 'deciding');

-- What we last wrote to a foreign thing (a deal), or learnt of its end (an order).
create table entity (
    id         integer primary key,
    connection text    not null,
    kind       text    not null,
    entity_id  text    not null,
    fields     text    not null,               -- JSON
    number     text,                           -- what people call it
    made       integer not null,
    changed    integer not null,
    gone       integer,                        -- when it was deleted or merged over there
    became     text,                           -- the id of what it was merged into
    unique (connection, kind, entity_id)
) strict;

create index entity_number on entity (number, changed) where number is not null;
create index entity_gone on entity (connection, kind, gone) where gone is not null;

-- The journals of leads, and of which stretch of time each is known to its end.
create table lead_journal (
    id         integer primary key,
    connection text    not null,
    kind       text    not null,               -- call, request, chat
    since      integer,
    until      integer,
    unique (connection, kind),
    check ((since is null) = (until is null))
) strict;

create table lead (
    id       integer primary key,
    journal  integer not null references lead_journal (id),
    lead_id  text    not null,
    at       integer not null,
    seen     integer not null,                 -- 1 by webhook, 2 by journal, 4 by backfill; summed
    source   text,
    medium   text,
    campaign text,
    unique (journal, lead_id)
) strict;

-- Counts over a stretch of time, and what has grown old: a backfill brings old leads late.
create index lead_at on lead (at, journal);

-- Found by one look: the person, the journal, the time.
create table lead_contact (
    contact text    not null,                  -- phone:+7…, email:…
    journal integer not null,
    at      integer not null,
    lead    integer not null references lead (id),
    primary key (contact, journal, at, lead)
) strict, without rowid;

create index lead_contact_lead on lead_contact (lead);

-- What a person asked to be read from the past.
create table backfill (
    id         integer primary key,
    what       text    not null check (what in ('leads', 'deals')),
    connection text    not null,
    first      text    not null,               -- days, in the account's zone
    last       text    not null,
    position   text    not null,               -- JSON: where it goes on
    done       integer not null default 0,
    total      integer,
    requests   integer not null default 0,
    state      text    not null check (state in ('running', 'done', 'stopped', 'failed')),
    why        text,
    created    integer not null,
    changed    integer not null
) strict;

create unique index backfill_running on backfill (what, connection) where state = 'running';
