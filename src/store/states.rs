//! The words of the states as the database holds them. Invariant: the checks of the schema list
//! exactly these words; a word that is not here is a damaged row.

use super::rows::{JobState, StepState};
use super::sql::Row;
use super::{Error, Fence};

impl JobState {
    /// The word in the database, in answers for machines and in `why`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Deciding => "deciding",
            Self::Acted => "acted",
            Self::Skipped => "skipped",
            Self::Incomplete => "incomplete",
            Self::Stuck => "stuck",
        }
    }

    /// Has the job ended?
    pub fn ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Deciding)
    }
}

impl StepState {
    /// The word in the database, in answers for machines and in `why`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
            Self::Skipped => "skipped",
        }
    }
}

const JOB_STATES: [JobState; 6] = [
    JobState::Waiting,
    JobState::Deciding,
    JobState::Acted,
    JobState::Skipped,
    JobState::Incomplete,
    JobState::Stuck,
];

const STEP_STATES: [StepState; 7] = [
    StepState::Waiting,
    StepState::Running,
    StepState::Done,
    StepState::Refused,
    StepState::Unknown,
    StepState::Absent,
    StepState::Skipped,
];

impl Row {
    pub(super) fn job_state(&self, column: &str) -> Result<JobState, Error> {
        let word = self.text(column)?;
        let found = JOB_STATES.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| self.damaged(column, format_args!("no such state: {word}")))
    }

    pub(super) fn step_state(&self, column: &str) -> Result<StepState, Error> {
        let word = self.text(column)?;
        let found = STEP_STATES.into_iter().find(|state| state.word() == word);
        found.ok_or_else(|| self.damaged(column, format_args!("no such state: {word}")))
    }

    pub(super) fn fence(&self) -> Result<Fence, Error> {
        Ok(Fence { job: self.int("id")?, epoch: self.int("epoch")? })
    }
}
