//! The chats: samples as snapshots, and the account against the stand-in of the gateway.

use super::*;
use crate::connectors::files::{FileRef, Files, NoFile};
use crate::connectors::http::{Broken, FileStream};
use crate::connectors::messengers::Messengers;
use crate::diagnosis::Severity;
use crate::domain::MessengerOffer;
use crate::sandbox::mg::messages::From;
use crate::sandbox::mg::people::{Attached, Writing};
use crate::sandbox::{Fault, Options, Rule, Sandbox, Side};
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const SETTINGS: &str = "name = \"Main shop\"\npublic = \"https://leadlink.example.test\"\n\
    chat_requests_per_second = 1000\n\
    [connections.shop.channels.telegram-main]\nsite = \"main\"\nname = \"Our bot\"\n\
    [connections.shop.channels.whatsapp-main]\nsite = \"main\"\nname = \"Our phone\"\norder_method = \"messenger\"\n";

const BOT: MessengerOffer = MessengerOffer {
    kind: "telegram",
    text: 4096,
    caption: 1024,
    files: true,
    edits: true,
    deletes: true,
    delivered: false,
    read: false,
    by_phone: false,
};

const PHONE: MessengerOffer = MessengerOffer {
    kind: "whatsapp",
    text: 65_536,
    caption: 3000,
    files: true,
    edits: false,
    deletes: false,
    delivered: true,
    read: true,
    by_phone: true,
};

static BOT_OFFER: Offer = offer_of("telegram", BOT);
static PHONE_OFFER: Offer = offer_of("whatsapp", PHONE);

const fn offer_of(connector: &'static str, messenger: MessengerOffer) -> Offer {
    Offer { connector, events: &[], queries: &[], operations: &[], messenger: Some(messenger) }
}

/// A messenger that has files: `name` of as many bytes as its id says.
struct Messenger {
    offer: &'static Offer,
    opened: AtomicUsize,
}

#[async_trait]
impl Connector for Messenger {
    fn offer(&self) -> &'static Offer {
        self.offer
    }
    fn admits(&self, _: &str) -> bool {
        false
    }
    fn dedupe_key(&self, _: &str, _: &[u8], _: Timestamp) -> String {
        String::new()
    }
    fn parse(&self, _: &Raw) -> Result<Vec<Event>, Unreadable> {
        Ok(Vec::new())
    }
    async fn open(&self, file: &FileRef) -> Result<FileStream, NoFile> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let size: usize = file.id.parse().map_err(|_| NoFile::Never("it is gone".to_owned()))?;
        let chunks = (0..size.div_ceil(65_536)).map(move |at| {
            let rest = size - at * 65_536;
            Ok::<_, Broken>(axum::body::Bytes::from(vec![7_u8; rest.min(65_536)]))
        });
        let chunks = futures_util::stream::iter(chunks).boxed();
        let (name, mime) = (file.name.clone(), "image/png".to_owned());
        Ok(FileStream { name, mime, size: Some(size as u64), chunks })
    }
    async fn ask(&self, _: &Query, _: Timestamp) -> Answer {
        Answer::Refused(String::new())
    }
    async fn perform(&self, _: &Effect, _: Timestamp) -> Outcome {
        Outcome::Refused(String::new())
    }
    async fn look(&self, _: &Effect, _: Timestamp, _: Timestamp) -> Look {
        Look::Absent
    }
    fn preview(&self, _: &Effect) -> Preview {
        Preview { method: "GET", path: String::new(), fields: Vec::new() }
    }
    async fn check(&self) -> Vec<Problem> {
        Vec::new()
    }
    async fn probe(&self) -> Result<(), Delay> {
        Ok(())
    }
    fn limit_group(&self) -> &str {
        "messenger"
    }
    fn pace(&self) -> f64 {
        1.0
    }
}

pub fn unlimited() -> Options {
    Options { crm_rps: None, ..Options::default() }
}

/// An account with two messengers beside it.
pub struct House {
    pub shop: Arc<Account>,
    /// Connectors are held weakly by the registry of files.
    _all: BTreeMap<String, Arc<dyn Connector>>,
}

