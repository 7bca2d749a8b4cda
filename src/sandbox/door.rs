//! The doors of all far sides: read a request whole, answer it, or cut the line. Invariant: once
//! read, a request is carried out whether or not its sender waits for the answer.

use crate::sandbox::Hub;
use crate::sandbox::answer::Answer;
use crate::sandbox::faults::Side;
use crate::sandbox::mg;
use crate::sandbox::params::Params;
use crate::sandbox::socket::{Line, Listener};
use crate::sandbox::telegram::{self, form::Fields};
use crate::sandbox::world::{Outcome, Request};
use axum::Router;
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::header;
use axum::response::Response;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// More than the largest file with the form around it, so that who sends a larger one is told.
const LARGEST_BODY: usize = 51 * 1024 * 1024;

pub fn crm(hub: Arc<Hub>) -> Router {
    Router::new().fallback(receive_crm).with_state(hub)
}

pub fn calltouch(hub: Arc<Hub>) -> Router {
    Router::new().fallback(receive_calltouch).with_state(hub)
}

pub fn chatapi(hub: Arc<Hub>) -> Router {
    Router::new().fallback(receive_chatapi).with_state(hub)
}

pub fn telegram(hub: Arc<Hub>) -> Router {
    Router::new().fallback(receive_telegram).with_state(hub)
}

/// Serves until `stop`; a failure to serve is logged, as there is nobody to tell.
pub fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let service = router.into_make_service_with_connect_info::<Line>();
    tokio::spawn(async move {
        let server = axum::serve(Listener(listener), service);
        let stopped = async move { stop.cancelled().await };
        if let Err(error) = server.with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "sandbox: a door closed");
        }
    })
}

async fn receive_crm(
    State(hub): State<Arc<Hub>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    let chats = mg::is_of(request.uri().path());
    let side = if chats { Side::Chats } else { Side::Retailcrm };
    receive(&hub, side, &line, request).await
}

async fn receive_calltouch(
    State(hub): State<Arc<Hub>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    receive(&hub, Side::Calltouch, &line, request).await
}

async fn receive_chatapi(
    State(hub): State<Arc<Hub>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    receive(&hub, Side::Chatapi, &line, request).await
}

async fn receive_telegram(
    State(hub): State<Arc<Hub>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    receive(&hub, Side::Telegram, &line, request).await
}

async fn receive(hub: &Arc<Hub>, side: Side, line: &Line, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return Answer::html(413, "413 Request Entity Too Large").into_response();
    };
    let text = |name: header::HeaderName| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let fields = match side {
        Side::Telegram => {
            let query = head.uri.query().unwrap_or_default();
            Fields::read(query.as_bytes(), &text(header::CONTENT_TYPE), &bytes)
        }
        _ => Fields::default(),
    };
    let cut = match side {
        Side::Telegram => telegram::waiting::held_back(hub, head.uri.path(), &fields).await,
        _ => None,
    };
    let request = Request {
        side,
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: Params::urlencoded(head.uri.query().unwrap_or_default().as_bytes()),
        body: Params::body(&text(header::CONTENT_TYPE), &bytes),
        content_type: text(header::CONTENT_TYPE),
        bytes,
        header_key: header(key_name(side)).or_else(|| header("x-bot-token")),
        header_site: header("siteid"),
        fields,
        cut,
    };
    let now = hub.clock.now();
    let (outcome, strike) = hub.world().serve(&request, now);
    afterwards(hub, side);
    if strike.slow_ms > 0 {
        // Real time: it is the patience of a real client that is tested.
        tokio::time::sleep(Duration::from_millis(strike.slow_ms)).await;
    }
    match outcome {
        Outcome::Answer(answer) => answer.into_response(),
        Outcome::Close => {
            line.close();
            Answer::empty(500).into_response()
        }
        Outcome::Reset => {
            line.reset();
            Answer::empty(500).into_response()
        }
    }
}

/// Where the key of a request stands.
fn key_name(side: Side) -> &'static str {
    match side {
        Side::Retailcrm => "x-api-key",
        Side::Chats => "x-transport-token",
        Side::Calltouch | Side::Chatapi | Side::Telegram => "access-token",
    }
}

/// What goes out because of a request.
fn afterwards(hub: &Arc<Hub>, side: Side) {
    match side {
        Side::Retailcrm => hub.call_triggers(),
        Side::Chatapi => hub.call_gateway(),
        Side::Telegram => hub.tell_telegram(),
        Side::Calltouch | Side::Chats => {}
    }
}
