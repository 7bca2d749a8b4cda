//! A real browser: Debian's chromium, headless, driven through chromedriver. Invariant: what waits, waits
//! for something to be so and not for time to pass; both programs end with the test; a script error or a
//! refused resource on any page fails the test that asks [`Browser::end`].

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use thirtyfour::prelude::*;

const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(40);
/// Of a picture.
const HIGHEST: u32 = 4000;
/// What the accessibility checks are.
const RULES: &str = include_str!("accessibility.js");

pub const DESK: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (390, 844);

/// One browser window.
pub struct Browser {
    pub driver: WebDriver,
    chromedriver: Child,
    profile: TempDir,
    base: String,
    /// What the console said until now.
    said: Vec<String>,
}

impl Browser {
    /// A window of that size on the pages at `base`.
    pub async fn open(base: &str, size: (u32, u32)) -> Self {
        // The driver's client wants one, though it speaks plain HTTP.
        let _known = rustls::crypto::ring::default_provider().install_default();
        let profile = tempfile::tempdir().expect("a folder");
        let (chromedriver, port) = chromedriver();
        let capabilities = capabilities(&profile, size);
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await;
        let driver = driver.expect("chromium starts");
        let base = base.to_owned();
        let browser = Self { driver, chromedriver, profile, base, said: Vec::new() };
        browser.resize(size).await;
        browser
    }

    /// The page is as wide as that, whatever the window's frame takes.
    pub async fn resize(&self, (width, height): (u32, u32)) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// `light` or `dark`, as the system of the person says.
    pub async fn theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    async fn devtools(&self, command: &str, with: Value) {
        self.driver.cdp().send_raw(command, with).await.expect(command);
    }

    pub async fn go(&mut self, path: &str) {
        self.listen().await;
        self.driver.goto(format!("{}{path}", self.base)).await.expect("the page comes");
    }

    /// Path and query of the page.
    pub async fn place(&self) -> String {
        let url = self.driver.current_url().await.expect("an address").to_string();
        url.strip_prefix(&self.base).unwrap_or(&url).to_owned()
    }

    /// What a script answers; it is the body of a function.
    pub async fn script(&self, body: &str) -> Value {
        let answer = self.driver.execute(body, Vec::new()).await;
        answer.unwrap_or_else(|error| panic!("{body}: {error}")).json().clone()
    }

    /// Waits until an expression holds.
    pub async fn until(&self, what: &str) {
        let begun = Instant::now();
        loop {
            // While a page is being replaced there is nothing to ask.
            let answer = self.driver.execute(format!("return !!({what})"), Vec::new()).await;
            if answer.is_ok_and(|held| *held.json() == json!(true)) {
                return;
            }
            if begun.elapsed() > PATIENCE {
                let page = self.text("body").await;
                panic!("never: {what}\non {}\n{page}", self.place().await);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the page has this text.
    pub async fn sees(&self, text: &str) {
        let text = Value::from(text);
        self.until(&format!("document.body && document.body.innerText.includes({text})")).await;
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let script = format!(
            "const found = document.querySelector({}); return found ? found.innerText : ''",
            Value::from(selector)
        );
        self.script(&script).await.as_str().unwrap_or_default().to_owned()
    }

    async fn find(&self, selector: &str) -> WebElement {
        let quoted = Value::from(selector);
        self.until(&format!("document.querySelector({quoted})")).await;
        self.driver.find(By::Css(selector.to_owned())).await.expect(selector)
    }

    /// Types into a field, in place of what is there.
    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.expect("a field");
        field.send_keys(text).await.expect("a field");
    }

    /// Presses keys where the focus is.
    pub async fn keys(&self, keys: &str) {
        let focused = self.driver.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("it takes keys");
    }

    /// Clicks as a person does: what is covered or outside the page cannot be clicked.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        element.scroll_into_view().await.expect("it is on the page");
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Clicks what leads to another page, and waits for that.
    pub async fn follow(&mut self, selector: &str) {
        self.listen().await;
        self.script("window.leftBehind = true").await;
        self.click(selector).await;
        self.until("!window.leftBehind && document.readyState === 'complete'").await;
    }

    /// What a person who sees badly, or has no mouse, would stumble over on this page.
    pub async fn accessibility(&self) -> Vec<String> {
        let mut found = self.script(RULES).await;
        // The checks of others too, where they are at hand.
        if let Some(axe) = std::env::var_os("LEADLINK_AXE") {
            let source = std::fs::read_to_string(&axe).expect("the script of LEADLINK_AXE");
            self.script(&source).await;
            let run = "const done = arguments[arguments.length - 1]; \
                axe.run().then(r => done(r.violations.map(v => v.id + ': ' + v.help + ' ' + \
                v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | '))))";
            let more = self.driver.execute_async(run, Vec::new()).await.expect("axe runs");
            let more = more.json().as_array().cloned().unwrap_or_default();
            found.as_array_mut().expect("a list").extend(more);
        }
        let lines = found.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The picture of the whole page, where `LEADLINK_PICTURES` names a folder.
    pub async fn picture(&self, name: &str, (width, height): (u32, u32)) {
        let Some(folder) = std::env::var_os("LEADLINK_PICTURES") else { return };
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let whole = self.script("return document.documentElement.scrollHeight").await;
        let whole = whole.as_u64().and_then(|whole| u32::try_from(whole).ok()).unwrap_or(height);
        self.resize((width, whole.clamp(height, HIGHEST))).await;
        let file = folder.join(format!("{name}.png"));
        self.driver.screenshot(&file).await.expect("a picture");
        self.resize((width, height)).await;
    }

    async fn listen(&mut self) {
        let entries = self.driver.browser_log().await.expect("the browser's log");
        let grave = entries.iter().map(|entry| format!("{entry:?}"));
        self.said.extend(grave.filter(|line| {
            let line = line.to_lowercase();
            line.contains("severe") || line.contains("warning")
        }));
    }

    /// Ends it; answers what its console had complained of.
    pub async fn end(mut self) -> Vec<String> {
        self.listen().await;
        std::mem::take(&mut self.said)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _killed = self.chromedriver.kill();
        let _gone = self.chromedriver.wait();
        // Chromium is in a group of its own; its profile's folder stands in its command line.
        let profile = self.profile.path().display().to_string();
        let _killed = Command::new("pkill").args(["-KILL", "-f", &profile]).status();
    }
}

/// The driver on a port that it chose itself.
fn chromedriver() -> (Child, u16) {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        // Dates are written as people here do.
        .env("LANGUAGE", "ru")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed (Debian: chromium-driver)");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    while let Some(Ok(line)) = lines.next() {
        let port = line.split("started successfully on port ").nth(1);
        if let Some(port) = port.and_then(|rest| rest.trim_end_matches('.').parse().ok()) {
            // It would end of what it says later, if nobody listened.
            std::thread::spawn(move || lines.for_each(drop));
            return (child, port);
        }
    }
    let _ended = child.wait();
    panic!("chromedriver did not start");
}

fn capabilities(profile: &TempDir, (width, height): (u32, u32)) -> Capabilities {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--disable-quic".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--lang=ru".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
        format!("--window-size={width},{height}"),
    ];
    let options = json!({ "args": arguments, "prefs": { "intl.accept_languages": "ru" } });
    let mut capabilities = Capabilities::new();
    capabilities.set("browserName".to_owned(), json!("chrome")).expect("a capability");
    capabilities.set("goog:chromeOptions".to_owned(), options).expect("a capability");
    capabilities
        .set("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }))
        .expect("a capability");
    capabilities
}
