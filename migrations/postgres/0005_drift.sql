-- What the last look for drift found: references and rights of a far side that are no longer as the
-- flows use them.
create table drift (
    connection text   not null primary key,
    looked     bigint not null,
    problems   text   not null,                -- JSON list, as `check --json` has them
    seen       text   not null                 -- JSON: what the next look compares with
);

-- Jobs that wait to be tried again, for the counts of each flow. Those that wait for their first
-- time are found by `job_merge`.
create index job_again on job (flow) where state = 'waiting' and epoch > 0;
