//! The journal of deals (calltouch.md §5.7). Invariant: a deal is found by the day of its
//! `orderDate` in the site's zone, and not before the switch lets it be seen.

use crate::sandbox::answer::Answer;
use crate::sandbox::calltouch::deals::Deal;
use crate::sandbox::calltouch::journal::{NONE, day, page, stamp, wrapped};
use crate::sandbox::calltouch::{Incoming, Site, refused};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const LONGEST_DAYS: i32 = 92;

/// `orders-diary/orders`, dates as `dd/MM/yyyy`.
pub fn deals(site: &Site, incoming: &Incoming) -> Result<Answer, Answer> {
    let (from, to) = (day(incoming, "dateFrom", "%d/%m/%Y")?, day(incoming, "dateTo", "%d/%m/%Y")?);
    if from >= to {
        return Err(refused("dateFrom must be earlier than dateTo"));
    }
    if from.until(to).map_or(i32::MAX, |span| span.get_days()) > LONGEST_DAYS {
        return Err(refused("the period is longer than three months"));
    }
    let page = page(incoming)?;
    let end = if incoming.switches.diary_excludes_date_to { Ok(to) } else { to.tomorrow() };
    let start_of = |day: jiff::civil::Date| {
        day.to_zoned(site.zone.clone()).map_or(Timestamp::MAX, |day| day.timestamp())
    };
    let (first, end) = (start_of(from), end.map_or(Timestamp::MAX, start_of));
    let lag = SignedDuration::from_millis(incoming.switches.diary_lag_ms);
    let fits = |deal: &&Deal| {
        let at = deal.fields.order_date.unwrap_or(deal.made_at);
        let shown = lag.is_zero() || incoming.now.duration_since(deal.made_at) >= lag;
        !deal.deleted && first <= at && at < end && shown
    };
    let deals: Vec<&Deal> = site.deals.iter().filter(fits).collect();
    Ok(wrapped(page, &deals, |deal| record(site, deal)))
}

fn record(site: &Site, deal: &Deal) -> Value {
    let fields = &deal.fields;
    let date = |at: Option<Timestamp>| at.map(|at| stamp(site, at));
    let or_none = |text: &str| if text.is_empty() { NONE.to_owned() } else { text.to_owned() };
    let matched = deal.matched.as_ref();
    let visit = matched.map(|matched| {
        json!({
            "sessionId": null, "source": or_none(&matched.source),
            "utmSource": or_none(&matched.source), "utmMedium": or_none(&matched.medium),
            "utmCampaign": or_none(&matched.campaign), "utmContent": NONE, "utmTerm": NONE,
            "city": "", "url": "", "ref": "", "yaClientId": null, "gaClientId": null,
            "yandexDirect": null, "googleAdWords": null,
        })
    });
    let source = matched.and_then(|matched| {
        let (kind, id) = (matched.lead?, matched.id?);
        Some(json!({"type": kind.to_uppercase(), format!("{kind}Id"): id}))
    });
    json!({
        "orderId": deal.id, "orderNumber": deal.number, "orderName": fields.order_name,
        "orderStatus": fields.status, "createdDate": stamp(site, deal.made_at),
        "orderDate": date(fields.order_date), "updatedDate": date(fields.update_date),
        "completedDate": null, "plannedAmount": fields.revenue, "completedAmount": null,
        "funnel": fields.funnel, "manager": fields.manager,
        "client": {"fio": "", "phones": [], "emails": []},
        "visit": visit, "orderSource": source, "tags": [], "comment": [], "siteId": site.id,
    })
}
