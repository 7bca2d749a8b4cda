//! Journeys through the real binary against the sandbox. Invariant: what a journey asserts is what
//! the far side's own ledger says, not what the daemon says of itself.
#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod arrivals;
mod backfill;
mod block;
mod chores;
mod commands;
mod console;
mod crash;
mod customers;
mod deals;
mod dialogs;
mod doors;
mod drift;
mod flows;
mod incoming;
mod kit;
mod matrix;
mod mend;
mod outages;
mod outgoing;
mod reload;
mod replicas;
mod restart;
mod status;
mod triggers;
mod trouble;
mod whatsapp;
