//! What people paste for an address, a key, a site. Invariant: what is taken is one clear thing;
//! anything else is an error that says what to write.

use crate::diagnosis::nearest;
use reqwest::Url;

/// Where the vendor hosts accounts (retailcrm.md). Own servers have other names, so that a whole
/// address is taken as it is.
const DOMAINS: [&str; 4] = ["retailcrm.ru", "retailcrm.pro", "retailcrm.es", "simla.com"];

/// Names before a vendor's domain that are no accounts.
const OWN_SITES: [&str; 8] = ["www", "help", "docs", "api", "blog", "status", "infra-data", "my"];

/// Letters and digits from here on are a key, not an account's name.
const KEY_LENGTH: usize = 28;

/// The address of a RetailCRM account: `acc`, `acc.retailcrm.ru`, any address of its pages.
///
/// # Errors
/// What to write instead.
pub fn crm_address(text: &str) -> Result<String, String> {
    const WRITE: &str =
        "write the account like `acc` or `acc.retailcrm.ru`, or paste any address of it";
    let text = bare(text);
    if text.is_empty() {
        return Err(format!("there is nothing; {WRITE}"));
    }
    if text.contains(char::is_whitespace) {
        return Err(format!("an address has no spaces; {WRITE}"));
    }
    if text.contains('@') {
        return Err(format!("this is an e-mail or holds a password; {WRITE}"));
    }
    if !text.contains(['.', '/', ':']) && text != "localhost" {
        return account(text);
    }
    let url = parsed(text).ok_or_else(|| format!("this is no address; {WRITE}"))?;
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    if is_loopback(&host) {
        return Ok(format!("{}://{host}{port}", url.scheme()));
    }
    if host.contains("calltouch") {
        return Err(format!("this is Calltouch; the CRM is asked for here: {WRITE}"));
    }
    // People paste `http://`, and the CRM speaks https alone.
    if let Some(problem) = no_account(&host) {
        return Err(format!("{problem}; {WRITE}"));
    }
    Ok(format!("https://{host}{port}"))
}

fn account(name: &str) -> Result<String, String> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain || name.starts_with('-') || name.ends_with('-') || name.len() > 63 {
        let what = "an account's name has Latin letters, digits and `-`";
        return Err(format!("{what}: write it like `acc` or `acc.retailcrm.ru`"));
    }
    let digits = name.chars().any(|c| c.is_ascii_digit());
    if name.len() >= KEY_LENGTH && digits && !name.contains('-') {
        let write = "write the account first, like `acc.retailcrm.ru`; the key is asked for next";
        return Err(format!("this looks like a key: {write}"));
    }
    Ok(format!("https://{}.{}", name.to_ascii_lowercase(), DOMAINS[0]))
}

