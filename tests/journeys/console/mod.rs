//! The console, the API and who may use them. Invariant: through the real binary; pages in a real browser.

mod acts;
mod api;
#[expect(dead_code, reason = "the pages come next")]
mod browser;
mod caller;
mod contract;
mod login;
mod pages;
mod routes;
mod security;
