//! The OpenAPI document: what the code says of its operations, and what holds for all of them.
//! Invariant: made from the routes themselves; every status that an operation can answer stands in it.

use crate::desk::routes::{Class, Route};
use crate::http::problem::Problem;
use std::collections::BTreeMap;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder,
    Ref, RefOr, Required, Response, Schema, SecurityRequirement, Server, Tag, Type,
};
use utoipa::{PartialSchema, ToSchema};

/// The name of the security scheme.
const TOKEN: &str = "token";
/// How a problem is sent (RFC 9457).
const PROBLEM_JSON: &str = "application/problem+json";

const ABOUT: &str = "Everything that the operator's console shows and does, for machines.\n\n\
    Send a token as `Authorization: Bearer TOKEN`. A token has scopes: `read` sees everything, \
    `act` also replays, retries, says what happened, starts and stops flows, `manage` also makes \
    people and tokens and reads the audit log. Every act leaves a row in the audit log.\n\n\
    Long lists are paged: an answer holds `items` (of what waits for a person `rows`) and, where there is more, `next`; send it back \
    as `cursor` to read on. Rows that arrive meanwhile neither shift nor double what you read.\n\n\
    Errors are problems (RFC 9457): `status`, `title`, `detail`, and `errors` with each wrong \
    field. Times are RFC 3339 in UTC, money is a decimal number in a text.";

const TAGS: [(&str, &str); 8] = [
    ("Overview", "How everything is doing."),
    ("Journals", "Leads, deals and messages, newest first."),
    ("Charts", "Hours and revenue."),
    ("Stories", "What became of one event, and why."),
    ("Jobs", "What a person does about one job."),
    ("Needs", "What waits for a person, one by one and in bulk."),
    ("House", "Connections and flows: their state, and what can be done to them."),
    ("People", "Who may come in, tokens, and the audit log."),
];

/// An answer that many operations share.
struct Shared {
    status: &'static str,
    name: &'static str,
    about: &'static str,
    /// The header that comes with it, and what it says.
    header: Option<(&'static str, &'static str)>,
}

const SHARED: [Shared; 12] = [
    Shared::of("400", "Unreadable", "The body is not JSON."),
    Shared {
        header: Some(("WWW-Authenticate", "How to come in.")),
        ..Shared::of("401", "NoToken", "There is no token, or it holds no more.")
    },
    Shared::of("403", "NotAllowed", "The token lacks the scope of this operation."),
    Shared::of("404", "NotThere", "There is nothing of that name."),
    Shared::of("409", "NotNow", "It makes sense, but not now; the detail says what is."),
    Shared::of("413", "TooLong", "The body is too long."),
    Shared::of("415", "NotJson", "The body is not sent as application/json."),
    Shared::of("422", "Wrong", "Fields are wrong: all of them stand in `errors`."),
    Shared { header: WAIT, ..Shared::of("429", "TooMany", "Too many requests.") },
    Shared::of("500", "Defect", "A defect of ours; the log of the daemon tells more."),
    Shared::of("502", "FarSide", "The far side did not answer properly."),
    Shared {
        header: WAIT,
        ..Shared::of("503", "NotReady", "It takes too long, or the store does not answer.")
    },
];

const WAIT: Option<(&str, &str)> = Some(("Retry-After", "Seconds to wait."));

/// What is read, but makes no sense of a job that is not decided yet.
const UNDECIDED: [&str; 1] = ["preview_replay"];

/// Operations that ask a far side.
const FAR: [&str; 2] = ["read_list", "poll_connection"];

impl Shared {
    const fn of(status: &'static str, name: &'static str, about: &'static str) -> Self {
        Self { status, name, about, header: None }
    }
}

/// What the document says before any operation is in it.
pub fn begun() -> OpenApi {
    let info = InfoBuilder::new()
        .title("leadlink")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()))
        .build();
    let tags = TAGS.map(|(name, about)| {
        let mut tag = Tag::new(name);
        tag.description = Some(about.to_owned());
        tag
    });
    let mut server = Server::new("/");
    server.description = Some("This daemon.".to_owned());
    OpenApiBuilder::new().info(info).servers(Some([server])).tags(Some(tags)).build()
}

/// Adds what holds for all operations: the token, its scope, and the problems.
pub fn finished(mut document: OpenApi, routes: &[Route]) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let mut more = Vec::new();
    Problem::schemas(&mut more);
    more.push((Problem::name().into_owned(), Problem::schema()));
    components.schemas.extend(more);
    for shared in SHARED {
        components.responses.insert(shared.name.to_owned(), RefOr::T(problem(&shared)));
    }
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token that `leadlink` or an admin made; it is shown once."))
        .build();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    let schemas = components.schemas.clone();
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.required = Some(needed(body, &schemas));
            }
            let route = routes.iter().find(|route| route.path == path && route.method == method);
            if let Some(route) = route {
                complete(operation, route);
            }
        }
    }
    document
}

/// The operations of a path, by method.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [
        ("GET", &mut item.get),
        ("POST", &mut item.post),
        ("PUT", &mut item.put),
        ("PATCH", &mut item.patch),
        ("DELETE", &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn complete(operation: &mut Operation, route: &Route) {
    let mut can = vec!["429", "500", "503"];
    if route.class == Class::Bearer {
        can.extend(["401", "403"]);
        let scopes = route.right.map(|right| right.word());
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, scopes)]);
    }
    let named = |place: &ParameterIn| {
        operation.parameters.iter().flatten().any(
            |parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == *place),
        )
    };
    if named(&ParameterIn::Path) {
        can.push("404");
    }
    if named(&ParameterIn::Query) || operation.request_body.is_some() {
        can.push("422");
    }
    if operation.request_body.is_some() {
        can.extend(["400", "413", "415"]);
    }
    let id = operation.operation_id.as_deref().unwrap_or_default();
    if route.method != "GET" || UNDECIDED.contains(&id) {
        can.push("409");
    }
    if FAR.contains(&id) {
        can.push("502");
    }
    for Shared { status, name, .. } in SHARED {
        if can.contains(&status) && !operation.responses.responses.contains_key(status) {
            let shared = RefOr::Ref(Ref::from_response_name(name));
            operation.responses.responses.insert(status.to_owned(), shared);
        }
    }
}

/// A body of which every field may be left out may be left out itself.
fn needed(body: &RequestBody, schemas: &BTreeMap<String, RefOr<Schema>>) -> Required {
    let of = |content: &RefOr<Content>| {
        let RefOr::T(content) = content else { return true };
        let Some(RefOr::Ref(named)) = &content.schema else { return true };
        let name = named.ref_location.rsplit('/').next().unwrap_or_default();
        match schemas.get(name) {
            Some(RefOr::T(Schema::Object(object))) => !object.required.is_empty(),
            _ => true,
        }
    };
    if body.content.values().any(of) { Required::True } else { Required::False }
}

fn problem(shared: &Shared) -> Response {
    let schema = Ref::from_schema_name(Problem::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let about = ResponseBuilder::new().description(shared.about);
    let mut response = about.content(PROBLEM_JSON, content);
    if let Some((name, about)) = shared.header {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let header = HeaderBuilder::new().schema(Some(text)).description(Some(about)).build();
        response = response.header(name, header);
    }
    response.build()
}
