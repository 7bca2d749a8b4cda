//! Every route of the house, asked for by everybody. Invariant: who gets in is what the lists of routes
//! say, and nothing that stands in no list is served.

use super::caller::{Caller, PASSWORD, inside, token};
use crate::support::{House, Plan};
use leadlink::desk::routes::{Class, Route};
use leadlink::desk::{Right, Role};

fn all() -> Vec<Route> {
    use leadlink::{http, ui};
    [ui::ROUTES, http::ROUTES, http::api::ROUTES].concat()
}

/// A path of this route: names and numbers that nobody has.
fn path_of(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        part if part.starts_with('{') => "0",
        part => part,
    });
    let path = parts.collect::<Vec<_>>().join("/");
    if path == "/live" { "/live?topic=leads".to_owned() } else { path }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_where_the_lists_say_and_nowhere_else() {
    let house = House::start(Plan::default()).await;
    let nobody = Caller::of(&house);
    let mut people = Vec::new();
    for role in Role::ALL {
        people.push((role, inside(&house, role.word(), role.word()).await));
    }
    let tokens = Right::ALL.map(|right| (right, token(&house, right.word())));
    let mut table = String::new();
    for route in all() {
        let path = path_of(&route);
        let mut line = format!("{:4} {:42} {:?}", route.method, route.path, route.class);
        if let Some(right) = route.right {
            line.push_str(&format!(" {}", right.word()));
        }
        let asked = |caller: &Caller| {
            let request = caller.request(route.method, &path).header("x-csrf", &caller.csrf);
            let caller = caller.clone();
            async move { caller.send(request).await }
        };
        let open = !matches!(route.class, Class::Session | Class::Bearer);
        let answer = asked(&nobody).await;
        // The login refuses who says nothing, as it must.
        let login = route.method == "POST" && route.path == "/login";
        let hook = route.class == Class::Hook;
        assert!(login || hook || answer.is_in() == open, "{line}: anybody: {}", answer.status);
        // Whoever knows no secret is told nothing.
        assert!(!hook || [403, 404].contains(&answer.status), "{line}: {}", answer.status);
        line.push_str(match route.class {
            Class::Public => ": everybody",
            Class::Hook => ": who knows the secret",
            _ => ": no stranger",
        });
        for (role, caller) in &mut people {
            if open {
                break;
            }
            let answer = asked(caller).await;
            let may = route.class == Class::Session && route.right.is_some_and(|r| role.may(r));
            // Whoever goes out is told to come in again.
            let leaves = route.path.ends_with("/logout") && answer.status == 303;
            assert_eq!(answer.is_in() || leaves, may, "{line}: {role:?}: {}", answer.status);
            assert!(answer.status < 500, "{line}: {role:?}: {}", answer.status);
            if leaves {
                assert!(!caller.is_inside().await, "{line}");
                caller.login(role.word(), PASSWORD).await;
            }
            line.push_str(&format!(", {} {}", role.word(), answer.status));
        }
        for (scope, caller) in &tokens {
            if open {
                break;
            }
            let answer = asked(caller).await;
            let may = route.class == Class::Bearer && route.right == Some(*scope);
            assert_eq!(answer.is_in(), may, "{line}: token {scope:?}: {}", answer.status);
            if route.class == Class::Bearer && !may {
                assert_eq!(answer.header("content-type"), "application/problem+json", "{line}");
            }
            if may {
                line.push_str(&format!(", token {} {}", scope.word(), answer.status));
            }
        }
        table.push_str(&line);
        table.push('\n');
    }
    insta::assert_snapshot!("routes", table);
    // What stands in no list.
    let (_, admin) = &people[2];
    for (method, path) in [
        ("DELETE", "/people"),
        ("PUT", "/me"),
        ("GET", "/nothing"),
        ("GET", "/static/../Cargo.toml"),
        ("GET", "/api/v1/nothing"),
        ("TRACE", "/"),
    ] {
        let status = admin.send(admin.request(method, path)).await.status;
        assert!([404, 405].contains(&status), "{method} {path}: {status}");
        let answer = nobody.send(nobody.request(method, path)).await;
        assert!([401, 404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
    }
    let lost = nobody.get("/nothing").await;
    assert!(lost.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(lost.body.contains("<main"), "{}", lost.body);
    // What is asked for in other ways is let in no more than a GET.
    for method in ["HEAD", "OPTIONS"] {
        for path in ["/", "/leads", "/leads.csv", "/people", "/api/v1/leads", "/live?topic=leads"] {
            let answer = nobody.send(nobody.request(method, path)).await;
            assert!(!answer.is_in() || answer.status == 405, "{method} {path}: {}", answer.status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_has_the_strict_headers() {
    let house = House::start(Plan::default()).await;
    let admin = inside(&house, "anna", "admin").await;
    let nobody = Caller::of(&house);
    for route in leadlink::ui::ROUTES.iter().filter(|route| route.method == "GET") {
        for caller in [&admin, &nobody] {
            let answer = caller.get(&path_of(route)).await;
            let about = format!("{} {}", route.path, answer.status);
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{about}");
            assert!(policy.contains("frame-ancestors 'none'"), "{about}");
            assert!(!policy.contains("unsafe"), "{about}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{about}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{about}");
            let kept = answer.header("cache-control");
            let is_live = route.path == "/live" && answer.status == 200;
            assert!(is_live || kept == "no-store", "{about}: {kept}");
            // Nothing that the policy would refuse.
            for forbidden in ["<script>", " style=\"", " onclick=", "javascript:"] {
                assert!(!answer.body.contains(forbidden), "{about}: {forbidden}");
            }
        }
    }
}
