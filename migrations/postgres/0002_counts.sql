-- How many jobs there are in each state, kept by the database itself, so that the metrics need not
-- count a million finished jobs every few seconds. Counts start from what is there. Writers of jobs
-- follow one another (an advisory lock), so these rows are no place of contention.
create table job_count (
    state text    not null primary key,
    jobs  bigint  not null check (jobs >= 0)
) with (fillfactor = 10);

insert into job_count (state, jobs)
    values ('waiting', 0), ('deciding', 0), ('acted', 0), ('skipped', 0), ('incomplete', 0), ('stuck', 0);
update job_count set jobs = (select count(*) from job where job.state = job_count.state);

create function job_count_keep() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        update job_count set jobs = jobs - 1 where state = old.state;
    end if;
    if tg_op <> 'DELETE' then
        update job_count set jobs = jobs + 1 where state = new.state;
    end if;
    return null;
end
$$;

create trigger job_count_in after insert on job for each row execute function job_count_keep();
create trigger job_count_moved after update of state on job for each row
    when (new.state <> old.state) execute function job_count_keep();
create trigger job_count_out after delete on job for each row execute function job_count_keep();
