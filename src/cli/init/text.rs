//! The text of the config that is written. Invariant: minimal; what is left out has its default, and
//! the schema of the first line tells editors the rest.

use super::sides::{Calltouch, Crm};

/// Everything that the config says.
pub struct Answers<'a> {
    pub listen: &'a str,
    pub store_url: &'a str,
    pub mappings: &'a str,
    pub crm: Option<(&'a Crm, &'a str)>,
    pub calltouch: Option<(&'a Calltouch, &'a str)>,
    /// Where the doors are reached from outside.
    pub public: Option<&'a str>,
    pub secrets_within: bool,
}

/// The whole file; the second part of each side is the secret of its hook.
pub fn config(answers: &Answers<'_>) -> String {
    let Answers { listen, store_url, mappings, .. } = answers;
    let about = if answers.secrets_within {
        "# It holds secrets and is readable for its owner alone.\n"
    } else {
        ""
    };
    let mut text = format!(
        "#:schema ./schema/leadlink.schema.json\n\
         # leadlink, written by `leadlink init`. Keys that are not here have their defaults: editors\n\
         # show them by the schema of the first line, `leadlink schema config` prints it.\n{about}\n\
         [server]\n\
         # Where the doors listen; put a proxy with TLS in front.\n\
         listen = {}\n\n\
         [store]\n\
         url = {}\n\n\
         [mappings]\n\
         # The folder of the flows.\n\
         dir = {}\n\n\
         # The names that flows use, and the connection that each means here.\n\
         [roles]\n",
        quoted(listen),
        quoted(store_url),
        quoted(mappings),
    );
    if answers.crm.is_some() {
        text.push_str("crm = \"shop\"\n");
    }
    if answers.calltouch.is_some() {
        text.push_str("calls = \"calltouch-main\"\n");
    }
    if let Some((own, secret)) = answers.crm {
        text.push('\n');
        text.push_str(&crm(own, Some(secret)));
        let line = answers.public.map(|public| format!("public = {}\n", quoted(public)));
        text.push_str(&line.unwrap_or_default());
    }
    if let Some((own, secret)) = answers.calltouch {
        text.push('\n');
        text.push_str(&calltouch(own, Some(secret)));
    }
    flows(&mut text, answers.crm.is_some() && answers.calltouch.is_some());
    text
}

/// `[connections.shop]`
pub fn crm(crm: &Crm, hook_secret: Option<&str>) -> String {
    let host = crm.url.split("://").nth(1).unwrap_or(&crm.url);
    let first = host.split(['.', ':']).next().unwrap_or(host);
    let is_number = first.chars().all(|c| c.is_ascii_digit());
    let account = if is_number { host } else { first };
    let mut text = format!(
        "[connections.shop]\n\
         connector = \"retailcrm\"\n\
         name = {}\n\
         url = {}\n\
         api_key = {}\n",
        quoted(&format!("RetailCRM {account}")),
        quoted(&crm.url),
        quoted(&crm.key),
    );
    if !crm.site.is_empty() {
        let site = quoted(&crm.site);
        text.push_str(&format!(
            "# The store of new orders; `leadlink list shop sites` shows all.\nsite = {site}\n"
        ));
    }
    if let Some(secret) = hook_secret {
        let secret = quoted(secret);
        text.push_str(&format!(
            "# The last part of the address that a trigger posts to: /hooks/shop/HOOK_SECRET.\n\
             hook_secret = {secret}\n"
        ));
    }
    text
}

/// `[connections.calltouch-main]`
pub fn calltouch(own: &Calltouch, hook_secret: Option<&str>) -> String {
    let mut text = format!(
        "[connections.calltouch-main]\n\
         connector = \"calltouch\"\n\
         name = \"Calltouch {}\"\n",
        own.site
    );
    if let Some(url) = &own.url {
        text.push_str(&format!("url = {}\n", quoted(url)));
    }
    text.push_str(&format!("site_id = {}\ntoken = {}\n", own.site, quoted(&own.token)));
    if let Some(secret) = hook_secret {
        let secret = quoted(secret);
        text.push_str(&format!(
            "# The last part of the hook's address: /hooks/calltouch-main/HOOK_SECRET.\n\
             hook_secret = {secret}\n\
             # The zone of the site's cabinet, where it is another one:\n\
             # timezone = \"Europe/Moscow\"\n"
        ));
    }
    text
}

fn flows(text: &mut String, whole: bool) {
    text.push_str("\n# A flow runs only where this file or an operator says so.\n");
    if !whole {
        text.push_str("# These need both sides: the roles `crm` and `calls`.\n");
    }
    let leads = ["call-to-order", "request-to-order", "chat-to-order"];
    for name in leads.into_iter().chain(["order-to-deal", "deal-update"]) {
        text.push_str(&format!("[flows.{name}]\nrunning = {whole}\n\n"));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
