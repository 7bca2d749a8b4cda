//! How states look: a colour, a sign and a word for each. Invariant: colour never says anything alone;
//! a state that nobody knows is shown as it is called.

use super::words::States;

/// A state as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// `ok`, `warn`, `bad`, `on`, or empty.
    pub class: &'static str,
    pub icon: &'static str,
    pub word: String,
}

fn sign(class: &'static str, icon: &'static str, word: &str) -> Sign {
    Sign { class, icon, word: word.to_owned() }
}

/// Of jobs, leads, decisions and flows of one event.
pub fn job(w: &States, state: &str) -> Sign {
    match state {
        "waiting" => sign("on", "wait", w.waiting),
        "deciding" => sign("on", "again", w.deciding),
        "acted" => sign("ok", "ok", w.acted),
        "skipped" => sign("", "skip", w.skipped),
        "incomplete" => sign("warn", "wait", w.incomplete),
        "stuck" => sign("bad", "bad", w.stuck),
        "none" => sign("", "skip", w.none),
        other => sign("", "dot", other),
    }
}

/// Of steps and attempts.
pub fn step(w: &States, state: &str) -> Sign {
    match state {
        "waiting" => sign("on", "wait", w.waiting),
        "running" => sign("on", "again", w.running),
        "done" => sign("ok", "ok", w.done),
        "refused" => sign("bad", "bad", w.refused),
        "unknown" => sign("warn", "warn", w.unknown),
        "absent" => sign("warn", "warn", w.absent),
        "skipped" => sign("", "skip", w.skipped),
        "later" => sign("warn", "wait", w.later),
        other => sign("", "dot", other),
    }
}

/// Of decisions.
pub fn verdict(w: &States, word: &str) -> Sign {
    match word {
        "act" => sign("ok", "right", w.act),
        "skip" => sign("", "skip", w.skip),
        other => job(w, other),
    }
}

/// Of messages.
pub fn message(w: &States, state: &str) -> Sign {
    match state {
        "received" => sign("", "in", w.received),
        "queued" => sign("on", "wait", w.queued),
        "sent" => sign("", "ok", w.sent),
        "delivered" => sign("ok", "ok", w.delivered),
        "read" => sign("ok", "ok", w.read),
        "error" => sign("bad", "bad", w.error),
        other => step(w, other),
    }
}

/// Of connections: a word of the store, none: nothing has run yet, and whether all is well.
pub fn connection(w: &States, state: Option<&str>, well: &bool) -> Sign {
    match state {
        Some("paused") => sign("bad", "pause", w.paused),
        Some("setting up") => sign("warn", "wait", w.setting_up),
        None => sign("", "dot", w.not_seen),
        Some("ready") if *well => sign("ok", "ok", w.ready),
        Some("ready") => sign("warn", "warn", w.ill),
        Some(other) => sign("", "dot", other),
    }
}

/// Of flows.
pub fn flow(w: &States, state: &str) -> Sign {
    match state {
        "running" => sign("ok", "ok", w.flow_running),
        "stopped" => sign("warn", "pause", w.stopped),
        "off" => sign("", "skip", w.off),
        other => sign("", "dot", other),
    }
}

/// Of what `check` says.
pub fn severity(w: &States, severity: &str) -> Sign {
    match severity {
        "error" => sign("bad", "bad", w.error),
        "warning" => sign("warn", "warn", w.warning),
        "note" => sign("", "dot", w.note),
        other => sign("", "dot", other),
    }
}

/// Of cases.
pub fn case(w: &States, passed: &bool) -> Sign {
    if *passed { sign("ok", "ok", w.passed) } else { sign("bad", "bad", w.failed) }
}

/// What a person calls a kind of thing.
pub fn kind<'a>(w: &'static States, kind: &'a str) -> &'a str {
    match kind.split('.').next().unwrap_or(kind) {
        "call" => w.call,
        "request" => w.request,
        "chat" => w.chat,
        "order" => w.order,
        "deal" => w.deal,
        "customer" => w.customer,
        "message" => w.message,
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::words::RU;

    /// The words of the store and of desk, as their own enums write them.
    #[test]
    fn every_state_has_a_sign_of_its_own() {
        let known = |sign: Sign| assert_ne!(sign.icon, "dot", "{}", sign.word);
        for word in ["waiting", "deciding", "acted", "skipped", "incomplete", "stuck", "none"] {
            known(job(&RU.states, word));
        }
        for word in
            ["waiting", "running", "done", "refused", "unknown", "absent", "skipped", "later"]
        {
            known(step(&RU.states, word));
        }
        for word in
            ["received", "queued", "sent", "delivered", "read", "error", "refused", "waiting"]
        {
            known(message(&RU.states, word));
        }
        assert_eq!(connection(&RU.states, Some("ready"), &false).class, "warn");
        assert_eq!(job(&RU.states, "<b>").word, "<b>");
        assert_eq!(kind(&RU.states, "call.finished"), "звонок");
        assert_eq!(kind(&RU.states, "whatever"), "whatever");
    }
}
