//! Faithful stand-ins of RetailCRM, Calltouch, ChatAPI and Telegram in memory, for `leadlink
//! sandbox`, `leadlink demo` and the tests. Invariant: they listen on loopback alone, know no room of the product but the
//! clock, and nothing in the product's path imports them.

pub mod answer;
pub mod calltouch;
pub mod chatapi;
mod control;
pub mod crm;
pub mod crowd;
mod digits;
mod door;
pub mod faults;
mod hub;
pub mod ledger;
pub mod mg;
mod options;
pub mod params;
mod socket;
pub mod switches;
pub mod telegram;
pub mod traffic;
mod world;

pub use calltouch::hook::Delivery;
pub use calltouch::lead::{Format, Kind, LeadSpec, Phase};
pub use chatapi::Gateway;
pub use chatapi::message::{FileSpec, MessageSpec, Writing};
pub use crm::account::Store;
pub use crowd::Crowd;
pub use faults::{Fault, Faults, Rule, Side};
pub use ledger::{Duplicate, Ledger};
pub use options::Options;
pub use switches::Switches;
pub use telegram::people::{Does, Given, Press, Told};

use crate::clock::Clock;
use crm::account::Object;
use crm::triggers::Trigger;
use hub::Hub;
use jiff::tz::TimeZone;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use world::World;

/// A running sandbox; it stops when dropped.
pub struct Sandbox {
    hub: Arc<Hub>,
    stop: CancellationToken,
    servers: Vec<tokio::task::JoinHandle<()>>,
}

/// A lead that was made and what became of its webhooks.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Sent {
    pub lead: Option<calltouch::lead::Lead>,
    pub deliveries: Vec<Delivery>,
}

impl Sandbox {
    /// Binds both ports and answers from then on. Refuses an address that is not loopback.
    pub async fn start(options: Options) -> io::Result<Self> {
        let wrong = |text: String| io::Error::new(io::ErrorKind::InvalidInput, text);
        let address: SocketAddr = options
            .listen
            .parse()
            .map_err(|error| wrong(format!("{}: {error}", options.listen)))?;
        if !address.ip().is_loopback() {
            return Err(wrong(format!("{address}: the sandbox listens on loopback alone")));
        }
        let zone = TimeZone::get(&options.time_zone).map_err(|error| wrong(error.to_string()))?;
        let crm = TcpListener::bind(address).await?;
        let calltouch = TcpListener::bind(above(address, 1)?).await?;
        let chatapi = TcpListener::bind(above(address, 2)?).await?;
        let telegram = TcpListener::bind(above(address, 3)?).await?;
        // Already installed by the binary; a test has none. Either way there is one afterwards.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let (crm_address, calltouch_address) = (crm.local_addr()?, calltouch.local_addr()?);
        let mut world = World::new(&options, &zone, &format!("http://{crm_address}"));
        let chatapi_address = chatapi.local_addr()?;
        world.gateway.url = format!("http://{chatapi_address}");
        let hub = Arc::new(Hub {
            world: Mutex::new(world),
            clock: options.clock.clone(),
            client: client.map_err(io::Error::other)?,
            zone,
            crm: crm_address,
            calltouch: calltouch_address,
            chatapi: chatapi_address,
            telegram: telegram.local_addr()?,
            telegram_news: watch::Sender::new(0),
            options,
        });
        let stop = CancellationToken::new();
        let crm_router = control::routes(door::crm(Arc::clone(&hub)), Arc::clone(&hub));
        let servers = vec![
            door::serve(crm, crm_router, stop.clone()),
            door::serve(calltouch, door::calltouch(Arc::clone(&hub)), stop.clone()),
            door::serve(chatapi, door::chatapi(Arc::clone(&hub)), stop.clone()),
            door::serve(telegram, door::telegram(Arc::clone(&hub)), stop.clone()),
            tokio::spawn(telegram::webhook::forever(Arc::clone(&hub), stop.clone())),
        ];
        Ok(Self { hub, stop, servers })
    }

    /// Root of RetailCRM and of the control routes, without a trailing slash.
    pub fn crm_url(&self) -> String {
        format!("http://{}", self.hub.crm)
    }

    pub fn calltouch_url(&self) -> String {
        format!("http://{}", self.hub.calltouch)
    }

    /// Root of ChatAPI, without the instance.
    pub fn chatapi_url(&self) -> String {
        format!("http://{}", self.hub.chatapi)
    }

    pub fn chatapi_token(&self) -> &str {
        &self.hub.options.chatapi_token
    }

    pub fn chatapi_instance(&self) -> &str {
        &self.hub.options.chatapi_instance
    }

    /// People write on WhatsApp; waits for the answers of the webhooks. Answers the messages' ids.
    pub async fn whatsapp(&self, writing: &Writing) -> Vec<String> {
        control::write(&self.hub, writing).await.0
    }

    /// Changes how ChatAPI behaves, and what is set there.
    pub fn set_gateway(&self, change: impl FnOnce(&mut Gateway)) {
        self.hub.change_gateway(change);
    }

    pub fn api_key(&self) -> &str {
        &self.hub.options.api_key
    }

    /// A key that sees the first store alone.
    pub fn site_key(&self) -> String {
        world::site_key(&self.hub.options)
    }

    /// A key without any scope.
    pub fn powerless_key(&self) -> String {
        world::powerless_key(&self.hub.options)
    }

    pub fn token(&self) -> &str {
        &self.hub.options.token
    }

    pub fn site_id(&self) -> u64 {
        self.hub.options.site_id
    }

