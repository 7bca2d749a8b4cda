//! What is shown of flows. Invariant: plain data; a span is a line and a column that a person counts.

use crate::desk::acts::{Act, Changed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A flow in the list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowRow {
    /// Of the instance.
    pub name: String,
    pub title: String,
    /// `running`, `stopped`, `off`.
    pub state: String,
    /// Why it is not running, or by whom it was started.
    pub why: Option<String>,
    /// The role and kind of event that it listens to: `calls`, `call.finished`.
    pub from: String,
    pub event: String,
    /// The mapping file.
    pub file: String,
    /// Role → connections.
    pub roles: BTreeMap<String, Vec<String>>,
    pub switch: Option<Switched>,
    pub counts: FlowTally,
    /// Problems of `check` in its file. (A whole flow has them beside it, by their name.)
    #[serde(rename = "problem_count")]
    pub problems: usize,
    pub cases_passed: usize,
    pub cases_failed: usize,
    /// `start` or `stop`, where it can be.
    pub acts: Vec<Act>,
}

/// Jobs of a flow that are not through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FlowTally {
    pub waiting: u64,
    /// Of those that wait: due already.
    pub due: u64,
    pub deciding: u64,
    pub stuck: u64,
}

/// A person started or stopped it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Switched {
    pub running: bool,
    /// What config says; when that changes, the switch ends.
    pub configured: bool,
    pub who: String,
    pub why: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// One flow, whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowPage {
    #[serde(flatten)]
    pub row: FlowRow,
    /// Seconds from registration to decision.
    pub delay_seconds: u64,
    /// Events that are older are skipped.
    pub max_age_seconds: u64,
    /// Merged events put the decision off at most so long.
    pub settle_seconds: Option<u64>,
    pub settings: Vec<FlowSetting>,
    /// The file as it is on disk, line by line.
    pub source: Vec<SourceLine>,
    /// What runs is another text than what is on disk: `leadlink reload` takes it up.
    pub stale: bool,
    /// What `check` says of the text on disk.
    pub problems: Vec<ProblemView>,
    pub cases: Vec<CaseView>,
    /// The newest first.
    pub decisions: Vec<DecisionRow>,
}

/// A constant of the flow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowSetting {
    pub name: String,
    pub value: serde_json::Value,
    /// As the file has it, where config laid another over it.
    pub own: Option<serde_json::Value>,
}

/// A line of source.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceLine {
    /// From 1.
    pub number: usize,
    pub parts: Vec<SourcePart>,
    /// Indexes of the problems that begin in this line.
    pub problems: Vec<usize>,
}

/// A piece of a line; all pieces together are the line.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourcePart {
    /// `plain`, `comment`, `table`, `key`, `string`, `number`, `flag`, `mark` (brackets, commas);
    /// inside expressions `brace`, `name`, `word` (if, else, not …), `filter`, `text`, `figure`,
    /// `sign`.
    pub class: String,
    pub text: String,
    /// Index of the problem that underlines it.
    pub problem: Option<usize>,
}

/// A problem with its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// `error`, `warning`, `note`.
    pub severity: String,
    pub file: Option<String>,
    /// From 1; none: it has no place in a file.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    /// In characters, within its first line.
    #[serde(default)]
    pub length: usize,
    pub title: String,
    /// What stands beneath the underlined text.
    pub label: String,
    /// What to write instead.
    pub mend: String,
}

/// A case of the file and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CaseView {
    pub name: String,
    pub line: usize,
    pub passed: bool,
    /// What differs from what it expects; or why it was not run.
    pub why: Option<String>,
}

/// A decision in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionRow {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub job: i64,
    /// Names the story in addresses.
    pub story: String,
    /// Key of the event.
    pub event: String,
    pub verdict: String,
    /// In one line each.
    pub reasons: Vec<String>,
}

/// What a source text would have decided.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Trial {
    pub flow: String,
    /// What is wrong with the text; with errors nothing is weighed.
    pub problems: Vec<ProblemView>,
    /// The given text with its problems, line by line.
    pub source: Vec<SourceLine>,
    pub cases: Vec<CaseView>,
    /// It has no errors.
    pub sound: bool,
    /// Recorded decisions that were weighed.
    pub decisions: u64,
    pub same: u64,
    pub differ: u64,
    /// What was kept does not tell.
    pub untold: u64,
    /// Why what was kept does not tell → how many.
    pub untold_why: BTreeMap<String, u64>,
    /// Decisions without a rule: the flow was stopped then.
    pub rested: u64,
    /// It took too long: not all were weighed.
    pub cut: bool,
    /// The newest first.
    pub differences: Vec<TrialDifference>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TrialDifference {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub job: i64,
    pub story: String,
    pub event: String,
    /// `skip → act`, `other steps`, `other input`, `only other reasons`.
    pub what: String,
    pub changes: Vec<Changed>,
    pub was: crate::desk::acts::Verdict,
    pub now: crate::desk::acts::Verdict,
}
