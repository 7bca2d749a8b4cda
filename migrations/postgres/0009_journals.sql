-- The journals that the console shows, and hourly counts.

-- What is there already may be millions of rows.
set local statement_timeout = 0;

-- What was decided about a lead: the state of that job of its event that tells most; `waiting` also
-- while it is being decided. Kept by the database itself, whoever changes a job.
alter table lead add column outcome text not null default 'none' check (
    outcome in ('none', 'waiting', 'acted', 'skipped', 'incomplete', 'stuck'));

-- What the outcome of each lead is by now.
create view lead_outcome (lead, outcome) as
    select l.id, coalesce((
        select case held.state when 'deciding' then 'waiting' else held.state end from (
            select b.state, b.id from job b where b.event_id = (select k.event_id from lead_journal j join event_key k
                on k.connection = j.connection and k.key = j.kind || ':' || l.lead_id
                where j.id = l.journal)
            union all
            select b.state, b.id from job_event m join job b on b.id = m.job_id
                where m.event_id = (select k.event_id from lead_journal j join event_key k
                on k.connection = j.connection and k.key = j.kind || ':' || l.lead_id
                where j.id = l.journal)) as held
        order by case held.state when 'stuck' then 0 when 'waiting' then 1 when 'deciding' then 1 when 'acted' then 2 when 'incomplete' then 3 else 4 end, held.id desc limit 1), 'none')
    from lead l;

create function lead_outcome_job() returns trigger language plpgsql as $$
begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail
            where k.event_id in (select new.event_id union all select m.event_id from job_event m where m.job_id = new.id));
    return null;
end
$$;

create trigger lead_outcome_in after insert on job for each row execute function lead_outcome_job();
create trigger lead_outcome_moved after update of state, event_id on job for each row
    when (new.event_id <> old.event_id or new.state <> old.state
        and not (new.state in ('waiting', 'deciding') and old.state in ('waiting', 'deciding')))
    execute function lead_outcome_job();

create function lead_outcome_joined() returns trigger language plpgsql as $$
begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail
            where k.event_id in (select new.event_id));
    return null;
end
$$;

create trigger lead_outcome_joined after insert on job_event for each row
    execute function lead_outcome_joined();

-- An event learnt the key of a lead, or its keys moved to another event.
create function lead_outcome_key() returns trigger language plpgsql as $$
begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where lead_id = new.tail and journal in (select j.id from lead_journal j
            where j.connection = new.connection and new.key = j.kind || ':' || new.tail);
    return null;
end
$$;

create trigger lead_outcome_named after insert on event_key for each row
    execute function lead_outcome_key();
create trigger lead_outcome_renamed after update of event_id on event_key for each row
    execute function lead_outcome_key();

update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
    where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail);

-- The newest leads of all, of a journal, and of each value that people filter by.
drop index lead_at;
create index lead_at on lead (at, id);
create index lead_of on lead (journal, at, id);
create index lead_source on lead (source, at, id) where source is not null;
create index lead_medium on lead (medium, at, id) where medium is not null;
create index lead_campaign on lead (campaign, at, id) where campaign is not null;
create index lead_outcome_at on lead (outcome, at, id);

-- Hourly counts, and the same by the day (of UTC) for long spans: `width` is 3600000 or 86400000.
create table tally (
    measure    text    not null,
    width      bigint  not null,
    at         bigint  not null,               -- where the hour or day begins
    connection text    not null,
    a          text    not null,
    b          text    not null,
    unit       text    not null,               -- of money: its currency
    n          bigint  not null,
    sum        bigint  not null,               -- of money: hundredths
    primary key (measure, width, at, connection, a, b, unit)
);

-- What was counted and is not folded into `tally` yet. Rows are only added, each in the transaction of
-- what it counts, so that no two writers ever wait for the same row.
create table tally_delta (
    id         bigint generated by default as identity primary key,
    measure    text    not null,
    at         bigint  not null,
    connection text    not null,
    a          text    not null,
    b          text    not null,
    unit       text    not null,
    n          bigint  not null,
    sum        bigint  not null
);

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'leads', 3600000, l.at - l.at % 3600000, j.connection, j.kind, '', '', count(*), 0
    from lead l join lead_journal j on j.id = l.journal group by 3, 4, 5;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'leads', 86400000, l.at - l.at % 86400000, j.connection, j.kind, '', '', count(*), 0
    from lead l join lead_journal j on j.id = l.journal group by 3, 4, 5;

