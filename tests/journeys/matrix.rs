//! The whole matrix of calltouch.md §7.6: every form of a lead against every state of the CRM.
//! Invariant: each lead is delivered twice by the hook and stands in the journal too, and yet each
//! cell ends with one customer and one write, or with none.

use crate::support::ledger::{LEAD_FIELDS, Ledger, api_writes, text};
use crate::support::{House, Plan};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noun {
    Call,
    Request,
    Chat,
}

impl Noun {
    fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Request => "request",
            Self::Chat => "chat",
        }
    }

    fn field(self) -> String {
        format!("calltouch_{}_id", self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NoCustomer,
    NoOrders,
    OpenEmpty,
    OpenMarked,
    Complete,
    Cancelled,
    ClosedButOlderOpen,
    TwoCustomers,
}

const LEADS: [(Noun, bool, bool); 7] = [
    (Noun::Call, true, false),
    (Noun::Request, true, false),
    (Noun::Request, true, true),
    (Noun::Request, false, true),
    (Noun::Chat, true, false),
    (Noun::Chat, true, true),
    (Noun::Chat, false, true),
];

const STATES: [State; 8] = [
    State::NoCustomer,
    State::NoOrders,
    State::OpenEmpty,
    State::OpenMarked,
    State::Complete,
    State::Cancelled,
    State::ClosedButOlderOpen,
    State::TwoCustomers,
];

/// One cell, with what was there before and what came.
struct Cell {
    noun: Noun,
    phone: Option<String>,
    email: Option<String>,
    /// How a person once typed the phone into the CRM.
    typed: String,
    state: State,
    customers: Vec<u64>,
    orders: Vec<u64>,
    lead: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let contacts = match (&self.phone, &self.email) {
            (Some(_), Some(_)) => "phone+email",
            (Some(_), None) => "phone",
            _ => "email",
        };
        write!(f, "{} {contacts} × {:?}", self.noun.name(), self.state)
    }
}

/// What must be in the CRM at the end.
enum Wanted {
    /// A new order of this customer; `None`: of a new one.
    Created(Option<u64>),
    Edited(u64),
    Nothing,
}

impl Cell {
    fn new(index: usize, (noun, phone, email): (Noun, bool, bool), state: State) -> Self {
        let number = 1000 + index;
        Self {
            noun,
            phone: phone.then(|| format!("7999000{number}")),
            email: email.then(|| format!("client{number}@example.test")),
            typed: format!("+7 (999) 000-{}-{:02}", number / 100, number % 100),
            state,
            customers: Vec::new(),
            orders: Vec::new(),
            lead: String::new(),
        }
    }

    /// Puts the customers and orders of the state into the CRM.
    async fn furnish(&mut self, house: &House) {
        let newest = json!({ "createdAt": "2025-03-01 10:00:00" });
        match self.state {
            State::NoCustomer => {}
            State::NoOrders => self.customers.push(self.person(house, "2025-01-01 10:00:00").await),
            State::TwoCustomers => {
                for made in ["2025-01-01 10:00:00", "2025-02-01 10:00:00", "2024-06-01 10:00:00"] {
                    let customer = self.person(house, made).await;
                    self.customers.push(customer);
                    let order = self.old_order(house, customer, json!({ "status": "new" })).await;
                    self.orders.push(order);
                }
            }
            State::OpenEmpty | State::OpenMarked | State::Complete | State::Cancelled => {
                let customer = self.person(house, "2025-01-01 10:00:00").await;
                self.customers.push(customer);
                let order = match self.state {
                    State::OpenEmpty => json!({ "status": "delivering" }),
                    State::OpenMarked => {
                        json!({ "status": "new", "customFields": { "calltouch_site_id": "777" } })
                    }
                    State::Complete => json!({ "status": "complete" }),
                    _ => json!({ "status": "no-call" }),
                };
                self.orders.push(self.old_order(house, customer, order).await);
            }
            State::ClosedButOlderOpen => {
                let customer = self.person(house, "2025-01-01 10:00:00").await;
                self.customers.push(customer);
                let mut closed = json!({ "status": "cancel-other" });
                closed["createdAt"] = newest["createdAt"].clone();
                self.orders.push(self.old_order(house, customer, closed).await);
                let open = json!({ "status": "new", "createdAt": "2025-02-01 10:00:00" });
                self.orders.push(self.old_order(house, customer, open).await);
            }
        }
    }

    async fn person(&self, house: &House, made: &str) -> u64 {
        let mut body = json!({ "firstName": "Старый клиент", "createdAt": made, "managerId": 2 });
        if self.phone.is_some() {
            body["phones"] = json!([self.typed]);
        } else {
            body["email"] = json!(self.email.as_deref().unwrap_or_default().to_uppercase());
        }
        house.customer(body).await
    }

