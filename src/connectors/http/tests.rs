//! The client against a far side that misbehaves, byte by byte.

use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A listener that answers every connection with `bytes` after it has read the request's head, and
/// then does `last`.
struct Double {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone, Copy)]
enum Last {
    Close,
    Reset,
    Stay,
}

async fn double(bytes: impl Into<Vec<u8>>, last: Last) -> Double {
    let bytes = bytes.into();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut held = vec![0; 8192];
            let read = socket.read(&mut held).await.unwrap_or(0);
            hears.lock().unwrap().push(String::from_utf8_lossy(&held[..read]).into_owned());
            if matches!(last, Last::Reset) {
                // Zero linger sends RST instead of FIN.
                socket.set_zero_linger().unwrap();
                continue;
            }
            // The client hangs up on an oversized answer; that is its right.
            let _hung_up = socket.write_all(&bytes).await;
            if matches!(last, Last::Stay) {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        }
    });
    Double { address, heard }
}

fn client(base: &str, timeout: Duration) -> Client {
    let options = Options {
        connection: "shop".into(),
        base: base.into(),
        requests_per_second: 1000.0,
        limit_group: None,
        timeout,
    };
    Client::new(options, &Limits::default()).unwrap()
}

fn get() -> Request {
    Request {
        method: Method::Get,
        template: "/things/{secret}",
        path: "/things/path-secret".into(),
        query: vec![("token".into(), "query-secret".into())],
        headers: vec![("X-API-KEY", "header-secret".to_owned().into())],
        body: Body::Empty,
    }
}

async fn answer(bytes: impl Into<Vec<u8>>, last: Last) -> Result<Response, Failure> {
    let double = double(bytes, last).await;
    client(&double.address, Duration::from_secs(5)).send(get()).await
}

fn assert_says_nothing(failure: &Failure) {
    for secret in ["path-secret", "query-secret", "header-secret"] {
        assert!(!format!("{failure:?}").contains(secret), "{failure:?}");
    }
}

#[tokio::test]
async fn a_whole_answer_is_read_whatever_its_status() {
    let read = answer(
        "HTTP/1.1 460 Odd\r\nContent-Type: a/b\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}",
        Last::Close,
    );
    let read = read.await.unwrap();
    assert_eq!((read.status, read.content_type.as_str(), &read.body[..]), (460, "a/b", &b"{}"[..]));
    assert_eq!(read.retry_after, Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn what_is_sent_is_what_was_asked() {
    let double = double("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Last::Close).await;
    let fields = vec![("order".into(), "{\"a\":\"б &\"}".into())];
    let request = Request { method: Method::Post, body: Body::Form(fields), ..get() };
    client(&double.address, TIMEOUT).send(request).await.unwrap();
    let heard = double.heard.lock().unwrap()[0].clone();
    assert!(
        heard.starts_with("POST /things/path-secret?token=query-secret HTTP/1.1\r\n"),
        "{heard}"
    );
    let lower = heard.to_lowercase();
    assert!(lower.contains("x-api-key: header-secret"), "{heard}");
    assert!(lower.contains("user-agent: leadlink/"), "{heard}");
    assert!(lower.contains("content-type: application/x-www-form-urlencoded"), "{heard}");
    assert!(heard.ends_with("order=%7B%22a%22%3A%22%D0%B1+%26%22%7D"), "{heard}");
}

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = client(&address, TIMEOUT).send(get()).await.unwrap_err();
    assert_eq!(failure.sent, Sent::No, "{failure:?}");
    assert_says_nothing(&failure);
}

#[tokio::test]
async fn a_failed_handshake_was_not_sent() {
    let double = double("this is no TLS", Last::Close).await;
    let https = double.address.replace("http://", "https://");
    // Where this machine has no root certificates there is no https client to test.
    let options = Options {
        connection: "shop".into(),
        base: https,
        requests_per_second: 1000.0,
        limit_group: None,
        timeout: TIMEOUT,
    };
    match Client::new(options, &Limits::default()) {
        Err(why) => assert!(why.contains("ca-certificates"), "{why}"),
        Ok(client) => {
            let failure = client.send(get()).await.unwrap_err();
            assert_eq!(failure.sent, Sent::No, "{failure:?}");
        }
    }
}

#[tokio::test]
async fn broken_answers_may_have_been_acted_on() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":";
    let cases: [(&str, Last); 4] = [
        ("", Last::Reset),
        ("", Last::Close),
        (half, Last::Close),
        ("!! nonsense\r\n\r\n", Last::Close),
    ];
    for (bytes, last) in cases {
        let failure = answer(bytes, last).await.unwrap_err();
        assert_eq!(failure.sent, Sent::Maybe, "{bytes:?}: {failure:?}");
        assert_says_nothing(&failure);
    }
}

#[tokio::test]
async fn a_slow_answer_times_out_as_maybe() {
    for bytes in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"] {
        let double = double(bytes, Last::Stay).await;
        let failure =
            client(&double.address, Duration::from_millis(150)).send(get()).await.unwrap_err();
        assert_eq!(failure.sent, Sent::Maybe, "{failure:?}");
        assert!(failure.why.contains("150 ms"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_oversized_answer_is_cut_off() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    bytes.resize(MOST_BYTES + 1024, b'x');
    let failure = answer(bytes, Last::Close).await.unwrap_err();
    assert_eq!(failure.sent, Sent::Maybe);
    assert!(failure.why.contains("16 MiB"), "{failure:?}");
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(answer(moved, Last::Close).await.unwrap().status, 302);
}

#[test]
fn addresses_are_https_or_this_machine() {
    for (text, good) in [
        ("https://shop.retailcrm.ru/", Some("https://shop.retailcrm.ru")),
        (" https://shop.retailcrm.ru", Some("https://shop.retailcrm.ru")),
        ("https://box.example.com/crm/", Some("https://box.example.com/crm")),
        ("http://127.0.0.1:8081", Some("http://127.0.0.1:8081")),
        ("http://[::1]:8081/", Some("http://[::1]:8081")),
        ("http://localhost:8081", Some("http://localhost:8081")),
        ("http://shop.retailcrm.ru", None),
        ("http://127.0.0.1.example.com", None),
        ("ftp://shop.retailcrm.ru", None),
        ("https://user:pass@shop.retailcrm.ru", None),
        ("https://shop.retailcrm.ru?apiKey=1", None),
        ("shop.retailcrm.ru", None),
        ("", None),
    ] {
        let read = base_url(text);
        assert_eq!(read.as_deref().ok(), good, "{text}");
        if let Err(why) = read {
            assert!(!why.contains("pass@") && !why.contains("apiKey"), "{why}");
        }
    }
}

#[test]
fn a_client_needs_sound_options() {
    let options = |timeout, rate| Options {
        connection: "shop".into(),
        base: "http://127.0.0.1:1".into(),
        requests_per_second: rate,
        limit_group: None,
        timeout,
    };
    let limits = Limits::default();
    assert!(Client::new(options(TIMEOUT, 10.0), &limits).is_ok());
    assert!(Client::new(options(Duration::from_secs(15), 10.0), &limits).is_err());
    assert!(Client::new(options(Duration::ZERO, 10.0), &limits).is_err());
    assert!(Client::new(options(TIMEOUT, 0.0), &limits).is_err());
    assert!(Client::new(options(TIMEOUT, f64::NAN), &limits).is_err());
}
