//! The journals of calls and requests (calltouch.md §2, §3.1). Invariant: a record appears at its
//! time and not earlier; a call that still rings is `callconnected`.

use crate::sandbox::answer::Answer;
use crate::sandbox::calltouch::lead::{Kind, Lead};
use crate::sandbox::calltouch::{Incoming, Site, refused};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde_json::{Value, json};

/// What the journal writes where there is no text.
pub const NONE: &str = "<не указано>";

const LONGEST_DAYS: i32 = 92;

/// Texts of a call record that are empty here.
const CALL_TEXTS: [&str; 10] = [
    "statusDetails",
    "keyword",
    "ip",
    "userAgent",
    "device",
    "os",
    "browser",
    "callReferenceId",
    "manager",
    "ref",
];
/// Parts of a call record that this site does not have.
const CALL_NULLS: [&str; 10] = [
    "callClientUniqueId",
    "ctClientId",
    "ctGlobalId",
    "clientId",
    "yaClientId",
    "subPoolName",
    "callTags",
    "comments",
    "mapVisits",
    "order",
];

/// `calls-diary/calls`, dates as `dd/MM/yyyy`.
pub fn calls(site: &Site, incoming: &Incoming) -> Result<Answer, Answer> {
    let query = incoming.query;
    let (from, to) = (day(incoming, "dateFrom", "%d/%m/%Y")?, day(incoming, "dateTo", "%d/%m/%Y")?);
    if from > to {
        return Err(refused("dateFrom must not be later than dateTo"));
    }
    if query.one("page").is_none() {
        if from != to {
            return Err(refused("without page the period is one day: dateFrom = dateTo"));
        }
        let records = shown(site, incoming, (from, to), Kind::Call)?;
        return Ok(Answer::json(200, &Value::Array(records)));
    }
    if from.until(to).map_or(i32::MAX, |span| span.get_days()) > LONGEST_DAYS {
        return Err(refused("the period is longer than three months"));
    }
    let page = page(incoming)?;
    let records = shown(site, incoming, (from, to), Kind::Call)?;
    Ok(wrapped(page, &records, Value::clone))
}

/// `page` (1 when left out) and `limit` (1000 at most).
pub fn page(incoming: &Incoming) -> Result<(usize, usize), Answer> {
    let number = |name: &str, default: usize| {
        let Some(text) = incoming.query.one(name) else { return Ok(default) };
        let number = text.parse::<usize>().ok().filter(|number| *number >= 1);
        number.ok_or_else(|| refused(&format!("{name} is not a number from 1")))
    };
    Ok((number("page", 1)?, number("limit", 1000)?.min(1000)))
}

/// One page of rows in the wrapper of the journals.
pub fn wrapped<T>((page, limit): (usize, usize), rows: &[T], show: impl Fn(&T) -> Value) -> Answer {
    let total = rows.len();
    let start = (page - 1).saturating_mul(limit).min(total);
    let records: Vec<Value> =
        rows[start..start.saturating_add(limit).min(total)].iter().map(show).collect();
    let body = json!({
        "page": page, "pageTotal": total.div_ceil(limit), "pageSize": limit, "recordsTotal": total,
        "records": records,
    });
    Answer::json(200, &body)
}

/// `requests`, dates as `MM/dd/yyyy`; always a bare list.
pub fn requests(site: &Site, incoming: &Incoming) -> Result<Answer, Answer> {
    let (from, to) = (day(incoming, "dateFrom", "%m/%d/%Y")?, day(incoming, "dateTo", "%m/%d/%Y")?);
    if from > to {
        return Err(refused("dateFrom must not be later than dateTo"));
    }
    let records = shown(site, incoming, (from, to), Kind::Request)?;
    Ok(Answer::json(200, &Value::Array(records)))
}

pub fn day(incoming: &Incoming, name: &str, format: &str) -> Result<Date, Answer> {
    let text = incoming.query.one(name).unwrap_or_default();
    let plain = text.len() == 10 && text.chars().filter(|letter| *letter == '/').count() == 2;
    let day = Date::strptime(format, text).ok().filter(|_| plain);
    day.ok_or_else(|| refused(&format!("{name} has a wrong format")))
}

fn time(incoming: &Incoming, name: &str, default: Time) -> Result<Time, Answer> {
    let Some(text) = incoming.query.one(name) else { return Ok(default) };
    Time::strptime("%H:%M:%S", text).map_err(|_| refused(&format!("{name} has a wrong format")))
}

