-- The journals that the console shows, and hourly counts.

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

create trigger lead_outcome_in after insert on job begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail
            where k.event_id in (select new.event_id union all select m.event_id from job_event m where m.job_id = new.id));
end;

create trigger lead_outcome_moved after update of state, event_id on job
    when (new.event_id <> old.event_id or new.state <> old.state
        and not (new.state in ('waiting', 'deciding') and old.state in ('waiting', 'deciding'))) begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail
            where k.event_id in (select new.event_id union all select m.event_id from job_event m where m.job_id = new.id));
end;

create trigger lead_outcome_joined after insert on job_event begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail
            where k.event_id in (new.event_id));
end;

-- An event learnt the key of a lead, or its keys moved to another event.
create trigger lead_outcome_named after insert on event_key begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where lead_id = new.tail and journal in (select j.id from lead_journal j
            where j.connection = new.connection and new.key = j.kind || ':' || new.tail);
end;

create trigger lead_outcome_renamed after update of event_id on event_key begin
    update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
        where lead_id = new.tail and journal in (select j.id from lead_journal j
            where j.connection = new.connection and new.key = j.kind || ':' || new.tail);
end;

update lead set outcome = (select o.outcome from lead_outcome o where o.lead = lead.id)
    where id in (select l.id from event_key k
            join lead_journal j on j.connection = k.connection and k.key = j.kind || ':' || k.tail
            join lead l on l.journal = j.id and l.lead_id = k.tail);