-- Deals as they are listed: what `entity` holds of them, flat, with the marks of their lead. Texts that
-- nobody told are empty. The row of a deal has the number of its entity, and goes with it.
create table deal (
    id         bigint  not null primary key references entity (id) on delete cascade,
    connection text    not null,
    deal_id    text    not null,
    number     text    not null,
    at         bigint  not null,               -- when the order was made, else the deal
    status     text    not null,
    revenue    text    not null,               -- decimal
    minor      bigint  not null,               -- the same in hundredths
    currency   text    not null,
    manager    text    not null,
    funnel     text    not null,
    source     text    not null,
    medium     text    not null,
    campaign   text    not null,
    lead_kind  text    not null,
    lead_id    text    not null,               -- of the lead that it is linked to
    linked     bigint  not null check (linked = 1 and lead_id <> '' or linked = 0 and lead_id = ''),
    changed    bigint  not null
);

insert into deal (id, connection, deal_id, number, at, status, revenue, minor, currency, manager,
        funnel, source, medium, campaign, lead_kind, lead_id, linked, changed)
    select h.id, h.connection, h.deal_id, h.number, h.made, h.status, h.revenue, h.minor, h.currency,
        h.manager, h.funnel, coalesce(l.source, h.source), coalesce(l.medium, h.medium),
        coalesce(l.campaign, h.campaign), h.lead_kind, h.lead_id,
        case h.lead_id when '' then 0 else 1 end, h.changed
    from (select e.id, e.connection, e.entity_id as deal_id, coalesce(e.number, '') as number, e.made,
            e.changed, coalesce(e.fields::json->>'status', '') as status,
            case when e.fields::json->>'revenue' ~ '^-?[0-9]{1,15}([.][0-9]+)?$' then e.fields::json->>'revenue' else '' end as revenue,
            case when e.fields::json->>'revenue' ~ '^-?[0-9]{1,15}([.][0-9]+)?$' then round((e.fields::json->>'revenue')::numeric * 100)::bigint else 0 end as minor,
            coalesce(e.fields::json->>'currency', '') as currency,
            coalesce(e.fields::json->>'manager', '') as manager, coalesce(e.fields::json->>'funnel', '') as funnel,
            coalesce(e.fields::json->>'source', '') as source, coalesce(e.fields::json->>'medium', '') as medium,
            coalesce(e.fields::json->>'campaign', '') as campaign,
            case when e.fields::json->>'call' is not null then 'call' when e.fields::json->>'request' is not null then 'request' when e.fields::json->>'chat' is not null then 'chat' else '' end as lead_kind,
            coalesce(e.fields::json->>'call', e.fields::json->>'request', e.fields::json->>'chat', '') as lead_id
        from entity e where e.kind = 'deal' and strpos(e.fields, '\u0000') = 0) as h
    left join lead_journal j on j.connection = h.connection and j.kind = h.lead_kind
    left join lead l on l.journal = j.id and l.lead_id = h.lead_id;

-- Of those that versions before have made: what was sent last of what was not kept.
update deal set currency = t.told from (
        select distinct on (e.id) e.id, s.input::json->>'currency' as told from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = s.input::json->>'id'
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and strpos(s.input, '\u0000') = 0
            and json_typeof(s.input::json->'currency') = 'string' order by e.id, s.id desc) as t
    where deal.id = t.id and deal.currency = '';
update deal set manager = t.told from (
        select distinct on (e.id) e.id, s.input::json->>'manager' as told from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = s.input::json->>'id'
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and strpos(s.input, '\u0000') = 0
            and json_typeof(s.input::json->'manager') = 'string' order by e.id, s.id desc) as t
    where deal.id = t.id and deal.manager = '';
update deal set at = t.told from (
        select distinct on (e.id) e.id, cast(extract(epoch from make_timestamptz(substr(s.input::json->>'orderDate', 1, 4)::int,
                substr(s.input::json->>'orderDate', 6, 2)::int, 1, substr(s.input::json->>'orderDate', 12, 2)::int, substr(s.input::json->>'orderDate', 15, 2)::int,
                substr(s.input::json->>'orderDate', 18, 2)::int, 'UTC')
                + (substr(s.input::json->>'orderDate', 9, 2)::int - 1) * interval '24 hours') as bigint) * 1000 as told from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = s.input::json->>'id'
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and strpos(s.input, '\u0000') = 0
            and s.input::json->>'orderDate' ~ '^20[0-9]{2}-(0[1-9]|1[0-2])-[0-3][0-9]T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?Z$' order by e.id, s.id desc) as t
    where deal.id = t.id;