    pub fn clock(&self) -> Clock {
        self.hub.clock.clone()
    }

    /// A copy of everything, taken now.
    pub fn ledger(&self) -> Ledger {
        self.hub.world().ledger()
    }

    /// The wanted parts of it and all counters; the other parts are empty.
    pub fn ledger_of(&self, parts: &[&str]) -> Ledger {
        self.hub.world().ledger_of(|part| parts.contains(&part))
    }

    /// How many messages the CRM's chats hold.
    pub fn messages_in_chats(&self) -> usize {
        self.hub.world().account.mg.messages.len()
    }

    /// In each of these conversations of a channel somebody wrote before; false when there is no such
    /// channel.
    pub fn seed_conversations(&self, channel: &str, chats: &[String]) -> bool {
        self.hub.world().account.mg.seed(channel, chats, self.hub.clock.now())
    }

    /// Makes a lead in Calltouch and sends its webhooks; waits for their answers.
    pub async fn send_lead(&self, spec: LeadSpec) -> Sent {
        control::send(&self.hub, spec).await
    }

    pub fn set_faults(&self, faults: Faults) {
        self.hub.world().faults.set(faults);
    }

    pub fn add_fault(&self, rule: Rule) {
        self.hub.world().faults.add(vec![rule]);
    }

    pub fn set_limits(&self, crm_rps: Option<u32>, calltouch_rps: Option<u32>) {
        let mut world = self.hub.world();
        world.crm_traffic.set_limit(crm_rps);
        world.calltouch_traffic.set_limit(calltouch_rps);
    }

    pub fn set_chat_limit(&self, rps: Option<u32>) {
        self.hub.world().chat_traffic.set_limit(rps);
    }

    /// A manager writes in the CRM's chats; the id of the message.
    pub fn write(&self, writing: mg::people::Writing) -> Result<u64, String> {
        let written = self.hub.world().account.mg.write_as_manager(writing, self.hub.clock.now());
        mg::hooks::pump(&self.hub);
        written
    }

    /// A manager does something (`edit`, `delete`, `read`) with a message.
    pub fn act(&self, message: u64, act: &str, text: Option<&str>) -> Result<(), String> {
        let now = self.hub.clock.now();
        let acted = self.hub.world().account.mg.act_as_manager(message, act, text, now);
        mg::hooks::pump(&self.hub);
        acted
    }

    /// Somebody does something with the open dialog of a conversation; its id.
    pub fn dialog(&self, act: &mg::dialogs::Act) -> Result<u64, String> {
        self.hub.world().account.mg.act_on_dialog(act, self.hub.clock.now())
    }

    /// Somebody switches a module of chats on or off; the status that the module answered.
    pub async fn switch_module(&self, code: &str, active: bool) -> Result<u16, String> {
        mg::hooks::switch(&self.hub, code, active, false).await
    }

    /// Changes how the far sides behave where that is not known for sure.
    pub fn set_switches(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.hub.world().account.switches);
    }

    /// Where webhooks go that name no URL of their own.
    pub fn set_hook_url(&self, url: &str) {
        self.hub.world().hook_url = Some(url.to_owned());
    }

    /// Writes a customer as it would stand there already (`createdAt` and phones as given).
    pub fn seed_customer(&self, body: &Object) -> Result<u64, answer::Refusal> {
        let now = self.hub.clock.now();
        self.hub.world().seed_customer(body, now)
    }

    /// Writes an order as it would stand there already; as a person's act it stands in the history,
    /// unless `"history": false`.
    pub fn seed_order(&self, body: &Object) -> Result<u64, answer::Refusal> {
        let made = self.hub.world().seed_order(body, self.hub.clock.now());
        self.hub.call_triggers();
        made
    }

    /// Somebody in the CRM changes an order (`by`; a person by default).
    pub fn edit_order(&self, id: u64, body: &Object) -> Result<(), answer::Refusal> {
        let edited = self.hub.world().edit_order(id, body, self.hub.clock.now());
        self.hub.call_triggers();
        edited
    }

    /// A person in the CRM deletes an order; false when there is none.
    pub fn delete_order(&self, id: u64) -> bool {
        self.hub.world().end_order(id, &Object::new(), self.hub.clock.now()).is_ok()
    }

    /// Many people with their orders and leads.
    pub fn seed_crowd(&self, crowd: &Crowd) -> Result<crowd::Made, answer::Refusal> {
        self.hub.world().seed_crowd(crowd, self.hub.clock.now())
    }

    /// Leads that are there already; nobody is told of them.
    pub fn seed_leads(&self, specs: &[LeadSpec]) -> Option<Vec<u64>> {
        self.hub.world().seed_leads(specs, self.hub.clock.now())
    }

    /// One more Calltouch site; false when there is one with this id.
    pub fn add_site(&self, id: u64, token: &str) -> bool {
        self.hub.world().add_site(id, token)
    }

    /// What the CRM calls from now on.
    pub fn set_triggers(&self, triggers: Vec<Trigger>) {
        self.hub.world().account.triggers = triggers;
    }

    /// Stops all doors; open connections have a second to end.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        for mut server in std::mem::take(&mut self.servers) {
            if tokio::time::timeout(Duration::from_secs(1), &mut server).await.is_err() {
                server.abort();
            }
        }
    }
}

/// The address with a port so far above; with port 0 any other free one.
fn above(mut address: SocketAddr, by: u16) -> io::Result<SocketAddr> {
    if address.port() != 0 {
        let port = address.port().checked_add(by).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{address}: no port above"))
        })?;
        address.set_port(port);
    }
    Ok(address)
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