    /// An order that carries some other lead's id, which must stay (F6).
    async fn old_order(&self, house: &House, customer: u64, more: Value) -> u64 {
        let mut body = json!({
            "customer": { "id": customer }, "createdAt": "2025-03-01 10:00:00", "customFields": {},
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body["customFields"][self.other_field()] = json!("42");
        house.order(body).await
    }

    fn other_field(&self) -> &'static str {
        if self.noun == Noun::Chat { LEAD_FIELDS[0] } else { LEAD_FIELDS[2] }
    }

    async fn happen(&mut self, house: &House) {
        let sent = house
            .lead(json!({
                "type": self.noun.name(),
                "phone": self.phone.clone().unwrap_or_default(),
                "email": self.email.clone().unwrap_or_default(),
                "name": "Иван", "subject": "Обратная связь",
                "utm_source": "yandex", "utm_medium": "cpc", "utm_campaign": "spring",
                "duration": 42, "waiting": 7,
            }))
            .await;
        self.lead = text(&sent["lead"]["id"]);
        let answered: Vec<_> =
            sent["deliveries"].as_array().into_iter().flatten().map(|one| &one["status"]).collect();
        assert_eq!(answered, [200, 200], "{self}: {sent}");
    }

    fn wanted(&self) -> Wanted {
        match self.state {
            State::NoCustomer => Wanted::Created(None),
            State::NoOrders | State::Complete | State::Cancelled | State::ClosedButOlderOpen => {
                Wanted::Created(Some(self.customers[0]))
            }
            State::OpenEmpty => Wanted::Edited(self.orders[0]),
            State::OpenMarked => Wanted::Nothing,
            // The second one was made last.
            State::TwoCustomers => Wanted::Edited(self.orders[1]),
        }
    }

    /// N1–N5.
    fn name(&self) -> String {
        let phone = self.phone.clone().unwrap_or_default();
        let email = self.email.clone().unwrap_or_default();
        match (self.noun, self.phone.is_some()) {
            (Noun::Call, _) => format!("Звонок от {phone}"),
            (Noun::Request, true) => format!("Обратная связь от Иван {phone}"),
            (Noun::Request, false) => format!("Обратная связь от Иван {email}"),
            (Noun::Chat, true) => format!("Чат от Иван {phone} {email}").trim_end().to_owned(),
            (Noun::Chat, false) => format!("Чат от Иван {email}"),
        }
    }

    /// Everything in the ledger that is not as it must be.
    fn complaints(&self, ledger: &Ledger) -> Vec<String> {
        let mut complaints = Vec::new();
        let made = self.made_customers(ledger);
        let expected = usize::from(self.state == State::NoCustomer);
        if made.len() != expected {
            complaints.push(format!("{} customers were made: {made:#?}", made.len()));
        }
        if let Some(customer) = made.first() {
            self.check_customer(customer, &mut complaints);
        }
        let field = self.noun.field();
        let mine = |order: &&Value| text(&order["custom_fields"][field.as_str()]) == self.lead;
        let mine: Vec<&Value> = ledger.orders().iter().filter(mine).collect();
        let written: Vec<&Value> = self
            .orders
            .iter()
            .map(|id| ledger.order(*id))
            .filter(|o| !api_writes(o).is_empty())
            .collect();
        match (self.wanted(), mine.as_slice()) {
            (Wanted::Nothing, []) if written.is_empty() => {}
            (Wanted::Created(customer), [order]) if written.is_empty() => {
                let customer = customer.or(made.first().and_then(|row| row["id"].as_u64()));
                if order["customer"].as_u64() != customer {
                    complaints
                        .push(format!("customer {} instead of {customer:?}", order["customer"]));
                }
                self.check_created(order, &mut complaints);
                self.check_order(order, &mut complaints);
            }
            (Wanted::Edited(id), [order]) if order["id"] == id && written.len() == 1 => {
                if order["custom_fields"][self.other_field()] != "42" {
                    complaints.push("a field of another lead type was touched (F6)".to_owned());
                }
                self.check_order(order, &mut complaints);
            }
            (_, found) => {
                complaints.push(format!("the wrong orders: {found:#?}\nwritten: {written:#?}"))
            }
        }
        complaints
    }

    fn made_customers<'a>(&self, ledger: &'a Ledger) -> Vec<&'a Value> {
        let has = |customer: &&Value| match (&self.phone, &self.email) {
            (Some(phone), _) => {
                customer["phones"].as_array().is_some_and(|own| own.contains(&json!(phone)))
            }
            (None, email) => text(&customer["email"]) == email.clone().unwrap_or_default(),
        };
        ledger.made_customers().into_iter().filter(has).collect()
    }

    fn check_customer(&self, customer: &Value, complaints: &mut Vec<String>) {
        let phones: Vec<&String> = self.phone.iter().collect();
        let wanted = json!({
            "first_name": self.name(), "phones": phones,
            "email": self.email.clone().unwrap_or_default(), "site": "main", "edits": 0,
        });
        differ("customer", &wanted, customer, complaints);
    }

    /// L11, F2–F4 of a new order.
    fn check_created(&self, order: &Value, complaints: &mut Vec<String>) {
        let id = text(&order["id"]);
        let wanted = json!({
            "site": "main", "status": "new", "number": format!("{id}A"),
            "external_id": format!("leadlink-{}-{}", self.noun.name(), self.lead),
        });
        differ("order", &wanted, order, complaints);
        let fields = &order["fields"];
        for name in ["managerId", "number", "status", "delivery", "items"] {
            if !fields[name].is_null() {
                complaints.push(format!("{name} was sent: {}", fields[name]));
            }
        }
        let is_new = self.state == State::NoCustomer;
        for (name, wanted) in [
            ("firstName", Some(self.name())),
            ("phone", self.phone.clone()),
            ("email", self.email.clone()),
        ] {
            let wanted = wanted.filter(|_| is_new).unwrap_or_default();
            if text(&fields[name]) != wanted {
                complaints.push(format!("{name} is `{}`, not `{wanted}`", text(&fields[name])));
            }
        }
    }

    /// The nine custom fields, the source block, one write.
    fn check_order(&self, order: &Value, complaints: &mut Vec<String>) {
        let kept = matches!(self.wanted(), Wanted::Edited(_));
        let mut wanted = Map::from_iter([
            ("calltouch_site_id".to_owned(), json!("4242")),
            ("utm_source".to_owned(), json!("yandex")),
            ("utm_medium".to_owned(), json!("cpc")),
            ("utm_campaign".to_owned(), json!("spring")),
            ("utm_content".to_owned(), json!("")),
            ("utm_term".to_owned(), json!("")),
        ]);
        for field in LEAD_FIELDS {
            let own = field == self.noun.field();
            let other = if kept && field == self.other_field() { "42" } else { "" };
            let value = if own { self.lead.as_str() } else { other };
            wanted.insert(field.to_owned(), json!(value));
        }
        let fields = &order["custom_fields"];
        for (name, wanted) in wanted {
            if text(&fields[&name]) != text(&wanted) {
                complaints.push(format!(
                    "{name} is `{}`, not `{}`",
                    text(&fields[&name]),
                    text(&wanted)
                ));
            }
        }
        let source = &order["fields"]["source"];
        let held = (text(&source["source"]), text(&source["medium"]), text(&source["campaign"]));
        let wanted = match self.noun {
            Noun::Chat => ("yandex".to_owned(), "cpc".to_owned(), "spring".to_owned()),
            _ => Default::default(),
        };
        if held != wanted || source.to_string().contains("не указано") {
            complaints.push(format!("the source block is {source} (F5)"));
        }
        let writes = api_writes(order);
        if writes.len() != 1 {
            complaints.push(format!("{} writes: {writes:?}", writes.len()));
        }
    }
}

