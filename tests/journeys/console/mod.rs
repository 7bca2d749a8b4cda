//! The console, the API and who may use them. Invariant: through the real binary; pages in a real browser.

mod browser;
mod pages;