impl House {
    pub fn at(url: &str, key: &str, extra: &str) -> Self {
        let text = format!(
            "url = \"{url}\"\napi_key = \"{key}\"\nhook_secret = \"0123456789abcdef/hook\"\n\
             requests_per_second = 1000\n{extra}{SETTINGS}"
        );
        let mut section = Section::from_toml("shop", &text);
        let config = Config::read("shop", &mut section).unwrap();
        let problems = section.finish();
        assert!(!crate::diagnosis::has_errors(&problems), "{problems:?}");
        let (files, messengers) = (Files::default(), Messengers::default());
        let limits = http::Limits::default();
        let shop = Arc::new(Account::new(config, &limits, &files, &messengers).unwrap());
        let messenger = |offer| -> Arc<dyn Connector> {
            Arc::new(Messenger { offer, opened: AtomicUsize::new(0) })
        };
        let mut all = BTreeMap::from([
            ("telegram-main".to_owned(), messenger(&BOT_OFFER)),
            ("whatsapp-main".to_owned(), messenger(&PHONE_OFFER)),
        ]);
        all.insert("shop".to_owned(), Arc::clone(&shop) as Arc<dyn Connector>);
        files.tell(&all);
        messengers.tell(&all);
        Self { shop, _all: all }
    }

    pub fn of(crm: &Sandbox) -> Self {
        Self::at(&crm.crm_url(), crm.api_key(), "")
    }
}

fn now() -> Timestamp {
    crate::clock::Clock::default().now()
}

fn raw(body: &str) -> Raw {
    Raw {
        id: 1,
        connection: "shop".into(),
        channel: "hook".into(),
        content_type: String::new(),
        body: body.as_bytes().to_vec(),
        dedupe_key: String::new(),
        received: "2026-11-20T10:00:00Z".parse().unwrap(),
    }
}

fn body_of(sample: &Value, account: &Account) -> String {
    match sample {
        Value::String(form) => form.replace("CLIENT", &account.chats.as_ref().unwrap().client_id()),
        json => json.to_string(),
    }
}

#[test]
fn words_at_the_door_become_events() {
    let house = House::at("https://shop.retailcrm.ru", "0123456789abcdef-the-key", "");
    house
        .shop
        .chats
        .as_ref()
        .unwrap()
        .know_for_test(&[("telegram-main", 101), ("whatsapp-main", 102)]);
    let mut shown = String::new();
    for (name, sample) in samples("chats") {
        let body = body_of(&sample, &house.shop);
        writeln!(shown, "## {name}").unwrap();
        let vouched = house.shop.vouched(&[], body.as_bytes());
        let reply = house.shop.reply("", body.as_bytes());
        writeln!(shown, "reply {}, vouched {vouched}", json!(reply)).unwrap();
        match house.shop.parse(&raw(&body)) {
            Ok(events) => {
                for event in events {
                    let open = if event.provisional { " (provisional)" } else { "" };
                    writeln!(shown, "{} {}{open}", event.kind, event.key).unwrap();
                    let fields = serde_json::to_string_pretty(&event.fields).unwrap();
                    writeln!(shown, "{fields}").unwrap();
                }
            }
            Err(why) => writeln!(shown, "unreadable: {why}").unwrap(),
        }
    }
    insta::assert_snapshot!("chats", shown);
}

#[test]
fn effects_of_the_chats_become_requests() {
    let house = House::at("https://shop.retailcrm.ru", "0123456789abcdef-the-key", "");
    house.shop.chats.as_ref().unwrap().know_for_test(&[("telegram-main", 101)]);
    let mut shown = String::new();
    for (name, effect) in samples("chat-effects") {
        let effect: Effect = serde_json::from_value(effect).unwrap();
        let preview = house.shop.preview(&effect);
        writeln!(shown, "## {name}\n{} {}", preview.method, preview.path).unwrap();
        for (field, text) in preview.fields {
            writeln!(shown, "{field} = {text}").unwrap();
        }
    }
    insta::assert_snapshot!("chat_effects", shown);
}