-- The newest leads of all, of a journal, and of each value that people filter by.
drop index lead_at;
-- (The row's number is the last column of every index here.)
create index lead_at on lead (at);
create index lead_of on lead (journal, at);
create index lead_source on lead (source, at) where source is not null;
create index lead_medium on lead (medium, at) where medium is not null;
create index lead_campaign on lead (campaign, at) where campaign is not null;
create index lead_outcome_at on lead (outcome, at);

-- Hourly counts, and the same by the day (of UTC) for long spans: `width` is 3600000 or 86400000.
create table tally (
    measure    text    not null,
    width      integer not null,
    at         integer not null,               -- where the hour or day begins
    connection text    not null,
    a          text    not null,
    b          text    not null,
    unit       text    not null,               -- of money: its currency
    n          integer not null,
    sum        integer not null,               -- of money: hundredths
    primary key (measure, width, at, connection, a, b, unit)
) strict, without rowid;

-- What was counted and is not folded into `tally` yet. Rows are only added, each in the transaction of
-- what it counts, so that no two writers ever wait for the same row.
create table tally_delta (
    id         integer primary key,
    measure    text    not null,
    at         integer not null,
    connection text    not null,
    a          text    not null,
    b          text    not null,
    unit       text    not null,
    n          integer not null,
    sum        integer not null
) strict;

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'leads', 3600000, l.at - l.at % 3600000, j.connection, j.kind, '', '', count(*), 0
    from lead l join lead_journal j on j.id = l.journal group by 3, 4, 5;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'leads', 86400000, l.at - l.at % 86400000, j.connection, j.kind, '', '', count(*), 0
    from lead l join lead_journal j on j.id = l.journal group by 3, 4, 5;

-- Deals as they are listed: what `entity` holds of them, flat, with the marks of their lead. Texts that
-- nobody told are empty. The row of a deal has the number of its entity, and goes with it.
create table deal (
    id         integer not null primary key references entity (id) on delete cascade,
    connection text    not null,
    deal_id    text    not null,
    number     text    not null,
    at         integer not null,               -- when the order was made, else the deal
    status     text    not null,
    revenue    text    not null,               -- decimal
    minor      integer not null,               -- the same in hundredths
    currency   text    not null,
    manager    text    not null,
    funnel     text    not null,
    source     text    not null,
    medium     text    not null,
    campaign   text    not null,
    lead_kind  text    not null,
    lead_id    text    not null,               -- of the lead that it is linked to
    linked     integer not null check (linked = 1 and lead_id <> '' or linked = 0 and lead_id = ''),
    changed    integer not null
) strict;

insert into deal (id, connection, deal_id, number, at, status, revenue, minor, currency, manager,
        funnel, source, medium, campaign, lead_kind, lead_id, linked, changed)
    select h.id, h.connection, h.deal_id, h.number, h.made, h.status, h.revenue, h.minor, h.currency,
        h.manager, h.funnel, coalesce(l.source, h.source), coalesce(l.medium, h.medium),
        coalesce(l.campaign, h.campaign), h.lead_kind, h.lead_id,
        case h.lead_id when '' then 0 else 1 end, h.changed
    from (select e.id, e.connection, e.entity_id as deal_id, coalesce(e.number, '') as number, e.made,
            e.changed, coalesce(e.fields->>'status', '') as status,
            coalesce(e.fields->>'revenue', '') as revenue,
            coalesce(cast(round(cast(e.fields->>'revenue' as real) * 100) as integer), 0) as minor,
            coalesce(e.fields->>'currency', '') as currency,
            coalesce(e.fields->>'manager', '') as manager, coalesce(e.fields->>'funnel', '') as funnel,
            coalesce(e.fields->>'source', '') as source, coalesce(e.fields->>'medium', '') as medium,
            coalesce(e.fields->>'campaign', '') as campaign,
            case when e.fields->>'call' is not null then 'call' when e.fields->>'request' is not null then 'request' when e.fields->>'chat' is not null then 'chat' else '' end as lead_kind,
            coalesce(e.fields->>'call', e.fields->>'request', e.fields->>'chat', '') as lead_id
        from entity e where e.kind = 'deal') as h
    left join lead_journal j on j.connection = h.connection and j.kind = h.lead_kind
    left join lead l on l.journal = j.id and l.lead_id = h.lead_id;

-- Of those that versions before have made: what was sent last of what was not kept.
update deal set currency = t.told from (
        select e.id, s.input->>'currency' as told, max(s.id) from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = cast(s.input->>'id' as text)
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and json_type(s.input, '$.currency') = 'text' group by e.id) as t
    where deal.id = t.id and deal.currency = '';
update deal set manager = t.told from (
        select e.id, s.input->>'manager' as told, max(s.id) from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = cast(s.input->>'id' as text)
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and json_type(s.input, '$.manager') = 'text' group by e.id) as t
    where deal.id = t.id and deal.manager = '';
update deal set at = t.told from (
        select e.id, cast(strftime('%s', s.input->>'orderDate') as integer) * 1000 as told, max(s.id)
        from step s
        join entity e on e.connection = s.connection and e.kind = 'deal'
            and e.entity_id = cast(s.input->>'id' as text)
        where s.operation in ('deal.create', 'deal.update') and s.state = 'done'
            and json_type(s.input, '$.orderDate') = 'text'
            and strftime('%s', s.input->>'orderDate') is not null group by e.id) as t
    where deal.id = t.id;

create index deal_at on deal (at);
create index deal_connection on deal (connection, at);
create index deal_status on deal (status, at);
create index deal_source on deal (source, at);
create index deal_medium on deal (medium, at);
create index deal_campaign on deal (campaign, at);
create index deal_manager on deal (manager, at);
create index deal_funnel on deal (funnel, at);
create index deal_linked on deal (linked, at);
-- Found by what people type, and by its lead.
create index deal_id_typed on deal (deal_id);
create index deal_number on deal (number) where number <> '';
create index deal_lead on deal (lead_id, lead_kind, connection) where lead_id <> '';

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'deals', 3600000, at - at % 3600000, connection, case lead_id when '' then 'unlinked' else 'linked' end, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'deals', 86400000, at - at % 86400000, connection, case lead_id when '' then 'unlinked' else 'linked' end, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'source', 3600000, at - at % 3600000, connection, source, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'source', 86400000, at - at % 86400000, connection, source, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'campaign', 3600000, at - at % 3600000, connection, campaign, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'campaign', 86400000, at - at % 86400000, connection, campaign, '', currency,
        count(*), sum(minor) from deal group by 3, 4, 5, 7;

-- A deal is counted with what it brings; one that changes takes back what was counted before. One
-- that retention deletes stays counted.
create trigger deal_tally_in after insert on deal begin
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('deals', new.at - new.at % 3600000, new.connection, case new.lead_id when '' then 'unlinked' else 'linked' end, '', new.currency, 1, new.minor),
        ('source', new.at - new.at % 3600000, new.connection, new.source, '', new.currency, 1, new.minor),
        ('campaign', new.at - new.at % 3600000, new.connection, new.campaign, '', new.currency, 1, new.minor);
end;

create trigger deal_tally_moved after update on deal
    when old.connection <> new.connection or old.at <> new.at or old.lead_id <> new.lead_id or old.source <> new.source or old.campaign <> new.campaign or old.currency <> new.currency or old.minor <> new.minor begin
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('deals', old.at - old.at % 3600000, old.connection, case old.lead_id when '' then 'unlinked' else 'linked' end, '', old.currency, -1, -old.minor),
        ('source', old.at - old.at % 3600000, old.connection, old.source, '', old.currency, -1, -old.minor),
        ('campaign', old.at - old.at % 3600000, old.connection, old.campaign, '', old.currency, -1, -old.minor),
        ('deals', new.at - new.at % 3600000, new.connection, case new.lead_id when '' then 'unlinked' else 'linked' end, '', new.currency, 1, new.minor),
        ('source', new.at - new.at % 3600000, new.connection, new.source, '', new.currency, 1, new.minor),
        ('campaign', new.at - new.at % 3600000, new.connection, new.campaign, '', new.currency, 1, new.minor);
end;

-- Messages as they are listed: what people wrote and what was written to them, one row each.
create table message (
    id         integer primary key,
    connection text    not null,               -- of the messenger
    message_id text,                           -- its id there; null: it has none (yet)
    at         integer not null,
    direction  text    not null check (direction in ('in', 'out')),
    chat       text    not null,
    person     text    not null,               -- the messenger's id of them; empty: as the chat
    name       text    not null,
    contact    text    not null,               -- canonical: phone:+7…; empty: nobody told
    text       text    not null,               -- cut
    files      integer not null,
    state      text    not null check (state in ('received', 'waiting', 'queued', 'sent', 'delivered',
        'read', 'error', 'refused', 'unknown')),
    why        text,
    event      text    not null,               -- key of the event that brought or caused it
    source     text    not null,               -- the connection of that event
    step       integer                        -- the step that sends it, while that is kept
) strict;

create unique index message_known on message (connection, message_id) where message_id is not null;
create unique index message_step on message (step) where step is not null;
create index message_at on message (at);
create index message_connection on message (connection, at);
create index message_direction on message (direction, at);
create index message_state on message (state, at);
create index message_contact on message (contact, at) where contact <> '';
create index message_chat on message (chat, at);
create index message_person on message (person, at) where person <> '';
create index message_id_typed on message (message_id) where message_id is not null;

-- Those that are there already: what was sent, then what came; an echo is what was sent.
insert into message (connection, message_id, at, direction, chat, person, name, contact, text, files,
        state, why, event, source, step)
    select s.connection, case s.state when 'done' then coalesce(s.output, '{}')->>'id' end, s.created, 'out',
        coalesce(s.input->>'chat', ''), '', '', case when coalesce(s.input->>'phone', '') like '+%' then 'phone:' || coalesce(s.input->>'phone', '') when coalesce(s.input->>'phone', '') like '7%' then 'phone:+' || coalesce(s.input->>'phone', '') when coalesce(s.input->>'email', '') like '_%@_%' then 'email:' || lower(trim(coalesce(s.input->>'email', ''))) else '' end,
        case coalesce(s.input->>'text', '') when '' then substr(coalesce(s.input->>'caption', ''), 1, 500) else substr(coalesce(s.input->>'text', ''), 1, 500) end,
        case s.operation when 'file.send' then 1 else 0 end,
        case s.state when 'done' then coalesce((select n.fields->>'state' from entity n
            where n.connection = s.connection and n.kind = 'message'
            and n.entity_id = coalesce(s.output, '{}')->>'id'
            and n.fields->>'state' in ('queued', 'sent', 'delivered', 'read', 'error')), 'sent')
            when 'running' then 'waiting' else s.state end,
        null, e.key, e.connection, s.id
    from step s join job j on j.id = s.job_id join event e on e.id = j.event_id
    where s.operation in ('message.send', 'file.send')
        and s.state in ('waiting', 'running', 'done', 'refused', 'unknown')
    on conflict do nothing;
insert into message (connection, message_id, at, direction, chat, person, name, contact, text, files,
        state, why, event, source)
    select e.connection, e.fields->>'id', e.registered, case when coalesce(e.fields->>'own', 0) = 1 then 'out' else 'in' end,
        coalesce(e.fields->>'chat', ''), coalesce(e.fields->>'sender', ''), coalesce(e.fields->>'name', ''),
        case when coalesce(e.fields->>'phone', '') like '+%' then 'phone:' || coalesce(e.fields->>'phone', '') when coalesce(e.fields->>'phone', '') like '7%' then 'phone:+' || coalesce(e.fields->>'phone', '') when coalesce(e.fields->>'email', '') like '_%@_%' then 'email:' || lower(trim(coalesce(e.fields->>'email', ''))) else '' end, substr(coalesce(e.fields->>'text', ''), 1, 500), coalesce(json_array_length(e.fields, '$.files'), 0),
        case when coalesce(e.fields->>'own', 0) = 1 then 'sent' else 'received' end, null, e.key, e.connection
    from event e
    where e.kind = 'message.received' and e.same_as is null
        and e.fields->>'id' is not null
    on conflict do nothing;

insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'messages', 3600000, at - at % 3600000, connection, direction, '', '', count(*), 0
    from message where direction = 'in' or state not in ('waiting', 'refused', 'unknown')
    group by 3, 4, 5;
insert into tally (measure, width, at, connection, a, b, unit, n, sum)
    select 'messages', 86400000, at - at % 86400000, connection, direction, '', '', count(*), 0
    from message where direction = 'in' or state not in ('waiting', 'refused', 'unknown')
    group by 3, 4, 5;

create trigger message_tally_in after insert on message when (new.direction = 'in' or new.state not in ('waiting', 'refused', 'unknown')) begin
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('messages', new.at - new.at % 3600000, new.connection, new.direction, '', '', 1, 0);
end;

create trigger message_tally_moved after update on message
    when (old.at <> new.at or old.direction <> new.direction or old.state <> new.state)
    and (new.direction = 'in' or new.state not in ('waiting', 'refused', 'unknown')) begin
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('messages', new.at - new.at % 3600000, new.connection, new.direction, '', '', 1, 0);
end;

create trigger message_tally_left after update on message
    when (old.at <> new.at or old.direction <> new.direction or old.state <> new.state)
    and (old.direction = 'in' or old.state not in ('waiting', 'refused', 'unknown')) begin
    insert into tally_delta (measure, at, connection, a, b, unit, n, sum) values
        ('messages', old.at - old.at % 3600000, old.connection, old.direction, '', '', -1, 0);
end;

-- How a step ended tells how its message did. A step that was given up is planned anew, as another
-- step, which takes the message over: until then it waits. One of which a person does not want to know
-- any more whether it went out stays unknown.
create trigger message_follow after update of state on step
    when new.state <> old.state and new.operation in ('message.send', 'file.send')
    and not (old.state = 'unknown' and new.state = 'skipped') begin
    update message set state = case when new.state = 'done' then 'sent'
            when new.state in ('running', 'skipped', 'absent') then 'waiting' else new.state end
        where step = new.id and state in ('waiting', 'refused', 'unknown');
end;

-- A job is through, and a message that it planned was not sent: with a reason it stays and tells it;
-- without one it was decided that it is not sent. Of a parked job it waits.
create trigger message_given_up after update of state on job
    when new.state <> old.state and new.state in ('acted', 'skipped', 'incomplete', 'stuck') begin
    update message set state = case new.state when 'stuck' then 'waiting' else 'refused' end,
            why = case new.state when 'stuck' then coalesce(why, new.why) else new.why end
        where new.why is not null and +state = 'waiting'
        and step in (select s.id from step s where s.job_id = new.id
            and s.operation in ('message.send', 'file.send') and s.state in ('skipped', 'absent'));
    delete from message where new.why is null and new.state <> 'stuck' and +state = 'waiting'
        and step in (select s.id from step s where s.job_id = new.id
            and s.operation in ('message.send', 'file.send') and s.state in ('skipped', 'absent'));
end;