/// Every entry of `wanted` is in `found`.
fn differ(what: &str, wanted: &Value, found: &Value, complaints: &mut Vec<String>) {
    for (name, wanted) in wanted.as_object().into_iter().flatten() {
        if found[name] != *wanted {
            complaints.push(format!("{what}.{name} is {}, not {wanted}", found[name]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lead_meets_every_state_once() {
    let mut house = House::start(Plan { poll_every: "20s", ..Plan::default() }).await;
    let mut cells = Vec::new();
    for lead in LEADS {
        for state in STATES {
            cells.push(Cell::new(cells.len(), lead, state));
        }
    }
    assert_eq!(cells.len(), 56);
    for cell in &mut cells {
        cell.furnish(&house).await;
        cell.happen(&house).await;
    }
    // The journals are read while the jobs wait, when they are decided, and after all is done.
    house.polled().await;
    house.ledger().await.assert_nothing_written();
    house.advance(SignedDuration::from_secs(61)).await;
    let counts = house.settled().await;
    assert_eq!((counts.waiting, counts.stuck, counts.unreadable), (0, 0, 0), "{counts:?}");
    house.polled().await;
    house.settled().await;

    let ledger = house.ledger().await;
    let mut report = String::new();
    for cell in &cells {
        let complaints = cell.complaints(&ledger);
        if !complaints.is_empty() {
            report.push_str(&format!(
                "\n{cell} (lead {}):\n  {}\n",
                cell.lead,
                complaints.join("\n  ")
            ));
        }
    }
    assert!(report.is_empty(), "{report}\n{}", house.log());
    assert_eq!((counts.acted, counts.skipped), (49, 7), "{counts:?}");
    ledger.assert_no_customer_edited();
    assert_eq!(ledger.0["duplicates"], json!([]));
    assert_eq!(ledger.made_customers().len(), 7);
    assert_eq!(ledger.writes().len(), 49);
    for seeded in cells.iter().flat_map(|cell| &cell.customers) {
        assert_eq!(ledger.customer(*seeded)["first_name"], "Старый клиент");
    }
    house.assert_replays_the_same();
}
