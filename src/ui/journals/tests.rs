//! A journal as a page. Invariant: see `journals`.

use super::page::{Asked, Choice, Sheet};
use super::{deals, leads};
use crate::desk::Error;
use crate::desk::journals::{DealLeadView, DealView, LeadView, Named, ThingView};
use crate::ui::frame::Frame;
use crate::ui::words::Language;
use axum::body::to_bytes;
use axum::http::StatusCode;

const EVIL: &str = "<script>alert(1)</script>\" onload=alert(2) '";

fn lead(row: i64) -> LeadView {
    LeadView {
        row,
        connection: "calltouch-main".into(),
        kind: "call".into(),
        id: "900".into(),
        at: "2026-11-22T08:00:00Z".parse().expect("a time"),
        phones: vec!["+79990000001".into()],
        emails: vec![EVIL.into()],
        name: Some(EVIL.into()),
        source: Some(EVIL.into()),
        medium: None,
        campaign: Some("spring".into()),
        event: Some("call:900".into()),
        outcome: Some("acted".into()),
        why: Some(EVIL.into()),
        orders: vec![ThingView {
            connection: "shop".into(),
            kind: "order".into(),
            id: "17".into(),
            number: Some("17A".into()),
        }],
    }
}

fn deal() -> DealView {
    let at = "2026-11-22T08:00:00Z".parse().expect("a time");
    DealView {
        row: 3,
        connection: "calltouch-main".into(),
        id: "17".into(),
        number: Some(EVIL.into()),
        at,
        status: Some(Named { code: "new".into(), name: Some(EVIL.into()) }),
        revenue: Some("12900.50".into()),
        currency: Some("RUB".into()),
        manager: Some(Named { code: "5".into(), name: None }),
        funnel: None,
        source: Some(EVIL.into()),
        medium: None,
        campaign: None,
        lead: Some(DealLeadView {
            kind: "call".into(),
            id: "900".into(),
            event: "call:900".into(),
            at: None,
        }),
        changed: at,
        due: Some("2026-11-22T09:30:00Z".parse().expect("a time")),
        gone: Some(at),
        became: Some("18".into()),
        story: "order:17".into(),
    }
}

fn sheet(frame: &Frame, next: Option<&str>) -> Sheet {
    let w = frame.w;
    let choice = Choice {
        name: "source",
        label: w.journals.source,
        values: vec![(EVIL.into(), EVIL.into())],
        chosen: EVIL.into(),
        rare: false,
    };
    Sheet {
        name: "leads",
        title: w.shell.leads,
        lead: w.journals.leads_lead,
        columns: leads::columns(&w.journals),
        choices: vec![choice],
        rows: vec![leads::row(lead(1), w), leads::row(lead(2), w)],
        next: next.map(str::to_owned),
        revenue: Vec::new(),
    }
}

async fn shown(query: &str, cookies: &str, next: Option<&str>) -> String {
    let mut frame = Frame::sample(Language::Ru, "/leads");
    frame.query = query.to_owned();
    let sheet = sheet(&frame, next);
    let answer = Asked::sample(frame, cookies).page(Ok(sheet));
    assert_eq!(answer.status(), StatusCode::OK);
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8(body.to_vec()).expect("text")
}

#[tokio::test]
async fn a_row_leads_to_its_story_and_its_texts_are_texts() {
    let page = shown("", "", None).await;
    assert!(page.contains("href=\"/story/calltouch-main~call:900\" data-open"), "{page}");
    assert!(page.contains("href=\"/find?q=order:17\""));
    assert!(page.contains("заказ 17A") && page.contains("data-row=\"lead-2\""));
    assert!(!page.contains("<script>") && page.contains("&#60;script&#62;"));
    assert!(!page.contains("rel=\"next\"") && !page.contains("rel=\"prev\""));
}

