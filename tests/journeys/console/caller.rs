//! Who comes to the doors: a browser's cookie or a program's token, without a browser. Invariant:
//! redirects are looked at, never followed.

use crate::support::House;
use reqwest::header::{ACCEPT, HeaderMap, LOCATION, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};

pub const PASSWORD: &str = "correct horse battery";

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION)
    }

    pub fn retry_after(&self) -> u64 {
        self.header(RETRY_AFTER).parse().unwrap_or_default()
    }

    /// Let in: neither asked for who it is nor refused.
    pub fn is_in(&self) -> bool {
        let to_login = self.status == 303 && self.location().starts_with("/login?next");
        !to_login && self.location() != "/login" && ![401, 403].contains(&self.status)
    }
}

/// One browser or program.
#[derive(Clone)]
pub struct Caller {
    base: String,
    http: Client,
    pub cookie: Option<String>,
    pub token: Option<String>,
    pub csrf: String,
}

impl Caller {
    pub fn at(base: String) -> Self {
        let http = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let http = http.build().expect("a client");
        Self { base, http, cookie: None, token: None, csrf: String::new() }
    }

    pub fn of(house: &House) -> Self {
        Self::at(house.url(""))
    }

    pub fn bearing(house: &House, token: String) -> Self {
        Self { token: Some(token), ..Self::of(house) }
    }

    /// A request as a browser's page sends it, without what a form holds.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header(ACCEPT, "text/html,application/xhtml+xml");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = request.send().await.expect("the door answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
        // A stream has no end.
        let endless = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let body = if endless { String::new() } else { answer.text().await.unwrap_or_default() };
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// A form of ours, with what it holds.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &self.csrf));
        self.send(self.request("POST", path).form(&fields)).await
    }

    /// Sends the login form; keeps the cookie where there is one.
    pub async fn login(&mut self, name: &str, password: &str) -> Answer {
        let fields = [("name", name), ("password", password), ("next", "/me")];
        let answer = self.send(self.request("POST", "/login").form(&fields)).await;
        let set = answer.header(SET_COOKIE).split(';').next().unwrap_or_default();
        if !set.is_empty() {
            self.cookie = Some(set.to_owned());
            let page = self.get("/me").await.body;
            let found = page.split("name=\"csrf\" value=\"").nth(1);
            self.csrf =
                found.and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
        }
        answer
    }

    /// Is the cookie of a session that lasts?
    pub async fn is_inside(&self) -> bool {
        self.get("/me").await.status == 200
    }
}

/// A person who was added by the command, and is inside.
pub async fn inside(house: &House, name: &str, role: &str) -> Caller {
    added(house, name, role);
    let mut caller = Caller::of(house);
    let answer = caller.login(name, PASSWORD).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    caller
}

pub fn added(house: &House, name: &str, role: &str) {
    let file = house.dir.path().join("password");
    std::fs::write(&file, PASSWORD).expect("a file");
    let place = format!("file:{}", file.display());
    command(house, &["user", "add", name, "--role", role, "--password", &place]);
}

/// Runs a command; what it said.
pub fn command(house: &House, arguments: &[&str]) -> String {
    let done = house.command(arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// A token with these scopes.
pub fn token(house: &House, scopes: &str) -> Caller {
    let made = command(house, &["user", "token", scopes, "--scope", scopes]);
    Caller::bearing(house, made)
}