create index deal_at on deal (at, id);
create index deal_connection on deal (connection, at, id);
create index deal_status on deal (status, at, id);
create index deal_source on deal (source, at, id);
create index deal_medium on deal (medium, at, id);
create index deal_campaign on deal (campaign, at, id);
create index deal_manager on deal (manager, at, id);
create index deal_funnel on deal (funnel, at, id);
create index deal_linked on deal (linked, at, id);
-- Found by what people type, and by its lead.
create index deal_id_typed on deal (deal_id);
create index deal_number on deal (number) where number <> '';
create index deal_lead on deal (lead_id, lead_kind, connection) where lead_id <> '';

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'deals', 3600000, at - at % 3600000, connection, case lead_id when '' then 'unlinked' else 'linked' end, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'deals', 86400000, at - at % 86400000, connection, case lead_id when '' then 'unlinked' else 'linked' end, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'source', 3600000, at - at % 3600000, connection, source, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'source', 86400000, at - at % 86400000, connection, source, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'campaign', 3600000, at - at % 3600000, connection, campaign, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'campaign', 86400000, at - at % 86400000, connection, campaign, '', currency,
        count(*), cast(sum(minor) as bigint) from deal group by 3, 4, 5, 7;

-- A deal is counted with what it brings; one that changes takes back what was counted before. One
-- that retention deletes stays counted.
create function deal_tally() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('deals', old.at - old.at % 3600000, old.connection, case old.lead_id when '' then 'unlinked' else 'linked' end, '', old.currency, -1, -old.minor),
        ('source', old.at - old.at % 3600000, old.connection, old.source, '', old.currency, -1, -old.minor),
        ('campaign', old.at - old.at % 3600000, old.connection, old.campaign, '', old.currency, -1, -old.minor);
    end if;
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('deals', new.at - new.at % 3600000, new.connection, case new.lead_id when '' then 'unlinked' else 'linked' end, '', new.currency, 1, new.minor),
        ('source', new.at - new.at % 3600000, new.connection, new.source, '', new.currency, 1, new.minor),
        ('campaign', new.at - new.at % 3600000, new.connection, new.campaign, '', new.currency, 1, new.minor);
    return null;
end
$$;

create trigger deal_tally_in after insert on deal for each row execute function deal_tally();
create trigger deal_tally_moved after update on deal for each row
    when (old.connection <> new.connection or old.at <> new.at or old.lead_id <> new.lead_id or old.source <> new.source or old.campaign <> new.campaign or old.currency <> new.currency or old.minor <> new.minor)
    execute function deal_tally();

-- Messages as they are listed: what people wrote and what was written to them, one row each.
create table message (
    id         bigint generated by default as identity primary key,
    connection text    not null,               -- of the messenger
    message_id text,                           -- its id there; null: it has none (yet)
    at         bigint  not null,
    direction  text    not null check (direction in ('in', 'out')),
    chat       text    not null,
    person     text    not null,               -- the messenger's id of them; empty: as the chat
    name       text    not null,
    contact    text    not null,               -- canonical: phone:+7…; empty: nobody told
    text       text    not null,               -- cut
    files      bigint  not null,
    state      text    not null check (state in ('received', 'waiting', 'queued', 'sent', 'delivered',
        'read', 'error', 'refused', 'unknown')),
    why        text,
    event      text    not null,               -- key of the event that brought or caused it
    source     text    not null,               -- the connection of that event
    step       bigint                         -- the step that sends it, while that is kept
);

create unique index message_known on message (connection, message_id) where message_id is not null;
create unique index message_step on message (step) where step is not null;
create index message_at on message (at, id);
create index message_connection on message (connection, at, id);
create index message_direction on message (direction, at, id);
create index message_state on message (state, at, id);
create index message_contact on message (contact, at, id) where contact <> '';
create index message_chat on message (chat, at, id);
create index message_person on message (person, at, id) where person <> '';
create index message_id_typed on message (message_id) where message_id is not null;

-- Those that are there already: what was sent, then what came; an echo is what was sent.
insert into message (connection, message_id, at, direction, chat, person, name, contact, text, files,
        state, why, event, source, step)
    select s.connection, case s.state when 'done' then coalesce(s.output, '{}')::json->>'id' end, s.created, 'out',
        coalesce(s.input::json->>'chat', ''), '', '', case when coalesce(s.input::json->>'phone', '') like '+%' then 'phone:' || coalesce(s.input::json->>'phone', '') when coalesce(s.input::json->>'phone', '') like '7%' then 'phone:+' || coalesce(s.input::json->>'phone', '') when coalesce(s.input::json->>'email', '') like '_%@_%' then 'email:' || lower(trim(coalesce(s.input::json->>'email', ''))) else '' end,
        case coalesce(s.input::json->>'text', '') when '' then left(coalesce(s.input::json->>'caption', ''), 500) else left(coalesce(s.input::json->>'text', ''), 500) end,
        case s.operation when 'file.send' then 1 else 0 end,
        case s.state when 'done' then coalesce((select n.fields::json->>'state' from entity n
            where n.connection = s.connection and n.kind = 'message'
            and n.entity_id = coalesce(s.output, '{}')::json->>'id'
            and n.fields::json->>'state' in ('queued', 'sent', 'delivered', 'read', 'error')), 'sent')
            when 'running' then 'waiting' else s.state end,
        null, e.key, e.connection, s.id
    from step s join job j on j.id = s.job_id join event e on e.id = j.event_id
    where s.operation in ('message.send', 'file.send')
        and s.state in ('waiting', 'running', 'done', 'refused', 'unknown')
        and strpos(s.input, '\u0000') = 0
        and strpos(coalesce(s.output, '{}'), '\u0000') = 0
    on conflict do nothing;
