//! The journals of leads, deals and messages: one page and one CSV for all three, of rows made of
//! cells. Invariant: pages go on by key; what a far side wrote is text in every cell.

mod cells;
mod csv;
mod deals;
mod leads;
mod messages;
mod page;
mod span;
#[cfg(test)]
mod tests;

pub use deals::{deals, deals_csv};
pub use leads::{leads, leads_csv};
pub use messages::{messages, messages_csv};