#[test]
fn what_a_channel_can_do_follows_from_its_messenger() {
    let shown = [BOT, PHONE].map(|offer| chats::settings_for_test(&offer));
    insta::assert_snapshot!("channel_settings", serde_json::to_string_pretty(&shown).unwrap());
}

#[test]
fn settings_that_cannot_work_are_problems() {
    let base = "url = \"https://shop.retailcrm.ru\"\napi_key = \"0123456789abcdef-key\"\n";
    let hook = "hook_secret = \"0123456789abcdef-hook\"\n";
    let public = "public = \"https://leadlink.example.test\"\n";
    let channel = "[connections.shop.channels.bot]\nsite = \"main\"\nname = \"Our bot\"\n";
    for (text, wanted) in [
        (
            format!("{hook}{public}[connections.shop.channels.bot]\nname = \"Our bot\"\n"),
            "channels.bot.site",
        ),
        (
            format!("{hook}{public}[connections.shop.channels.bot]\nsite = \"main\"\n"),
            "channels.bot.name",
        ),
        (format!("{hook}{public}{channel}type = \"pigeon\"\n"), "channels.bot.type"),
        (format!("{hook}{public}{channel}stor = \"x\"\n"), "stor"),
        (format!("{hook}{public}chats = true\n"), "no messenger has a channel"),
        (format!("{hook}{channel}"), "public: is missing"),
        (format!("{hook}public = \"http://example.test\"\n{channel}"), "public"),
        (format!("{public}{channel}"), "chats need a hook"),
        (format!("{hook}{public}module = \"other\"\n{channel}"), "module"),
        (format!("{hook}{public}chat_requests_per_second = 0\n{channel}"), "chat_requests"),
    ] {
        let mut section = Section::from_toml("shop", &format!("{base}{text}"));
        let config = Config::read("shop", &mut section);
        let problems = section.finish();
        assert!(config.is_some(), "the orders go on");
        assert!(
            problems.iter().any(|found| found.title.contains(wanted)),
            "{wanted}: {problems:?}"
        );
    }
}

#[test]
fn a_text_comes_in_as_many_parts_as_its_messenger_needs() {
    let house = House::at("https://shop.retailcrm.ru", "0123456789abcdef-the-key", "");
    let chats = house.shop.chats.as_ref().unwrap();
    chats.know_for_test(&[("telegram-main", 101), ("whatsapp-main", 102)]);
    let said = |channel: u64, more: Value| {
        let mut word = json!({"type": "message_sent", "meta": {"timestamp": 1_763_719_203},
            "data": {"id": 9, "external_user_id": "4711", "channel_id": channel, "type": "text"}});
        for (name, value) in more.as_object().unwrap() {
            word["data"][name] = value.clone();
        }
        raw(&word.to_string())
    };
    let parts = |channel, more| {
        let events = house.shop.parse(&said(channel, more)).unwrap();
        let parts = events[0].fields.get("parts").cloned().unwrap_or_default();
        serde_json::from_value::<Vec<String>>(parts).unwrap_or_default()
    };
    // 1900 smiles are few characters, and 3800 units in each of two lines.
    let smiles = format!("{}\n{}", "😀 ".repeat(950), "😀 ".repeat(950));
    let two = parts(101, json!({ "content": smiles }));
    let units: Vec<usize> = two.iter().map(|part| part.encode_utf16().count()).collect();
    assert_eq!(units, [2849, 2849], "at the line");
    assert_eq!(parts(102, json!({ "content": smiles })).len(), 1);
    assert!(parts(101, json!({ "content": "", "items": [{"id": "a-1"}] })).is_empty());
    let card = json!({"content": "Смотрите", "product": {"name": "Окно", "article": "W-1"}});
    assert_eq!(parts(101, card), ["Смотрите\nОкно (W-1)"]);

    // RC-11: counted without white space, refused at the door, and no event then.
    let fits = said(101, json!({ "content": "ы \n".repeat(2000) }));
    assert_eq!(house.shop.reply("", &fits.body), Some(json!({ "async": true })));
    let long = said(101, json!({ "content": "ы".repeat(2001) }));
    let why = "the text has 2001 characters without white space; 2000 are allowed";
    let refusal = json!({ "error": { "code": "general", "message": why } });
    assert_eq!(house.shop.reply("", &long.body), Some(refusal));
    assert!(house.shop.parse(&long).unwrap().is_empty());
    let loose =
        House::at("https://shop.retailcrm.ru", "0123456789abcdef-key", "longest_text = 9999\n");
    assert_eq!(loose.shop.reply("", &long.body), Some(json!({ "async": true })));
}

