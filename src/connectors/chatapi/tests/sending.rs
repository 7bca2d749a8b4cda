//! Messages that go out, their answers, and looks after lost ones.

use super::*;
use crate::connectors::files::FileRef;
use crate::domain::Whose;

const SENT: &str = r#"{"sent":true,"id":"true_79990000001@c.us_3EB0","message":"Sent"}"#;

fn hello() -> Effect {
    effect("message.send", json!({ "phone": "+7 999 000-00-01", "text": "Здравствуйте" }))
}

async fn double(answer: (u16, &str)) -> Double {
    let (status, body) = (answer.0, answer.1.to_owned());
    Double::start(
        move |heard| {
            if heard.path.ends_with("/status") { fine() } else { (status, body.clone()) }
        },
    )
    .await
}

#[tokio::test]
async fn a_message_is_one_request_and_its_id_the_gateway_s() {
    let double = double((200, SENT)).await;
    let own = connection(&double.url);
    let done =
        json!({ "id": "true_79990000001@c.us_3EB0", "chat": "79990000001@c.us", "state": "sent" });
    assert_eq!(own.perform(&hello(), now()).await, Outcome::Done(done.clone()));
    let answer = json!({
        "chat": "79990000001@c.us", "text": "Да", "reply_to": "false_79990000001@c.us_3A",
        "buttons": [{ "text": "Беру", "data": "x" }], "mark": "m", "origin": "7",
    });
    assert_eq!(own.perform(&effect("message.send", answer), now()).await, Outcome::Done(done));
    let sent = double.of("sendMessage");
    assert_eq!(sent[0].json(), json!({ "phone": "79990000001", "body": "Здравствуйте" }));
    assert_eq!(
        sent[1].json(),
        json!({
            "chatId": "79990000001@c.us", "body": "Да\n\n• Беру",
            "quotedMsgId": "false_79990000001@c.us_3A",
        })
    );
    assert!(sent.iter().all(|one| one.query["token"] == TOKEN));
    assert_eq!(double.of("status").len(), 1, "the account is asked once in a while");
}

#[tokio::test]
async fn a_refusal_has_its_code_and_no_phone() {
    let text = r#"{"sent":false,"message":"79990000001 is not registered on WhatsApp"}"#;
    let own = connection(&double((200, text)).await.url);
    let why = "customer_not_exists: … is not registered on WhatsApp";
    assert_eq!(own.perform(&hello(), now()).await, Outcome::Refused(why.to_owned()));
    for (input, code) in [
        (json!({ "text": "x" }), "customer_not_exists"),
        (json!({ "text": "x", "phone": "12" }), "customer_not_exists"),
        (json!({ "chat": "1@c.us" }), "general"),
    ] {
        let Outcome::Refused(why) = own.perform(&effect("message.send", input), now()).await else {
            panic!("it is refused")
        };
        assert!(why.starts_with(code), "{why}");
    }
    let edit = effect("message.edit", json!({ "id": "1", "chat": "1@c.us", "text": "x" }));
    assert!(matches!(own.perform(&edit, now()).await, Outcome::Refused(_)));
}

#[tokio::test]
async fn nothing_is_handed_to_an_account_that_is_logged_out() {
    let double =
        Double::start(|_| (200, json!({ "accountStatus": "got qr code" }).to_string())).await;
    let own = connection(&double.url);
    let Outcome::Later(delay) = own.perform(&hello(), now()).await else { panic!("it waits") };
    assert_eq!(delay.whose, Whose::Access);
    assert!(delay.why.contains("QR"), "{}", delay.why);
    assert!(double.of("sendMessage").is_empty());
    assert!(own.probe().await.is_err());
}

