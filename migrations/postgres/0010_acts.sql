-- A person may also end a job, with a word: `skipped` among what persons did to jobs.
alter table mend drop constraint mend_what_check;

alter table mend add constraint mend_what_check
    check (what in ('retried', 'replayed', 'arrived', 'again', 'skipped'));

-- Who it was; null of what was done before, and of commands.
alter table mend add column who text;

-- What was decided last of a flow, and what failed lately.
create index job_through on job (flow, id) where state in ('acted', 'skipped', 'incomplete', 'stuck');
create index attempt_failed on attempt (started) where result in ('later', 'refused', 'unknown');