/// Without a scheme: `http` for this machine (the sandbox), else `https`.
fn parsed(text: &str) -> Option<Url> {
    if text.contains("://") {
        let url = Url::parse(text).ok()?;
        return Some(url).filter(|url| ["http", "https"].contains(&url.scheme()));
    }
    let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let scheme = if is_loopback(host) { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{text}")).ok()
}

/// Why this host is nobody's account; `None` where it may be one.
fn no_account(host: &str) -> Option<String> {
    if !host.contains('.') {
        return Some(format!("`{host}` is no host of an account"));
    }
    if DOMAINS.contains(&host) {
        return Some(format!("`{host}` is the vendor's own site, the account's name is missing"));
    }
    for domain in DOMAINS {
        let account = host.strip_suffix(domain).and_then(|rest| rest.strip_suffix('.'));
        if let Some(account) = account {
            let own = OWN_SITES.contains(&account);
            return own.then(|| format!("`{host}` is the vendor's own site, not an account"));
        }
    }
    let short = DOMAINS.iter().find(|domain| {
        let name = domain.split('.').next().unwrap_or_default();
        host.ends_with(&format!(".{name}"))
    });
    if let Some(domain) = short {
        let end = domain.split_once('.').map_or("", |(_, end)| end);
        return Some(format!("`{host}` ends too early: did you mean `{host}.{end}`?"));
    }
    let (account, domain) = host.split_once('.')?;
    let near = nearest(domain, DOMAINS)?;
    Some(format!("`{domain}` is no domain of the CRM: did you mean `{account}.{near}`?"))
}

/// An API key or a token, also within what was copied around it: `X-API-KEY: …`, `apiKey=…`,
/// `clientApiId=…`. `env:NAME` and `file:PATH` stay as they are.
///
/// # Errors
/// What to write instead.
pub fn key(text: &str) -> Result<String, String> {
    const WRITE: &str = "paste the key alone, or write `env:NAME` or `file:PATH`";
    let text = bare(text);
    if text.starts_with("env:") || text.starts_with("file:") {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let mut found = text;
    for before in ["apikey=", "clientapiid=", "token=", "x-api-key:", "apikey:", "token:"] {
        if let Some(place) = lower.find(before) {
            found = text.get(place + before.len()..).unwrap_or_default();
            found = bare(found.split(['&', '#']).next().unwrap_or_default());
            break;
        }
    }
    if found.is_empty() {
        return Err(format!("there is nothing; {WRITE}"));
    }
    if found.contains("://") {
        return Err(format!("this is an address, not a key; {WRITE}"));
    }
    if !found.chars().all(|c| c.is_ascii_graphic()) {
        return Err(format!("a key has no spaces and Latin letters only; {WRITE}"));
    }
    Ok(found.to_owned())
}

/// The id of a Calltouch site: the number, or an address of the cabinet that holds it.
///
/// # Errors
/// What to write instead.
pub fn site(text: &str) -> Result<i64, String> {
    const WRITE: &str = "write the number of the site (ID личного кабинета), like 4242";
    let text = bare(text);
    let lower = text.to_ascii_lowercase();
    let mut digits = text;
    for before in ["/sites/", "siteid=", "site_id=", "siteid:", "id "] {
        if let Some(place) = lower.find(before) {
            let rest = text.get(place + before.len()..).unwrap_or_default().trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            digits = &rest[..end];
            break;
        }
    }
    match digits.parse::<i64>() {
        Ok(id) if id > 0 && digits.len() <= 9 => Ok(id),
        _ => Err(format!("`{}` is no site's id; {WRITE}", shown(text))),
    }
}

/// An address of our own doors as the far side will call it.
///
/// # Errors
/// What to write instead.
pub fn public(text: &str) -> Result<String, String> {
    let text = bare(text);
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    match Url::parse(&url) {
        Ok(parsed) if parsed.host_str().is_some() && parsed.query().is_none() => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err("this is no address; write it like `https://leads.example.com`".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.starts_with("127.")
}

/// Without what comes along when people copy: spaces, quotes, angle brackets.
fn bare(text: &str) -> &str {
    text.trim().trim_matches(['"', '\'', '`', '<', '>', '«', '»', ',', ';']).trim()
}

/// Enough of a paste to know it by; it may be a secret in the wrong place.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(8).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_people_paste_for_the_account_is_its_address() {
        for (pasted, address) in [
            ("acc", "https://acc.retailcrm.ru"),
            ("  Acc ", "https://acc.retailcrm.ru"),
            ("my-shop", "https://my-shop.retailcrm.ru"),
            ("acc.retailcrm.ru", "https://acc.retailcrm.ru"),
            ("acc.retailcrm.ru/", "https://acc.retailcrm.ru"),
            ("ACC.RetailCRM.ru", "https://acc.retailcrm.ru"),
            ("https://acc.retailcrm.ru/", "https://acc.retailcrm.ru"),
            ("http://acc.retailcrm.ru", "https://acc.retailcrm.ru"),
            ("https://acc.retailcrm.ru/orders/17/edit?x=1", "https://acc.retailcrm.ru"),
            ("https://acc.retailcrm.ru/admin/api-keys#top", "https://acc.retailcrm.ru"),
            ("https://acc.retailcrm.ru/api/v5", "https://acc.retailcrm.ru"),
            ("acc.retailcrm.ru/orders/", "https://acc.retailcrm.ru"),
            ("acc.retailcrm.pro", "https://acc.retailcrm.pro"),
            ("acc.retailcrm.es", "https://acc.retailcrm.es"),
            ("https://acc.simla.com/dashboard", "https://acc.simla.com"),
            ("«https://acc.retailcrm.ru»", "https://acc.retailcrm.ru"),
            ("<https://acc.retailcrm.ru>,", "https://acc.retailcrm.ru"),
            ("https://crm.example.com/orders", "https://crm.example.com"),
            ("http://127.0.0.1:19790", "http://127.0.0.1:19790"),
            ("127.0.0.1:19790", "http://127.0.0.1:19790"),
            ("localhost:9090/orders", "http://localhost:9090"),
        ] {
            assert_eq!(crm_address(pasted).as_deref(), Ok(address), "{pasted}");
        }
    }

    #[test]
    fn a_wrong_address_is_told_with_what_to_write() {
        for (pasted, told) in [
            ("", "nothing"),
            ("my shop", "no spaces"),
            ("me@shop.ru", "e-mail"),
            ("https://me:pass@acc.retailcrm.ru", "password"),
            ("магазин", "Latin letters"),
            ("-acc", "Latin letters"),
            ("abcdef0123456789abcdef0123456789", "looks like a key"),
            ("retailcrm.ru", "account's name is missing"),
            ("https://www.retailcrm.ru/prices", "not an account"),
            ("docs.simla.com", "not an account"),
            ("acc.retailcrm", "acc.retailcrm.ru"),
            ("acc.retailcm.ru", "acc.retailcrm.ru"),
            ("acc.retailcrm.rru", "acc.retailcrm.ru"),
            ("https://my.calltouch.ru/accounts/1", "Calltouch"),
            ("ftp://acc.retailcrm.ru", "no address"),
            ("https://", "no address"),
            ("https://intranet/orders", "no host of an account"),
        ] {
            let why = crm_address(pasted).expect_err(pasted);
            assert!(why.contains(told), "{pasted}: {why}");
            assert!(why.contains("write the account") || why.contains("write it like"), "{why}");
        }
    }

    #[test]
    fn a_key_is_taken_out_of_what_was_copied_around_it() {
        for (pasted, key_) in [
            ("abc123", "abc123"),
            (" \"abc123\" ", "abc123"),
            ("X-API-KEY: abc123", "abc123"),
            ("apiKey=abc123", "abc123"),
            ("https://acc.retailcrm.ru/api/v5/orders?apiKey=abc123&limit=20", "abc123"),
            ("clientApiId=ab/c.1-2", "ab/c.1-2"),
            ("env:SHOP_API_KEY", "env:SHOP_API_KEY"),
            ("file:/run/secrets/key", "file:/run/secrets/key"),
        ] {
            assert_eq!(key(pasted).as_deref(), Ok(key_), "{pasted}");
        }
        for pasted in ["", "  ", "https://acc.retailcrm.ru", "two words", "ключ", "apiKey="] {
            let why = key(pasted).expect_err(pasted);
            assert!(why.contains("paste the key alone"), "{pasted}: {why}");
        }
    }

    #[test]
    fn a_site_is_its_number() {
        for pasted in [
            "4242",
            " 4242 ",
            "https://my.calltouch.ru/accounts/7/sites/4242/reports",
            "siteId=4242&x=1",
            "ID 4242",
        ] {
            assert_eq!(site(pasted), Ok(4242), "{pasted}");
        }
        for pasted in ["", "0", "-5", "site", "79990000001", "https://my.calltouch.ru/", "42 42"] {
            let why = site(pasted).expect_err(pasted);
            assert!(why.contains("write the number"), "{why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_paste_panics(text in "\\PC{0,60}") {
            let taken = (crm_address(&text), key(&text), site(&text), public(&text));
            if let Ok(address) = taken.0 {
                proptest::prop_assert!(Url::parse(&address).is_ok(), "{}", address);
            }
        }
    }
}
