-- How many jobs there are in each state, kept by the database itself, so that the metrics need not
-- count a million finished jobs every few seconds. Counts start from what is there.
create table job_count (
    state text    not null primary key,
    jobs  integer not null check (jobs >= 0)
) strict, without rowid;

insert into job_count (state, jobs)
    values ('waiting', 0), ('deciding', 0), ('acted', 0), ('skipped', 0), ('incomplete', 0), ('stuck', 0);
update job_count set jobs = (select count(*) from job where job.state = job_count.state);

create trigger job_count_in after insert on job begin
    update job_count set jobs = jobs + 1 where state = new.state;
end;

create trigger job_count_moved after update of state on job when new.state <> old.state begin
    update job_count set jobs = jobs - 1 where state = old.state;
    update job_count set jobs = jobs + 1 where state = new.state;
end;

create trigger job_count_out after delete on job begin
    update job_count set jobs = jobs - 1 where state = old.state;
end;