#[tokio::test]
async fn what_a_person_writes_at_length_comes_in_several_messages_once() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::of(&crm);
    house.shop.setup().await.unwrap();
    let line = format!("{}\n", "ы".repeat(1500));
    let long = post("m1", json!({ "text": line.repeat(3), "reply_to": "m0" }));
    // The second of three meets trouble; what is there already is not written twice.
    crm.add_fault(Rule::next(Side::Chats, Fault::LostAnswer, "messages", 1));
    let outcome = house.shop.perform(&long, now()).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    done(&house, &long).await;
    done(&house, &long).await;
    let ledger = crm.ledger();
    let messages = &ledger.conversation("telegram-main", "4711").unwrap().messages;
    let ids: Vec<_> =
        messages.iter().map(|message| message.external_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["m1", "m1:2", "m1:3"]);
    assert!(messages.iter().all(|message| message.text.chars().count() == 1500));
    let quotes: Vec<_> = messages.iter().filter_map(|message| message.quote.as_deref()).collect();
    assert_eq!(quotes, ["m0"]);
    // With a file the first part is its note.
    let file =
        json!({ "connection": "telegram-main", "id": "9", "name": "a.png", "kind": "image" });
    done(&house, &post("m2", json!({ "text": line.repeat(2), "files": [file] }))).await;
    let ledger = crm.ledger();
    let messages = &ledger.conversation("telegram-main", "4711").unwrap().messages;
    let last: Vec<_> =
        messages[3..].iter().map(|held| (held.kind.as_str(), held.files.len())).collect();
    assert_eq!(last, [("image", 1), ("text", 0)]);
}

#[tokio::test]
async fn setup_makes_module_and_channels_once() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::of(&crm);
    let problems = house.shop.check().await;
    assert!(problems.iter().any(|found| found.title.contains("no module")), "{problems:?}");
    let lines = house.shop.setup().await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.contains("created (")).count(), 2, "{lines:?}");
    let again = House::of(&crm).shop.setup().await.unwrap();
    assert_eq!(again.iter().filter(|line| line.contains("updated (")).count(), 2, "{again:?}");
    assert_eq!(crm.ledger().channels.len(), 2);
    let problems = house.shop.check().await;
    assert!(problems.iter().all(|found| found.severity != Severity::Error), "{problems:?}");
}