#[tokio::test]
async fn an_account_that_is_blamed_is_asked_anew() {
    let double = double((200, r#"{"sent":false,"message":"Account not authorized"}"#)).await;
    let own = connection(&double.url);
    for _ in 0..2 {
        assert!(matches!(own.perform(&hello(), now()).await, Outcome::Later(_)));
    }
    assert_eq!(double.of("status").len(), 2);
}

fn told(id: &str, body: &str, second: i64) -> Value {
    json!({ "id": id, "body": body, "type": "chat", "fromMe": true, "time": now().as_second() + second,
        "chatId": "79990000001@c.us" })
}

#[tokio::test]
async fn a_lost_message_is_found_where_it_can_be_no_other() {
    let found = |messages: Vec<Value>| {
        let body = json!({ "messages": messages, "lastMessageNumber": 9 }).to_string();
        double_of(body)
    };
    let look = async |double: &Double| connection(&double.url).look(&hello(), now(), now()).await;
    let one = told("true_79990000001@c.us_1", "Здравствуйте ", 1);
    let double = found(vec![told("true_79990000001@c.us_0", "Другое", 1), one.clone()]).await;
    let done =
        json!({ "id": "true_79990000001@c.us_1", "chat": "79990000001@c.us", "state": "sent" });
    assert_eq!(look(&double).await, Look::Done(done));
    let asked = &double.of("messages")[0].query;
    assert_eq!(asked["chatId"], "79990000001@c.us");
    assert_eq!(asked["min_time"], (now().as_second() - 5).to_string());

    // An older one, one of theirs, and two that nobody can tell apart.
    let old = told("true_79990000001@c.us_2", "Здравствуйте", -60);
    let mut theirs = told("false_79990000001@c.us_3", "Здравствуйте", 1);
    theirs["fromMe"] = json!(false);
    assert_eq!(look(&found(vec![old, theirs]).await).await, Look::Absent);
    let two = told("true_79990000001@c.us_4", "Здравствуйте", 2);
    assert_eq!(look(&found(vec![one, two]).await).await, Look::Absent);
    assert!(offline().looks(&hello()));
    assert!(!offline().looks(&effect("message.delete", json!({ "id": "1" }))));
    assert!(matches!(offline().look(&hello(), now(), now()).await, Look::Later(_)));
}

async fn double_of(body: String) -> Double {
    Double::start(move |_| (200, body.clone())).await
}

#[tokio::test]
async fn a_message_that_an_answer_named_is_not_found_for_another() {
    let listed = json!({ "messages": [told("true_79990000001@c.us_3EB0", "Здравствуйте", 1)] });
    let double = Double::start(move |heard| match heard.path.rsplit('/').next() {
        Some("status") => fine(),
        Some("messages") => (200, listed.to_string()),
        _ => (200, SENT.to_owned()),
    })
    .await;
    let own = connection(&double.url);
    assert!(matches!(own.perform(&hello(), now()).await, Outcome::Done(_)));
    assert_eq!(own.look(&hello(), now(), now()).await, Look::Absent);
}

#[tokio::test]
async fn a_file_goes_through_as_it_comes() {
    let double = Double::start(|heard| match heard.path.as_str() {
        "/media/one.pdf" => (200, "the bytes of a file".to_owned()),
        "/media/gone.pdf" => (404, "{}".to_owned()),
        path if path.ends_with("/status") => fine(),
        _ => (200, SENT.to_owned()),
    })
    .await;
    let files = Files::default();
    let mut section = Section::from_toml("whatsapp-main", &toml(&double.url));
    let own = build("whatsapp-main", &mut section, &http::Limits::default(), &files);
    let own = own.expect("a connection");
    files.tell(&BTreeMap::from([("whatsapp-main".to_owned(), Arc::clone(&own))]));
    let send = |name: &str| {
        let file = FileRef {
            connection: "whatsapp-main".to_owned(),
            id: format!("{}/media/{name}", double.url),
            name: name.to_owned(),
            mime: String::new(),
            size: None,
            kind: "file".to_owned(),
        };
        let input = json!({ "chat": "79990000001@c.us", "file": file, "caption": "Счёт" });
        effect("file.send", input)
    };
    let done = own.perform(&send("one.pdf"), now()).await;
    assert!(matches!(done, Outcome::Done(_)), "{done:?}");
    let body = &double.of("sendFile")[0].body;
    for part in ["the bytes of a file", "name=\"filename\"", "one.pdf", "Счёт", "79990000001@c.us"]
    {
        assert!(body.contains(part), "{part}: {body}");
    }
    let gone = own.perform(&send("gone.pdf"), now()).await;
    let Outcome::Refused(why) = gone else { panic!("{gone:?}") };
    assert!(why.starts_with("general: the file is gone") && !why.contains("://"), "{why}");
}

#[tokio::test]
async fn links_of_other_machines_are_asked_safely_alone() {
    let own = connection_of("url = \"https://x.test\"\ninstance = \"1\"\ntoken = \"t\"");
    for link in ["http://127.0.0.1:9/a", "file:///etc/passwd", "x"] {
        let file = FileRef {
            connection: "whatsapp-main".to_owned(),
            id: link.to_owned(),
            name: String::new(),
            mime: String::new(),
            size: None,
            kind: String::new(),
        };
        assert!(matches!(own.open(&file).await, Err(NoFile::Never(_))), "{link}");
    }
}
