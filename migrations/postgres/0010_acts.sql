-- A person may also end a job, with a word: `skipped` among what persons did to jobs.
alter table mend drop constraint mend_what_check;

alter table mend add constraint mend_what_check
    check (what in ('retried', 'replayed', 'arrived', 'again', 'skipped'));
