-- Who works at the console and the API, what they did, and which flows they started or stopped.

-- People. A password is kept as an argon2id hash (PHC string); nobody can read it back.
create table person (
    id       integer primary key,
    name     text    not null unique,          -- what is typed at login; lower case
    role     text    not null check (role in ('marketing', 'operator', 'admin')),
    password text    not null,
    created  integer not null,
    changed  integer not null,                 -- of the password, the role or the lock
    closed   integer                           -- since when they may not come in
) strict;

-- Sessions: of the cookie only the hash is kept, so that who reads the database cannot come in.
create table session (
    hash    text    not null primary key,      -- SHA-256 of the token, hex
    person  integer not null references person (id) on delete cascade,
    address text    not null,                  -- where the login came from
    created integer not null,
    seen    integer not null,
    until   integer not null
) strict, without rowid;

create index session_person on session (person);
create index session_until on session (until);

-- Tokens of the API, likewise as hashes.
create table api_token (
    id      integer primary key,
    name    text    not null,                  -- what it is for
    hash    text    not null unique,
    scopes  text    not null,                  -- JSON list: read, act, manage
    maker   text    not null,                  -- who made it
    created integer not null,
    until   integer,
    used    integer,
    revoked integer
) strict;

-- Logins that failed, to slow down who guesses. `key` is a hash of the name, of the address, or both.
create table login_failure (
    id  integer primary key,
    key text    not null,
    at  integer not null
) strict;

create index login_failure_key on login_failure (key, at);
create index login_failure_at on login_failure (at);

-- Every act of a person, for ever until retention: who, by which door, what, about what.
create table audit (
    id      integer primary key,
    at      integer not null,
    who     text    not null,
    door    text    not null check (door in ('console', 'api', 'command')),
    act     text    not null,                  -- login, retry, replay, flow.stop, person.add, …
    about   text    not null,                  -- job:17, flow:call-to-order, person:anna
    outcome text    not null,                  -- done, or why not
    detail  text    not null,                  -- JSON
    address text
) strict;

create index audit_act on audit (act, id);
create index audit_about on audit (about, id);
create index audit_who on audit (who, id);

-- Flows that a person started or stopped. It holds until the value in the configuration changes.
create table flow_switch (
    flow       text    not null primary key,
    running    integer not null check (running in (0, 1)),
    configured integer not null check (configured in (0, 1)), -- what config said then
    who        text    not null,
    why        text,
    at         integer not null
) strict, without rowid;
