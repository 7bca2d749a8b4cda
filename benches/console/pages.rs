//! Pages of the console over HTTP, from the request to the first byte of the answer. Invariant: by the
//! binary that ships, behind its login, over one connection as a browser has it.

use crate::support::{Daemon, Database, Far};
use crate::{Figures, TIMES};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use std::io;
use std::process::Command;
use std::time::Instant;

const PASSWORD: &str = "bench word 0123456789";

/// The page, and which share of the limit it has.
const PAGES: [(&str, f64); 8] = [
    ("/", 0.25),
    ("/?period=7d", 0.25),
    ("/?period=28d", 0.25),
    ("/leads", 1.0),
    ("/leads?period=31d&source=source+0", 1.0),
    ("/deals", 1.0),
    ("/deals?period=31d&campaign=campaign+0", 1.0),
    ("/find?q=79000000000", 1.0),
];

pub async fn all(database: &Database, figures: &mut Figures) -> io::Result<()> {
    let _known = rustls::crypto::ring::default_provider().install_default();
    let daemon = Daemon::start_on(&database.url, &Far::nobody(), "1m", None)?;
    daemon.first_200().await?;
    let cookie = logged_in(&daemon).await?;
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
    let http = http.build().map_err(io::Error::other)?;
    for (page, share) in PAGES {
        let (mut took, mut bytes) = (Vec::new(), 0);
        for n in 0..TIMES + TIMES / 5 {
            let request = http.get(format!("http://{}{page}", daemon.address));
            let began = Instant::now();
            let answer = request.header(COOKIE, &cookie).send().await.map_err(io::Error::other)?;
            if n >= TIMES / 5 {
                took.push(began.elapsed());
            }
            if !answer.status().is_success() {
                return Err(io::Error::other(format!("{page}: {}", answer.status())));
            }
            bytes = answer.bytes().await.map_err(io::Error::other)?.len();
        }
        let most = figures.most * share;
        figures.tell(&format!("GET {page}"), took, &format!("{bytes} bytes"), most);
    }
    println!("resident memory then {:.0} MB", daemon.rss()?);
    Ok(())
}

/// The cookie of somebody who was let in.
async fn logged_in(daemon: &Daemon) -> io::Result<String> {
    let added = Command::new(env!("CARGO_BIN_EXE_leadlink"))
        .args(["user", "add", "bench", "--role", "marketing", "--password", "env:BENCH_PASSWORD"])
        .arg("--config")
        .arg(daemon.config())
        .env("BENCH_PASSWORD", PASSWORD)
        .output()?;
    if !added.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&added.stderr).into_owned()));
    }
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none());
    let http = http.build().map_err(io::Error::other)?;
    let form = [("name", "bench"), ("password", PASSWORD), ("next", "/")];
    let login = http.post(format!("http://{}/login", daemon.address)).form(&form);
    let answer = login.send().await.map_err(io::Error::other)?;
    let set = answer.headers().get(SET_COOKIE).and_then(|value| value.to_str().ok());
    let cookie = set.and_then(|set| set.split(';').next()).map(str::to_owned);
    cookie.ok_or_else(|| io::Error::other(format!("nobody was let in: {}", answer.status())))
}
