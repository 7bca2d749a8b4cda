//! x
use super::Language;
pub fn told(_l: Language, text: &str) -> String { text.to_owned() }
