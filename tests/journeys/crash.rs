//! The daemon is killed (SIGKILL) at every commit (on PostgreSQL at some) and at random moments, while
//! the far sides lose answers, refuse and reset. Invariant: the sandbox's own ledger counts, 0 lost and
//! 0 doubled; a delivery that was acknowledged is never repeated by the test.
//!
//! `LEADLINK_KILLS` (20) kills at random moments, `LEADLINK_SEED` (a new one each time, printed)
//! repeats the same leads, faults and lengths of life; not the same interleaving, since the kills
//! fall where the real clock says.

mod commits;
mod deals;
pub mod dice;
mod fate;
pub mod judge;
pub mod leads;
mod lives;
mod past;
mod talks;

use crate::support::database::server;
use dice::Dice;
use std::hash::{BuildHasher, RandomState};

/// Stops before each commit, kills there, starts anew.
#[tokio::test(flavor = "multi_thread")]
async fn killed_before_every_commit() {
    every("before").await;
}

/// Stops after each commit, before anybody hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn killed_after_every_commit() {
    every("after").await;
}

/// Each commit on files. A server takes three times as long, so there each fourth, from another one
/// each time, unless many kills are asked for.
async fn every(place: &str) {
    let some = server().is_some() && number("LEADLINK_KILLS").is_none();
    let (first, step) = if some { (dice(place).between(1, 4), 4) } else { (1, 1) };
    commits::every(place, first, step).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments() {
    let kills = number("LEADLINK_KILLS").unwrap_or(20);
    lives::run(lives::Settings { kills, external_ids: true }, dice("random moments")).await;
}

/// Nothing in the CRM guards an order then: only looking for the lead's id does.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_without_external_ids() {
    let kills = number("LEADLINK_KILLS").unwrap_or(20).div_ceil(2);
    lives::run(lives::Settings { kills, external_ids: false }, dice("no external ids")).await;
}

/// Deals: made once, linked once, brought up to date.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_deals_are_made_and_updated() {
    let kills = number("LEADLINK_KILLS").unwrap_or(20);
    deals::run(kills, dice("deals")).await;
}

/// Orders of the past become deals while others come and change; daemons and commands are killed.
#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_backfill() {
    let kills = number("LEADLINK_KILLS").unwrap_or(20).div_ceil(2);
    past::run(kills, dice("backfill")).await;
}

/// Messages to people go out once, or are on a person's list.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_messages_go_both_ways() {
    let kills = number("LEADLINK_KILLS").unwrap_or(20);
    talks::run(kills, dice("talks")).await;
}

pub fn dice(what: &str) -> Dice {
    let new = || RandomState::new().hash_one(what) % 1_000_000;
    let seed = number("LEADLINK_SEED").unwrap_or_else(new);
    println!("{what}: LEADLINK_SEED={seed}");
    Dice::new(seed)
}

pub fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).expect("a number"))
}
