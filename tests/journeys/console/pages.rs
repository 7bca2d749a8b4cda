//! The pages in a real browser. Invariant: a page that complains in the browser's console, or that a
//! person with a keyboard or a screen reader would stumble over, fails.

use super::browser::{Browser, DESK};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_works() {
    let mut browser = Browser::open("data:text/html,", DESK).await;
    browser
        .go("<html lang=ru><title>x</title><main><h1>a</h1><p style='color:red'>hm</p><input>")
        .await;
    browser.theme("dark").await;
    let told = browser.accessibility().await;
    println!("{told:#?}");
    browser.fill("input", "abc").await;
    println!("{:?}", browser.end().await);
}