#[tokio::test]
async fn pages_go_on_and_back_by_their_marks() {
    let page = shown("kind=call", "", Some("300-3")).await;
    assert!(page.contains("href=\"/leads?kind=call&#38;after=300-3\""), "{page}");
    let page = shown("kind=call&after=300-3", "", Some("200-2")).await;
    assert!(page.contains("rel=\"prev\" href=\"/leads?kind=call\""), "{page}");
    assert!(page.contains("after=200-2&#38;trail=300-3"));
    let page = shown("kind=call&after=200-2&trail=300-3", "", Some("100-1")).await;
    assert!(page.contains("rel=\"prev\" href=\"/leads?kind=call&#38;after=300-3\""));
    assert!(page.contains("after=100-1&#38;trail=300-3.200-2"));
    assert!(page.contains("href=\"/leads.csv?kind=call\""), "the file is of the whole span");
}

#[tokio::test]
async fn people_choose_their_columns() {
    let page = shown("", "cols_leads=at.id", None).await;
    assert!(
        page.contains("<th scope=\"col\">id</th>") && !page.contains("<th scope=\"col\">Имя</th>")
    );
    let page = shown("", "cols_leads=nonsense", None).await;
    assert!(page.contains("<th scope=\"col\">Имя</th>"), "what was usual is shown");
    let mut frame = Frame::sample(Language::Ru, "/leads");
    frame.query = "kind=call&col=at&col=id&col=%0d%0aSet-Cookie".to_owned();
    let answer = Asked::sample(frame, "").columns_chosen("leads").expect("a redirect");
    assert_eq!(answer.headers()["location"], "/leads?kind=call");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("cols_leads=at.id; "), "{cookie}");
}

#[tokio::test]
async fn the_first_cell_that_says_something_leads_to_the_story() {
    // Orders are links of their own, and the medium is empty.
    let page = shown("", "cols_leads=orders.medium.name", None).await;
    assert_eq!(page.matches("<a href=\"/story/").count(), 2, "{page}");
    assert!(!page.contains("data-open><a ") && !page.contains("data-open></a>"), "{page}");
    let mut frame = Frame::sample(Language::Ru, "/leads");
    frame.query = "col=-&kind=call".to_owned();
    let answer = Asked::sample(frame, "cols_leads=id").columns_chosen("leads").expect("a redirect");
    assert_eq!(answer.headers()["location"], "/leads?kind=call&usual=1");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("cols_leads=; "), "{cookie}");
    let page = shown("usual=1", "", None).await;
    assert!(page.contains("Столбцы не выбраны"), "{page}");
}

#[tokio::test]
async fn rows_and_their_mark_change_together() {
    for next in [None, Some("300-3")] {
        let page = shown("", "", next).await;
        assert!(page.contains("<div data-live=\"pager\" data-with=\"rows\">"), "{page}");
    }
}

#[test]
fn a_deal_says_the_same_on_the_page_and_in_the_file() {
    let frame = Frame::sample(Language::Ru, "/deals");
    let row = deals::row(deal(), frame.w);
    assert_eq!(row.cells.len(), deals::columns(&frame.w.journals).len());
    let plain: Vec<String> = row.cells.iter().map(|cell| cell.plain(&frame.times)).collect();
    assert_eq!(plain[0], format!("{EVIL}, заказ объединён с 18"));
    assert_eq!(
        plain[1..4],
        ["2026-11-22 11:00:00".to_owned(), EVIL.to_owned(), "12900,50".to_owned()]
    );
    assert_eq!(plain[9], "звонок 900");
    assert_eq!(plain[10], "2026-11-22 12:30:00");
    let row = leads::row(lead(1), frame.w);
    assert_eq!(row.cells.len(), leads::columns(&frame.w.journals).len());
}

#[tokio::test]
async fn what_failed_is_a_page_too() {
    let frame = Frame::sample(Language::Ru, "/leads");
    let answer = Asked::sample(frame, "").page(Err(Error::Conflict("later".into())));
    assert_eq!(answer.status(), StatusCode::CONFLICT);
}
