-- A person may also end a job, with a word: `skipped` among what persons did to jobs. SQLite cannot
-- widen a check, so the table is made anew; it holds few rows.
create table mend_wider (
    id     integer primary key,
    job_id integer not null references job (id) on delete cascade,
    at     integer not null,
    what   text    not null check (what in ('retried', 'replayed', 'arrived', 'again', 'skipped')),
    step   text,                               -- of 'arrived' and 'again'
    who    text,                               -- null of what was done before, and of commands
    why    text                                -- in the person's words
) strict;

insert into mend_wider (id, job_id, at, what, step, why)
    select id, job_id, at, what, step, why from mend;

drop table mend;

alter table mend_wider rename to mend;

create index mend_job on mend (job_id);

-- What was decided last of a flow, and what failed lately.
create index job_through on job (flow, id) where state in ('acted', 'skipped', 'incomplete', 'stuck');
create index attempt_failed on attempt (started) where result in ('later', 'refused', 'unknown');
