//! What the head costs: one decision of the shipped call flow, from facts to plan, and one look for
//! the next questions. No I/O. Run: `cargo bench --bench decide`.

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use leadlink::app;
use leadlink::domain::Event;
use leadlink::rules::{Book, Knowledge, decide, gather};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::hint::black_box;
use std::path::Path;

type Done<T = ()> = Result<T, Box<dyn Error>>;

/// The flows as `config/leadlink.toml` binds them.
fn book() -> Done<Book> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = [
        ("SHOP_API_KEY", "not-a-key-but-32-characters-long".to_owned()),
        ("CALLTOUCH_TOKEN", "not-a-token-but-long-enough".to_owned()),
        ("CALLTOUCH_HOOK_SECRET", "not-a-secret-but-long-enough".to_owned()),
        ("LEADLINK_MAPPINGS__DIR", root.join("mappings").display().to_string()),
    ];
    let env = set.into_iter().map(|(name, value)| (name.to_owned(), value));
    let read = app::read(Some(&root.join("config/leadlink.toml")), env);
    Ok(read.app.ok_or("the shipped config cannot be read")?.book)
}

fn event() -> Done<Event> {
    let fields: Map<String, Value> =
        serde_json::from_str(include_str!("../mappings/samples/call-finished.json"))?;
    let now: Timestamp = "2025-05-14T09:04:00Z".parse()?;
    Ok(Event {
        asked: false,
        connection: "calltouch-main".to_owned(),
        kind: "call.finished".to_owned(),
        key: "call:900000001".to_owned(),
        aliases: Vec::new(),
        provisional: false,
        registered: now,
        fields,
    })
}

fn bench(c: &mut Criterion) -> Done {
    let (book, event) = (book()?, event()?);
    let bound = book.flow("call-to-order").ok_or("no such flow")?;
    let mut knowledge = Knowledge::of(&book, &event, event.registered);
    c.bench_function("the next questions of a call", |b| {
        b.iter(|| gather::next(black_box(&book), bound, &mut knowledge.clone()));
    });
    let customer = json!({"id": 1, "phones": ["79990000001"]});
    for (what, facts) in [
        ("a new caller", json!({"customer": null, "order": null})),
        ("a known one without orders", json!({"customer": customer, "order": null})),
        (
            "an open order",
            json!({"customer": customer, "order": {"id": 7, "status_group": "new", "customFields": {}}}),
        ),
    ] {
        let facts = facts.as_object().cloned().unwrap_or_default();
        knowledge.facts = facts.into_iter().collect();
        decide::decide(&book, bound, &event, &knowledge)?;
        c.bench_function(&format!("decide a call of {what}"), |b| {
            b.iter(|| decide::decide(black_box(&book), bound, &event, black_box(&knowledge)));
        });
    }
    Ok(())
}

fn run(c: &mut Criterion) {
    if let Err(error) = bench(c) {
        eprintln!("the bench cannot run: {error}");
    }
}

criterion_group!(benches, run);
criterion_main!(benches);
