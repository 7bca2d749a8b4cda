//! What the sandbox's ledger says, asked in a test's words. Invariant: a copy taken at one moment.

use serde_json::Value;

/// The ledger of both far sides.
#[derive(Debug, Clone)]
pub struct Ledger(pub Value);

/// The custom fields that name a lead.
pub const LEAD_FIELDS: [&str; 3] =
    ["calltouch_call_id", "calltouch_request_id", "calltouch_chat_id"];

impl Ledger {
    pub fn customers(&self) -> &[Value] {
        list(&self.0["customers"])
    }

    pub fn orders(&self) -> &[Value] {
        list(&self.0["orders"])
    }

    /// Customers that were made through the API.
    pub fn made_customers(&self) -> Vec<&Value> {
        self.customers().iter().filter(|row| row["origin"] == "api").collect()
    }

    /// Orders that were made through the API.
    pub fn made_orders(&self) -> Vec<&Value> {
        self.orders().iter().filter(|row| row["origin"] == "api").collect()
    }

    pub fn order(&self, id: u64) -> &Value {
        let found = self.orders().iter().find(|row| row["id"] == id);
        found.unwrap_or_else(|| panic!("there is no order {id}"))
    }

    pub fn customer(&self, id: u64) -> &Value {
        let found = self.customers().iter().find(|row| row["id"] == id);
        found.unwrap_or_else(|| panic!("there is no customer {id}"))
    }

    /// Deals that live in Calltouch, on all sites.
    pub fn deals(&self) -> Vec<&Value> {
        list(&self.0["deals"]).iter().filter(|row| row["deleted"] == false).collect()
    }

    /// The deal of an order, if there is one.
    pub fn find_deal(&self, order: u64) -> Option<&Value> {
        let number = order.to_string();
        self.deals().into_iter().find(|row| row["number"] == number.as_str())
    }

    /// The deal of an order: `status`, `status_date`, `revenue`, `currency`, `manager`, `funnel`,
    /// `order_name`, `order_date`, `update_date`, `matched` (`type`, `lead`, `id`, `source`, …),
    /// `creations`, `updates`, `rematchings`, `statuses`, `writes`.
    #[track_caller]
    pub fn deal(&self, order: u64) -> &Value {
        self.find_deal(order).unwrap_or_else(|| panic!("order {order} has no deal"))
    }

    /// What a deal was linked to: `call 900000001`, or the matching entry that found no lead.
    #[track_caller]
    pub fn linked(&self, order: u64) -> String {
        let matched = &self.deal(order)["matched"];
        match (text(&matched["lead"]), text(&matched["id"])) {
            (lead, id) if !lead.is_empty() => format!("{lead} {id}"),
            _ => text(&matched["type"]),
        }
    }

    /// No deal was made twice or linked anew, and nothing was sent for an order without a deal.
    #[track_caller]
    pub fn assert_deals_once(&self) {
        for deal in self.deals() {
            assert_eq!(deal["creations"], 1, "made again: {deal:#}");
            assert_eq!(deal["rematchings"], 0, "linked anew: {deal:#}");
        }
        assert!(list(&self.0["refused_deals"]).is_empty(), "{:#}", self.0["refused_deals"]);
    }

    /// All writes through the API: `(order, kind)`.
    pub fn writes(&self) -> Vec<(u64, String)> {
        let of = |order: &Value| {
            let id = order["id"].as_u64().unwrap_or_default();
            let kinds = api_writes(order).into_iter().map(move |write| (id, text(&write["kind"])));
            kinds.collect::<Vec<_>>()
        };
        self.orders().iter().flat_map(of).collect()
    }

    /// How many requests a far side received on a line like `POST /api/v5/orders/create`.
    pub fn received(&self, side: &str, line: &str) -> u64 {
        self.0[side]["by_path"][line].as_u64().unwrap_or_default()
    }

    /// Exactly one customer and one order were made, and nothing else was written.
    #[track_caller]
    pub fn assert_one_of_each(&self) {
        assert_eq!(self.made_customers().len(), 1, "customers made: {:#}", self.0["customers"]);
        assert_eq!(self.made_orders().len(), 1, "orders made: {:#}", self.0["orders"]);
        assert_eq!(self.writes().len(), 1, "writes of orders: {:#}", self.0["orders"]);
    }

    #[track_caller]
    pub fn assert_nothing_written(&self) {
        assert!(self.made_customers().is_empty(), "customers: {:#}", self.0["customers"]);
        assert!(self.writes().is_empty(), "orders: {:#}", self.0["orders"]);
    }

    /// What nobody but the API wrote to: edits of customers.
    #[track_caller]
    pub fn assert_no_customer_edited(&self) {
        let edited: Vec<&Value> =
            self.customers().iter().filter(|row| row["edits"].as_u64() != Some(0)).collect();
        assert!(edited.is_empty(), "edited: {edited:#?}");
    }
}

/// The writes of one order through the API.
pub fn api_writes(order: &Value) -> Vec<&Value> {
    list(&order["writes"]).iter().filter(|write| write["origin"] == "api").collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text as it is, anything else as JSON, nothing as an empty text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
