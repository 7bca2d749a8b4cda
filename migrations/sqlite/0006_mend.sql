-- What persons did to jobs, and what a replay needs to decide anew from what was kept.

-- Fact name → the question that was asked for it (`connection`, `name`, `input`): a replay takes a kept
-- fact only for the very same question. Null for decisions of versions that did not keep it.
alter table decision add column asked text;

-- A person's hand in a job: it goes with the job.
create table mend (
    id     integer primary key,
    job_id integer not null references job (id) on delete cascade,
    at     integer not null,
    what   text    not null check (what in ('retried', 'replayed', 'arrived', 'again')),
    step   text,                               -- of 'arrived' and 'again'
    why    text                                -- in the person's words
) strict;

create index mend_job on mend (job_id);