#[tokio::test]
async fn what_could_not_run_is_refused_with_the_reason() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    crm.set_switches(|switches| switches.chats = false);
    let why = House::of(&crm).shop.setup().await.unwrap_err().why;
    assert!(why.contains("switch on chats in the CRM"), "{why}");

    let stores = [("main", 10), ("second", 20)].map(|(code, ordering)| crate::sandbox::Store {
        code: code.into(),
        name: code.into(),
        ordering,
    });
    let crm = Sandbox::start(Options { stores: stores.into(), ..unlimited() }).await.unwrap();
    let why = House::of(&crm).shop.setup().await.unwrap_err().why;
    assert!(why.contains("sees several stores: main, second"), "{why}");
    let house = House::at(&crm.crm_url(), &crm.site_key(), "");
    house.shop.setup().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_may_not_run_waits_and_says_why() {
    // ID-3: one store, one key, at run time too; the whole connection waits for a person.
    let store =
        |code: &str| crate::sandbox::Store { code: code.into(), name: code.into(), ordering: 10 };
    let stores = vec![store("main"), store("second")];
    let crm = Sandbox::start(Options { stores, ..unlimited() }).await.unwrap();
    House::at(&crm.crm_url(), &crm.site_key(), "").shop.setup().await.unwrap();
    let house = House::of(&crm);
    let outcome = house.shop.perform(&post("m1", json!({})), now()).await;
    let Outcome::Later(delay) = outcome else { panic!("{outcome:?}") };
    assert_eq!(delay.whose, crate::domain::Whose::Setup);
    assert!(delay.why.contains("the key sees several stores: main, second"), "{}", delay.why);
    let first = now();
    let poll = Poll { feed: "orders", cursor: None, first_start: first, now: first };
    let why = house.shop.poll(&poll).await.unwrap_err().why;
    assert!(why.contains("several stores are several connections"), "{why}");
    let problems = house.shop.check().await;
    assert!(problems.iter().any(|found| found.title.contains("several stores")), "{problems:?}");

    // RC-2: a store that the key does not see.
    let crm = Sandbox::start(Options { stores: vec![store("second")], ..unlimited() });
    let crm = crm.await.unwrap();
    let house = House::of(&crm);
    let why = house.shop.setup().await.unwrap_err().why;
    assert!(why.contains("telegram-main.site: the key does not see the store `main`"), "{why}");
    let problems = house.shop.check().await;
    assert!(problems.iter().any(|found| found.title.contains("does not see")), "{problems:?}");

    // RC-1: chats that nobody has switched on. Messages wait; orders go on.
    let crm = Sandbox::start(unlimited()).await.unwrap();
    crm.set_switches(|switches| switches.chats = false);
    let house = House::of(&crm);
    let outcome = house.shop.perform(&post("m1", json!({})), now()).await;
    let Outcome::Later(delay) = outcome else { panic!("{outcome:?}") };
    assert_eq!(delay.whose, crate::domain::Whose::Item);
    assert!(delay.why.contains("the CRM has no module leadlink-shop"), "{}", delay.why);
    let problems = house.shop.check().await;
    assert!(
        problems.iter().any(|found| found.mend.starts_with("switch on chats in the CRM")),
        "{problems:?}"
    );
}

pub fn effect(operation: &str, input: Value) -> Effect {
    Effect {
        connection: "shop".into(),
        operation: operation.into(),
        input: input.as_object().unwrap().clone(),
        key: "message:1".into(),
    }
}

pub fn post(id: &str, more: Value) -> Effect {
    let mut input = json!({
        "channel": "telegram-main", "chat": "4711", "id": id, "text": "Здравствуйте",
        "person": { "id": "4711", "nickname": "anna" },
    });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    effect("message.post", input)
}

