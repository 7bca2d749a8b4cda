//! The words of the house: events, facts, plans, outcomes, offers. Invariant: no I/O, no clock,
//! no foreign system's name; everything here is plain data and pure functions on it.

pub mod contact;
pub mod entity;
pub mod event;
pub mod fact;
pub mod job;
pub mod lead;
pub mod offer;
pub mod outcome;
pub mod plan;
pub mod recorded;
pub mod uses;

pub use contact::{EmailKey, Phone};
pub use entity::{Entity, Fate, Kept};
pub use event::{Event, Raw};
pub use fact::{Answer, Asked, KnownId, Link, Query};
pub use job::{JobChange, JobDraft, JobState};
pub use lead::{Covered, Lead, Seen};
pub use offer::{
    EventOffer, FateOffer, Field, From, Input, KeepOffer, Kind, LeadOffer, MessengerOffer, Need,
    Offer, OperationOffer, QueryOffer, Repeat,
};
pub use outcome::{Delay, Look, Outcome, Whose};
pub use plan::{Decision, Effect, Plan, Reason, Step, Verdict, Why};
pub use recorded::Recorded;
pub use uses::{Use, Uses, Way, What};
