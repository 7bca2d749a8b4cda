//! Where the far sides' behaviour is not known for sure, a switch chooses. Invariant: the default
//! is the stricter or the better attested reading (retailcrm.md §9, calltouch.md §8).

use serde::{Deserialize, Serialize};

/// How `filter[name]` compares phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhoneMatch {
    /// The digits of the query stand somewhere in the digits of the phone.
    Substring,
    /// The query is the phone as it was written.
    Exact,
    /// Both are the same number (8…, 7… and ten digits are one).
    Normalized,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    Refuse,
    Ignore,
}

/// In which order lists come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listing {
    Newest,
    Oldest,
    Shuffled,
}

/// What an order without `customer` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairing {
    /// A customer with this phone or e-mail is taken, else one is made.
    Match,
    /// One is always made.
    Create,
    /// The order stays without a customer.
    None,
}

/// How RetailCRM refuses what is too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TooFast {
    #[serde(rename = "503")]
    Json503,
    #[serde(rename = "429")]
    Json429,
    #[serde(rename = "html")]
    Html503,
}

/// All switches. Times are real milliseconds of the sandbox's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switches {
    pub phone_match: PhoneMatch,
    pub unknown_filter: Unknown,
    pub unknown_custom_field: Unknown,
    pub listing: Listing,
    pub pairing: Pairing,
    pub too_fast: TooFast,
    /// An order's phone and e-mail are written to the customer that it is linked to.
    pub order_contacts_change_customer: bool,
    /// `site` must be sent by a key that sees several stores, on creation too.
    pub site_required: bool,
    /// What was created through the API is found by lists only so much later.
    pub search_lag_ms: i64,
    /// An entry of the history is seen only so much later.
    pub history_lag_ms: i64,
    /// So much the CRM's clock is ahead of ours.
    pub clock_skew_ms: i64,
    /// A merge of customers takes effect so much later.
    pub combine_delay_ms: i64,
    /// `Retry-After` of Calltouch's 429, in seconds; none by default.
    pub calltouch_retry_after: Option<u64>,
    /// The longest `searchDepth` of a matching, in minutes.
    pub max_search_depth: u64,
    /// The journal of deals shows a deal only so long after it was made.
    pub diary_lag_ms: i64,
    /// The journal of deals ends before its `dateTo`.
    pub diary_excludes_date_to: bool,
    /// Chats are activated in the CRM.
    pub chats: bool,
    /// A module that is read tells the address of the gateway too.
    pub module_tells_address: bool,
    /// So many times a word of the gateway is sent until it is taken.
    pub chat_tries: u32,
    /// So many more times each word is sent, although it was taken.
    pub chat_repeats: u32,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            phone_match: PhoneMatch::Substring,
            unknown_filter: Unknown::Refuse,
            unknown_custom_field: Unknown::Refuse,
            listing: Listing::Newest,
            pairing: Pairing::Match,
            too_fast: TooFast::Json503,
            order_contacts_change_customer: true,
            site_required: false,
            search_lag_ms: 0,
            history_lag_ms: 0,
            clock_skew_ms: 0,
            combine_delay_ms: 0,
            calltouch_retry_after: None,
            max_search_depth: 525_600,
            diary_lag_ms: 0,
            diary_excludes_date_to: true,
            chats: true,
            module_tells_address: false,
            chat_tries: 4,
            chat_repeats: 0,
        }
    }
}
