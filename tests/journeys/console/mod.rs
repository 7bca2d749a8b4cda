//! The console, the API and who may use them. Invariant: through the real binary; pages in a real browser.

mod acts;
mod api;
mod browser;
mod caller;
mod contract;
mod login;
mod looks;
mod pages;
mod routes;
mod security;
