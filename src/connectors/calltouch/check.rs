//! Is the connection usable? Invariant: reads only, and reports everything at once.

use super::Calltouch;
use crate::clock::Clock;
use crate::diagnosis::Problem;
use crate::domain::{Delay, Whose};

/// Reads both journals: the calls of today (token, site, address) and the last minute's requests.
pub async fn check(own: &Calltouch) -> Vec<Problem> {
    let mut problems = Vec::new();
    let local = own.reader.site.zone.to_datetime(Clock::default().now());
    let today = local.date();
    let calls = own.journals.calls((today, today), 1, 1).await.err();
    let requests = own.journals.last_minute(local).await.err();
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
    own.journals.last_minute(local).await.map(drop)
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