pub async fn done(house: &House, effect: &Effect) -> Value {
    match house.shop.perform(effect, now()).await {
        Outcome::Done(output) => output,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_conversation_is_written_down_once_and_in_order() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    House::of(&crm).shop.setup().await.unwrap();
    // Another process learns the gateway from the CRM.
    let house = House::of(&crm);
    assert_eq!(done(&house, &post("m1", json!({}))).await, json!({ "id": "1" }));
    // Our own echo, a quote, the same once more, a lost answer.
    let own = json!({ "originator": "channel", "reply_to": "m1", "text": "Мы" });
    done(&house, &post("m2", own)).await;
    assert_eq!(done(&house, &post("m1", json!({}))).await, json!({ "id": null }));
    crm.add_fault(Rule::next(Side::Chats, Fault::LostAnswer, "messages", 1));
    let lost = post("m3", json!({ "text": "три" }));
    let outcome = house.shop.perform(&lost, now()).await;
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert!(house.shop.guarded(&lost));
    assert_eq!(house.shop.look(&lost, now(), now()).await, Look::Absent);
    assert_eq!(done(&house, &lost).await, json!({ "id": null }));

    done(
        &house,
        &effect(
            "message.change",
            json!({ "channel": "telegram-main", "id": "m1", "text": "Привет" }),
        ),
    )
    .await;
    let gone = effect("message.remove", json!({ "channel": "telegram-main", "id": "m3" }));
    done(&house, &gone).await;
    let never = effect("message.remove", json!({ "channel": "telegram-main", "id": "m9" }));
    done(&house, &never).await;

    let ledger = crm.ledger();
    let conversation = ledger.conversation("telegram-main", "4711").unwrap();
    let told: Vec<_> = conversation
        .messages
        .iter()
        .map(|message| {
            (
                message.external_id.as_deref().unwrap(),
                message.text.as_str(),
                message.from,
                message.deleted,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("m1", "Привет", From::Customer, false),
            ("m2", "Мы", From::Channel, false),
            ("m3", "три", From::Customer, true),
        ]
    );
    assert_eq!(conversation.messages[1].quote.as_deref(), Some("m1"));
}

#[tokio::test]
async fn files_go_through_as_streams_and_what_cannot_leaves_a_line() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::of(&crm);
    house.shop.setup().await.unwrap();
    let file = |id: &str, kind: &str| json!({ "connection": "telegram-main", "id": id, "name": format!("{id}.png"), "kind": kind });
    let files = json!({ "files": [file("300000", "image"), file("2", "image")] });
    done(&house, &post("m1", files)).await;
    let largest = 20 * 1024 * 1024;
    let files = json!({ "files": [
        file(&largest.to_string(), "file"), file(&(largest + 1).to_string(), "file"),
        file("gone", "file"),
    ] });
    done(&house, &post("m2", files)).await;
    let ledger = crm.ledger();
    let messages = &ledger.conversation("telegram-main", "4711").unwrap().messages;
    assert_eq!((messages[0].kind.as_str(), messages[0].files.len()), ("image", 2));
    assert_eq!((messages[1].kind.as_str(), messages[1].files.len()), ("file", 1));
    let text = &messages[1].text;
    assert!(text.contains("[20971521.png: larger than 20 MB]"), "{text}");
    assert!(text.contains("[gone.png: it is gone]"), "{text}");
}

/// The bodies that a door got.
async fn door() -> (String, Arc<Mutex<Vec<String>>>) {
    let got: Arc<Mutex<Vec<String>>> = Arc::default();
    let held = Arc::clone(&got);
    let keep = move |body: String| {
        held.lock().unwrap().push(body);
        async { axum::Json(json!({ "async": true })) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(keep);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), got)
}

async fn told(got: &Arc<Mutex<Vec<String>>>, count: usize) -> Vec<String> {
    for _ in 0..500 {
        if got.lock().unwrap().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    got.lock().unwrap().clone()
}

#[tokio::test]
async fn what_a_manager_writes_comes_in_and_its_fate_goes_back() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let (public, got) = door().await;
    let text = format!(
        "url = \"{}\"\napi_key = \"{}\"\nhook_secret = \"0123456789abcdef/hook\"\n\
         requests_per_second = 1000\n{}",
        crm.crm_url(),
        crm.api_key(),
        SETTINGS.replace("https://leadlink.example.test", &public),
    );
    let mut section = Section::from_toml("shop", &text);
    let config = Config::read("shop", &mut section).unwrap();
    assert_eq!(config.hook_secret.as_ref().unwrap().expose_secret(), "0123456789abcdef/hook");
    let (files, messengers) = (Files::default(), Messengers::default());
    let shop =
        Arc::new(Account::new(config, &http::Limits::default(), &files, &messengers).unwrap());
    let bot: Arc<dyn Connector> =
        Arc::new(Messenger { offer: &BOT_OFFER, opened: AtomicUsize::new(0) });
    let phone: Arc<dyn Connector> =
        Arc::new(Messenger { offer: &PHONE_OFFER, opened: AtomicUsize::new(0) });
    let all = BTreeMap::from([
        ("telegram-main".to_owned(), bot),
        ("whatsapp-main".to_owned(), phone),
        ("shop".to_owned(), Arc::clone(&shop) as Arc<dyn Connector>),
    ]);
    files.tell(&all);
    messengers.tell(&all);
    shop.setup().await.unwrap();
    let house = House { shop, _all: all };

    done(&house, &post("m1", json!({}))).await;
    let writing = |text: &str| Writing {
        channel: "telegram-main".into(),
        chat: "4711".into(),
        text: text.into(),
        ..Writing::default()
    };
    let first = crm.write(writing("один")).unwrap();
    let picture = Attached { name: "a.png".into(), mime: "image/png".into(), size: 70_000 };
    let second = crm.write(Writing { files: vec![picture], ..writing("") }).unwrap();
    assert!(crm.write(writing(&"ы".repeat(2001))).is_err(), "RC-11");
    let bodies = told(&got, 2).await;
    assert_eq!(bodies.len(), 2);
    let events: Vec<Event> =
        bodies.iter().flat_map(|body| house.shop.parse(&raw(body)).unwrap()).collect();
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.key.as_str(), event.fields["channel"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [(&*format!("mg:{first}"), "telegram-main"), (&*format!("mg:{second}"), "telegram-main")]
    );
    assert_eq!(events[0].fields["text"], "один");

    // The file, as a messenger would read it.
    let file: FileRef = serde_json::from_value(events[1].fields["files"][0].clone()).unwrap();
    let mut stream = house.shop.open(&file).await.unwrap();
    assert_eq!((stream.mime.as_str(), file.kind.as_str()), ("image/png", "image"));
    let mut size = 0;
    while let Some(chunk) = stream.chunks.next().await {
        size += chunk.unwrap().len();
    }
    assert_eq!(size, 70_000);
    let gone = FileRef { id: "0000-no-such".into(), ..file };
    assert!(matches!(house.shop.open(&gone).await, Err(NoFile::Never(_))));

    // One is delivered and read, the other not sent.
    let channel = "telegram-main";
    let ack = json!({ "channel": channel, "origin": first.to_string(), "id": "tg-5" });
    done(&house, &effect("message.ack", ack)).await;
    done(&house, &effect("message.read", json!({ "channel": channel, "id": "tg-5" }))).await;
    let why = "customer_not_exists: the person blocked the bot";
    let ack = json!({ "channel": channel, "origin": second.to_string(), "error": why });
    done(&house, &effect("message.ack", ack)).await;
    let ledger = crm.ledger();
    let messages = &ledger.conversation(channel, "4711").unwrap().messages;
    assert_eq!(messages[1].states, ["sending", "sent", "seen"]);
    assert_eq!(messages[2].states, ["sending", "failed"]);
    assert_eq!(messages[2].error.as_ref().unwrap().0, "customer_not_exists");

    // A manager read what the person wrote; it has the messenger's own id.
    crm.act(1, "read", None).unwrap();
    let read = told(&got, 3).await.pop().unwrap();
    let event = house.shop.parse(&raw(&read)).unwrap().pop().unwrap();
    assert_eq!((event.kind.as_str(), &event.fields["external"]), ("message.read", &json!("m1")));

    // What is edited names the messenger's id; a process that knows no channel yet asks.
    crm.act(first, "edit", Some("раз")).unwrap();
    let edited = told(&got, 4).await.pop().unwrap();
    let stranger = House::of(&crm);
    let event = stranger.shop.parse(&raw(&edited)).unwrap().pop().unwrap();
    assert!(event.provisional && !event.fields.contains_key("channel"));
    let Completion::Fuller(fuller) = stranger.shop.complete(&event, now()).await.unwrap() else {
        panic!("not completed");
    };
    assert_eq!(
        (&fuller.fields["channel"], &fuller.fields["external"]),
        (&json!(channel), &json!("tg-5"))
    );
    let mut merged = event.clone();
    assert!(merged.fill_from(&fuller));
    assert!(!merged.provisional && merged.aliases.is_empty());
    // What was told before the channel was known comes in parts all the same.
    assert_eq!(merged.fields["parts"], json!(["раз"]));
}

#[tokio::test]
async fn a_module_that_is_switched_off_says_so_and_comes_back() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::of(&crm);
    house.shop.setup().await.unwrap();
    // The answer of the door is none of this test.
    drop(crm.switch_module("leadlink-shop", false).await);
    let outcome = house.shop.perform(&post("m1", json!({})), now()).await;
    let Outcome::Later(delay) = outcome else { panic!("{outcome:?}") };
    assert!(delay.why.contains("switched off in the CRM"), "{}", delay.why);
    assert_eq!(delay.whose, crate::domain::Whose::Item, "orders go on");
    let problems = house.shop.check().await;
    assert!(problems.iter().any(|found| found.title.contains("is switched off")), "{problems:?}");
    drop(crm.switch_module("leadlink-shop", true).await);
    done(&house, &post("m1", json!({}))).await;
}

