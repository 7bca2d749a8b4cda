//! Coming in and going out. Invariant: a wrong name and a wrong password look alike; a session is new
//! at each login and gone when it should be.

use super::caller::{Caller, PASSWORD, added, command, inside};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use reqwest::header::SET_COOKIE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_begins_a_new_session_and_a_logout_ends_it() {
    let house = House::start(Plan::default()).await;
    added(&house, "Anna", "operator");
    let mut anna = Caller::of(&house);
    // A cookie that somebody planted is not taken over.
    anna.cookie = Some(format!("leadlink={}", "0".repeat(64)));
    let answer = anna.login("ANNA ", PASSWORD).await;
    assert_eq!((answer.status, answer.location()), (303, "/me"));
    let set = answer.header(SET_COOKIE).to_owned();
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(flag), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(&"0".repeat(64)), "{set}");
    let first = anna.clone();
    // Who logs in again has another session, and the one before is gone.
    anna.login("anna", PASSWORD).await;
    assert_ne!(first.cookie, anna.cookie);
    assert!(!first.is_inside().await && anna.is_inside().await);
    let kept = house.sql("select hash from session").await;
    let token = anna.cookie.as_deref().unwrap_or_default().trim_start_matches("leadlink=");
    assert!(kept.len() == 1 && kept[0] != token, "of the token only the hash is kept");
    let answer = anna.post("/logout", &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/login"));
    assert!(!anna.is_inside().await);
    assert_eq!(house.sql("select hash from session").await.len(), 0);
    // A form that was sent after it leads to the login, which says why, and back to its page.
    let late = anna.request("POST", "/needs").form(&[("act", "retry"), ("id", "job-1")]);
    let late = late.header("referer", format!("{}?kind=job", house.url("/needs")));
    let answer = anna.send(late).await;
    let way = "/login?next=%2Fneeds%3Fkind%3Djob&ended=1";
    assert_eq!((answer.status, answer.location()), (303, way));
    assert!(anna.get(way).await.body.contains("Сеанс закончился"));
    // The page in another language leads on to the same place, and the choice is kept.
    let english = anna.get("/login?lang=en&next=%2Fneeds").await;
    assert!(english.header(SET_COOKIE).starts_with("lang=en"), "{}", english.header(SET_COOKIE));
    assert!(english.body.contains("name=\"next\" value=\"/needs\""), "{}", english.body);
    assert!(english.body.contains("lang=ru&#38;next=%2Fneeds"), "{}", english.body);
    // The way on leads nowhere else.
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let fields = [("name", "anna"), ("password", PASSWORD), ("next", next)];
        let answer = anna.send(anna.request("POST", "/login").form(&fields)).await;
        assert_eq!((answer.status, answer.location()), (303, "/"), "{next}");
    }
    assert!(!house.whole_log().contains(PASSWORD) && !house.whole_log().contains(token));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_tls_the_cookie_is_for_tls_alone() {
    let more = "[console]\npublic = \"https://leadlink.example\"\n".to_owned();
    let house = House::start(Plan { more, ..Plan::default() }).await;
    added(&house, "anna", "operator");
    let mut anna = Caller::of(&house);
    let set = anna.login("anna", PASSWORD).await.header(SET_COOKIE).to_owned();
    assert!(set.starts_with("__Host-leadlink=") && set.contains("Secure"), "{set}");
    assert!(anna.is_inside().await);
    // The name that everybody may set is not looked at.
    anna.cookie = anna.cookie.map(|cookie| cookie.replace("__Host-", ""));
    assert!(!anna.is_inside().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_has_to_wait() {
    let mut house = House::start(Plan::default()).await;
    added(&house, "anna", "operator");
    let mut anna = Caller::of(&house);
    let (wrong, unknown) =
        (anna.login("anna", "wrong wrong wrong").await, anna.login("nobody", PASSWORD).await);
    // The page says the time too.
    let said = |page: &str| {
        let form = page.split("<form").nth(1).unwrap_or_default();
        form.replace("anna", "?").replace("nobody", "?")
    };
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(said(&wrong.body), said(&unknown.body));
    for _ in 0..4 {
        assert_eq!(anna.login("anna", "wrong wrong wrong").await.status, 401);
    }
    // Now the right one is not even looked at.
    let answer = anna.login("anna", PASSWORD).await;
    assert_eq!(answer.status, 429);
    assert!((1..=15).contains(&answer.retry_after()), "{}", answer.retry_after());
    assert!(anna.cookie.is_none());
    house.advance(SignedDuration::from_secs(16)).await;
    assert_eq!(anna.login("anna", "wrong wrong wrong").await.status, 401);
    let answer = anna.login("anna", PASSWORD).await;
    assert_eq!(answer.status, 429);
    assert!((16..=30).contains(&answer.retry_after()), "{}", answer.retry_after());
    // An admin lets her in again; the right password clears the name.
    command(&house, &["user", "unlock", "anna"]);
    assert_eq!(anna.login("anna", PASSWORD).await.status, 303);
    assert_eq!(anna.login("anna", "wrong wrong wrong").await.status, 401);
    // Many names from one address wait too.
    for number in 0..40 {
        anna.login(&format!("name{number}"), PASSWORD).await;
    }
    assert_eq!(anna.login("another", PASSWORD).await.status, 429);
    // Of what failed the log tells who was meant, if there is somebody.
    let who = house.sql("select who from audit where act = 'login' and outcome <> 'done'").await;
    assert!(who.iter().all(|who| ["anna", "unknown"].contains(&who.as_str())), "{who:?}");
}

/// A login as if it came from this address, through a proxy.
async fn from(anna: &Caller, address: &str, password: &str) -> u16 {
    let fields = [("name", "anna"), ("password", password)];
    let request = anna.request("POST", "/login").header("x-forwarded-for", address);
    anna.send(request.form(&fields)).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_elsewhere_keeps_nobody_out() {
    let more = "[console]\nproxies = 1\n".to_owned();
    let house = House::start(Plan { more, ..Plan::default() }).await;
    added(&house, "anna", "operator");
    let anna = Caller::of(&house);
    // In one network of IPv6 there are addresses without number: they count as one.
    for number in 0..5 {
        let address = format!("2001:db8:1:2::{number}");
        assert_eq!(from(&anna, &address, "wrong wrong wrong").await, 401, "{number}");
    }
    assert_eq!(from(&anna, "2001:db8:1:2:ffff::1", PASSWORD).await, 429);
    assert_eq!(from(&anna, "2001:db8:1:3::1", PASSWORD).await, 303);
    assert_eq!(from(&anna, "203.0.113.7", PASSWORD).await, 303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_by_itself_by_a_lock_and_by_a_new_password() {
    let mut house = House::start(Plan::default()).await;
    let admin = inside(&house, "anna", "admin").await;
    let boris = inside(&house, "boris", "marketing").await;
    let mut other = Caller::of(&house);
    other.login("boris", PASSWORD).await;
    let new = "another long password";
    // The present password is asked for.
    let fields = [("old", "wrong wrong wrong"), ("new", new)];
    assert_eq!(boris.post("/me/password", &fields).await.status, 422);
    let answer = boris.post("/me/password", &[("old", PASSWORD), ("new", "short")]).await;
    assert_eq!(answer.status, 422);
    let answer = boris.post("/me/password", &[("old", PASSWORD), ("new", new)]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert!(boris.is_inside().await && !other.is_inside().await);
    assert_eq!(other.login("boris", PASSWORD).await.status, 401);
    assert_eq!(admin.post("/people/boris/lock", &[]).await.status, 303);
    assert!(!boris.is_inside().await);
    assert_eq!(other.login("boris", new).await.status, 401);
    // The last admin stays.
    assert_eq!(admin.post("/people/anna/lock", &[]).await.status, 409);
    let demoted = admin.post("/people/anna/role", &[("role", "marketing")]).await;
    assert_eq!(demoted.status, 409);
    // Twelve hours without a page; a page that looks by itself does not count.
    house.advance(SignedDuration::from_hours(11)).await;
    assert!(admin.is_inside().await);
    house.advance(SignedDuration::from_hours(11)).await;
    let live = admin.request("GET", "/me").header("x-live", "1");
    assert_eq!(admin.send(live).await.status, 200);
    house.advance(SignedDuration::from_hours(2)).await;
    assert!(!admin.is_inside().await);
    // However much it is used, it ends after a week.
    let mut admin = Caller::of(&house);
    admin.login("anna", PASSWORD).await;
    for _ in 0..16 {
        house.advance(SignedDuration::from_hours(10)).await;
        assert!(admin.is_inside().await);
    }
    house.advance(SignedDuration::from_hours(10)).await;
    assert!(!admin.is_inside().await);
}