insert into message (connection, message_id, at, direction, chat, person, name, contact, text, files,
        state, why, event, source)
    select e.connection, e.fields::json->>'id', e.registered, case when e.fields::json->>'own' = 'true' then 'out' else 'in' end,
        coalesce(e.fields::json->>'chat', ''), coalesce(e.fields::json->>'sender', ''), coalesce(e.fields::json->>'name', ''),
        case when coalesce(e.fields::json->>'phone', '') like '+%' then 'phone:' || coalesce(e.fields::json->>'phone', '') when coalesce(e.fields::json->>'phone', '') like '7%' then 'phone:+' || coalesce(e.fields::json->>'phone', '') when coalesce(e.fields::json->>'email', '') like '_%@_%' then 'email:' || lower(trim(coalesce(e.fields::json->>'email', ''))) else '' end, left(coalesce(e.fields::json->>'text', ''), 500), case json_typeof(e.fields::json->'files') when 'array' then json_array_length(e.fields::json->'files') else 0 end,
        case when e.fields::json->>'own' = 'true' then 'sent' else 'received' end, null, e.key, e.connection
    from event e
    where e.kind = 'message.received' and e.same_as is null
        and strpos(e.fields, '\u0000') = 0
        and e.fields::json->>'id' is not null
    on conflict do nothing;

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'messages', 3600000, at - at % 3600000, connection, direction, '', '', count(*), 0
    from message where direction = 'in' or state not in ('waiting', 'refused', 'unknown')
    group by 3, 4, 5;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'messages', 86400000, at - at % 86400000, connection, direction, '', '', count(*), 0
    from message where direction = 'in' or state not in ('waiting', 'refused', 'unknown')
    group by 3, 4, 5;

create function message_tally() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and (old.direction = 'in' or old.state not in ('waiting', 'refused', 'unknown')) then
        insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('messages', old.at - old.at % 3600000, old.connection, old.direction, '', '', -1, 0);
    end if;
    if new.direction = 'in' or new.state not in ('waiting', 'refused', 'unknown') then
        insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('messages', new.at - new.at % 3600000, new.connection, new.direction, '', '', 1, 0);
    end if;
    return null;
end
$$;

create trigger message_tally_in after insert on message for each row execute function message_tally();
create trigger message_tally_moved after update on message for each row
    when (old.at <> new.at or old.direction <> new.direction or old.state <> new.state)
    execute function message_tally();

-- How a step ended tells how its message did. A step that was given up is planned anew, as another
-- step, which takes the message over: until then it waits. One of which a person does not want to know
-- any more whether it went out stays unknown.
create function message_follow() returns trigger language plpgsql as $$
begin
    update message set state = case when new.state = 'done' then 'sent'
            when new.state in ('running', 'skipped', 'absent') then 'waiting' else new.state end
        where step = new.id and state in ('waiting', 'refused', 'unknown');
    return null;
end
$$;

create trigger message_follow after update of state on step for each row
    when (new.state <> old.state and new.operation in ('message.send', 'file.send')
        and not (old.state = 'unknown' and new.state = 'skipped'))
    execute function message_follow();

-- A job is through, and a message that it planned was not sent: with a reason it stays and tells it;
-- without one it was decided that it is not sent. Of a parked job it waits.
create function message_given_up() returns trigger language plpgsql as $$
declare
    given_up bigint[];
begin
    select array_agg(s.id) into given_up from step s where s.job_id = new.id
        and s.operation in ('message.send', 'file.send') and s.state in ('skipped', 'absent');
    if given_up is null then
        return null;
    end if;
    if new.why is not null then
        update message set state = case new.state when 'stuck' then 'waiting' else 'refused' end,
                why = case new.state when 'stuck' then coalesce(why, new.why) else new.why end
            where step = any(given_up) and state = 'waiting';
    elsif new.state <> 'stuck' then
        delete from message where step = any(given_up) and state = 'waiting';
    end if;
    return null;
end
$$;

create trigger message_given_up after update of state on job for each row
    when (new.state <> old.state and new.state in ('acted', 'skipped', 'incomplete', 'stuck'))
    execute function message_given_up();