#[tokio::test]
async fn refusals_and_troubles_are_told_apart() {
    let crm = Sandbox::start(unlimited()).await.unwrap();
    let house = House::of(&crm);
    house.shop.setup().await.unwrap();
    for (fault, later) in [
        (Fault::Error429, true),
        (Fault::ResetBefore, false),
        (Fault::Html502, false),
        (Fault::Garbage, false),
    ] {
        crm.add_fault(Rule::next(Side::Chats, fault, "messages", 1));
        let outcome = house.shop.perform(&post("m1", json!({})), now()).await;
        let fits = match &outcome {
            Outcome::Later(_) => later,
            Outcome::Unknown(_) => !later,
            _ => false,
        };
        assert!(fits, "{fault:?}: {outcome:?}");
    }
    let long = json!({ "chat": "4".repeat(65) });
    let outcome = house.shop.perform(&post("m2", long), now()).await;
    let Outcome::Refused(why) = outcome else { panic!("{outcome:?}") };
    assert_eq!(why, "external_chat_id: value is too long");
    let other = effect("message.post", json!({ "channel": "pigeon", "id": "1" }));
    assert!(matches!(house.shop.perform(&other, now()).await, Outcome::Refused(_)));
    // Without chats the operation is refused, the rest works.
    let bare = account("");
    let outcome = bare.perform(&post("m1", json!({})), now()).await;
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

#[test]
fn nothing_at_the_door_is_refused_since_nobody_would_say_it_again() {
    let house = House::at("https://shop.retailcrm.ru", "0123456789abcdef-the-key", "");
    // Of a word that we cannot use the row stays, and the gateway reads that all is well.
    for body in [
        r#"{"type": "something_new", "data": {}}"#,
        r#"{"type": "message_updated", "data": {"id": 1}}"#,
        r#"{"type": "message_read", "data": {"channel_id": 101}}"#,
    ] {
        assert_eq!(house.shop.reply("", body.as_bytes()), Some(json!({})), "{body}");
        assert!(house.shop.parse(&raw(body)).is_err(), "{body}");
        assert!(house.shop.vouched(&[], body.as_bytes()), "{body}");
    }
    // On, off and on again: three words of one form; the same word twice within a second is one.
    let client = house.shop.chats.as_ref().unwrap().client_id();
    let form = |active: bool| {
        format!("clientId={client}&activity=%7B%22active%22%3A{active}%2C%22freeze%22%3Afalse%7D")
    };
    let key = |active: bool, second: i64| {
        let at = Timestamp::from_second(second).unwrap();
        house.shop.dedupe_key("", form(active).as_bytes(), at)
    };
    let told = [key(true, 1), key(false, 5), key(true, 9)];
    assert!(told[0] != told[1] && told[0] != told[2]);
    assert_eq!(key(true, 1), told[0]);
    assert_eq!(house.shop.reply("", form(true).as_bytes()), Some(json!({ "success": true })));
    // Somebody else's module.
    let other = form(true).replace(&client, "0".repeat(64).as_str());
    assert!(!house.shop.vouched(&[], other.as_bytes()));
}

static BARE: std::sync::LazyLock<House> = std::sync::LazyLock::new(|| {
    House::at("https://shop.retailcrm.ru", "0123456789abcdef-the-key", "")
});

proptest::proptest! {
    #[test]
    fn no_word_at_the_door_panics(
        kind in "(message_sent|message_read|reaction_add|order|)",
        data in "(\\{\"(id|channel_id|items|product|order|attachments)\":).{0,30}\\}?",
    ) {
        let body = format!("{{\"type\":\"{kind}\",\"data\":{data}}}");
        drop(BARE.shop.parse(&raw(&body)));
        drop(BARE.shop.reply("", body.as_bytes()));
        drop(BARE.shop.dedupe_key("", body.as_bytes(), now()));
    }
}
