//! Is the connection usable? Invariant: reads only, and reports everything at once.

use super::Calltouch;
use crate::clock::Clock;
use crate::connectors::port::{Glance, Sight};
use crate::diagnosis::{Problem, Severity};
use crate::domain::{Delay, What, Whose};
use serde_json::Value;

/// Reads both journals: the calls of today (token, site, address) and the last minute's requests.
pub async fn check(own: &Calltouch) -> Vec<Problem> {
    let mut problems = Vec::new();
    let local = own.reader.site.zone.to_datetime(Clock::default().now());
    let today = local.date();
    let calls = own.api.calls((today, today), 1, 1).await.err();
    let requests = own.api.last_minute(local).await.err();
    let said_once = calls.as_ref() == requests.as_ref();
    if let Some(delay) = &calls {
        let journal =
            if said_once { "the journals of calls and requests" } else { "the journal of calls" };
        problems.push(problem(own, journal, delay));
    }
    if let Some(delay) = requests.as_ref().filter(|_| !said_once) {
        problems.push(problem(own, "the journal of requests", delay));
    }
    if own.hook_secret.is_none() {
        let title = format!(
            "{}: no `hook_secret`, so no door: calls and requests come by polling alone, chats not at all",
            own.reader.site.connection
        );
        problems.push(Problem::note(title).mend("write hook_secret = \"env:NAME\""));
    }
    problems
}

/// The cheapest read that shows whether Calltouch answers us.
pub async fn probe(own: &Calltouch) -> Result<(), Delay> {
    let local = own.reader.site.zone.to_datetime(Clock::default().now());
    own.api.last_minute(local).await.map(drop)
}

/// Do site and token still open both journals? A site that is gone and a token that was changed are
/// told at the flows that listen; other trouble is not drift.
///
/// # Errors
/// Calltouch could not be asked.
pub async fn drift(own: &Calltouch, glance: &Glance<'_>) -> Result<Sight, Delay> {
    let local = own.reader.site.zone.to_datetime(glance.now);
    let today = local.date();
    let calls = own.api.calls((today, today), 1, 1).await.err();
    let refused = match calls {
        None => own.api.last_minute(local).await.err().map(|delay| ("requests", delay)),
        Some(delay) => Some(("calls", delay)),
    };
    let Some((journal, delay)) = refused else { return Ok(Sight::default()) };
    if delay.whose != Whose::Access {
        return Err(delay);
    }
    let mut told = problem(own, &format!("the journal of {journal}"), &delay);
    let listens = |found: &&crate::domain::Use| matches!(found.what, What::Event(_));
    let listening: Vec<_> = glance.uses.list.iter().filter(listens).collect();
    if let Some(first) = listening.first() {
        let flows: Vec<&str> = listening.iter().map(|found| found.flow.as_str()).collect();
        told.place = Some(first.place.clone());
        told = told.label(format!("{} would hear of no lost hook", flows.join(", ")));
    }
    if !listening.iter().any(|found| found.running) {
        told.severity = Severity::Warning;
    }
    Ok(Sight { problems: vec![told], seen: Value::Null })
}

fn problem(own: &Calltouch, journal: &str, delay: &Delay) -> Problem {
    let mend = match delay.whose {
        Whose::Access => {
            "compare `token` and `site_id` with Calltouch: Интеграции → Отправка данных во внешние \
             системы → API"
        }
        Whose::Item => "ask again later; are other programs using the same address or token?",
        Whose::Connection | Whose::Setup => "is `url` right, and can this machine reach it?",
    };
    let title = format!("{}: {journal} cannot be read: {}", own.reader.site.connection, delay.why);
    Problem::error(title).mend(mend)
}