fn shown(
    site: &Site,
    incoming: &Incoming,
    (from, to): (Date, Date),
    kind: Kind,
) -> Result<Vec<Value>, Answer> {
    let latest = Time::constant(23, 59, 59, 999_999_999);
    let from = from.to_datetime(time(incoming, "timeFrom", Time::midnight())?);
    let to = to.to_datetime(time(incoming, "timeTo", latest)?);
    let fits = |lead: &&Lead| {
        let local = lead.at.to_zoned(site.zone.clone()).datetime();
        lead.kind == kind
            && lead.in_journal_from.is_some_and(|shown_from| shown_from <= incoming.now)
            && from <= local
            && local <= to
    };
    let leads = site.leads.iter().filter(fits);
    Ok(match kind {
        Kind::Call => leads.map(|lead| call(site, lead, incoming.now)).collect(),
        Kind::Request => leads.map(|lead| request(site, lead, incoming)).collect(),
        Kind::Chat => Vec::new(),
    })
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { NONE } else { text }
}

pub fn stamp(site: &Site, at: Timestamp) -> String {
    at.to_zoned(site.zone.clone()).strftime("%d/%m/%Y %H:%M:%S").to_string()
}

fn call(site: &Site, lead: &Lead, now: Timestamp) -> Value {
    let ended = lead.ended() <= now;
    let phase = if ended { "calldisconnected" } else { "callconnected" };
    let [source, medium, campaign, content, term] = &lead.utm;
    let mut record = json!({
        "callId": lead.id, "callphase": phase, "date": stamp(site, lead.at),
        "timestamp": lead.at.as_second(), "callerNumber": lead.phone,
        "phoneNumber": "74950000002", "redirectNumber": "79990000003",
        "duration": if ended { lead.duration } else { 0 },
        "waitingConnect": if ended { lead.waiting } else { 0 },
        "successful": lead.duration > 0, "uniqueCall": lead.unique, "targetCall": true,
        "uniqTargetCall": lead.unique, "callbackCall": false, "attribution": 1,
        "source": or_none(source), "medium": or_none(medium),
        "utmSource": or_none(source), "utmMedium": or_none(medium),
        "utmCampaign": or_none(campaign), "utmContent": or_none(content),
        "utmTerm": or_none(term), "city": "Москва", "url": "https://shop.test/",
        "callUrl": "https://shop.test/", "hostname": "shop.test", "sessionId": lead.session,
        "sessionDate": stamp(site, lead.at), "ctCallerId": "a1b2c3",
        "sipCallId": format!("s-{}", lead.id), "siteId": site.id, "siteName": "shop.test",
        "orders": [],
    });
    for key in CALL_TEXTS {
        record[key] = json!("");
    }
    for key in CALL_NULLS {
        record[key] = Value::Null;
    }
    record
}

fn request(site: &Site, lead: &Lead, incoming: &Incoming) -> Value {
    let [source, medium, campaign, content, term] = &lead.utm;
    let phones = match lead.phone.as_str() {
        "" => json!([]),
        phone => json!([{"phoneNumber": phone, "phoneType": "MOBILE"}]),
    };
    let contacts = match lead.email.as_str() {
        "" => json!([]),
        email => json!([{"contactType": "EMAIL", "contactValue": email}]),
    };
    // A request without a visit has no session at all.
    let session = if lead.utm.iter().all(String::is_empty) {
        Value::Null
    } else {
        json!({
            "sessionId": lead.session, "sessionDate": stamp(site, lead.at), "source": source,
            "medium": medium, "keywords": "", "utmSource": or_none(source),
            "utmMedium": or_none(medium), "utmCampaign": or_none(campaign),
            "utmContent": or_none(content), "utmTerm": or_none(term), "city": "", "ip": "",
            "ref": "", "url": "https://shop.test/", "attribution": 1, "guaClientId": "",
            "yaClientId": "", "ctGlobalId": null, "browser": "", "browserName": "", "os": "",
            "device": "", "additionalTags": [], "attrs": null,
        })
    };
    let with_tags = matches!(incoming.query.one("withRequestTags"), Some("true" | "1"));
    let tags = if with_tags { json!([]) } else { Value::Null };
    json!({
        "requestId": lead.id, "requestNumber": lead.id.to_string(),
        "date": lead.at.as_millisecond(), "dateStr": stamp(site, lead.at), "siteId": site.id,
        "subject": lead.subject, "requestType": null, "requestUrl": "https://shop.test/contacts",
        "status": "", "manager": "", "uniqueRequest": lead.unique, "targetRequest": true,
        "uniqTargetRequest": lead.unique,
        "client": {"clientId": lead.session, "fio": lead.name, "phones": phones, "contacts": contacts},
        "session": session, "comments": [], "orders": [], "order": null, "mapVisits": null,
        "RequestTags": tags, "yandexDirect": null, "googleAdWords": null, "ctClientId": null,
        "ctGlobalId": null, "dcm": null, "widgetInfo": null, "customFields": null,
    })
}
