//! How a sandbox is started. Invariant: what is not said is as the real far sides are.

use crate::clock::Clock;
use crate::sandbox::crm::account::Store;
use crate::sandbox::switches::Switches;

/// How a sandbox is started. Keys are no secrets: they open nothing but the sandbox.
#[derive(Clone)]
pub struct Options {
    /// `127.0.0.1:PORT` is RetailCRM, PORT + 1 Calltouch, PORT + 2 ChatAPI, PORT + 3 Telegram; port 0 takes free
    /// ones.
    pub listen: String,
    pub api_key: String,
    pub token: String,
    pub site_id: u64,
    pub chatapi_instance: String,
    pub chatapi_token: String,
    /// Zone of the CRM account and of the Calltouch site.
    pub time_zone: String,
    pub stores: Vec<Store>,
    /// Requests in a sliding second; none: as fast as it goes.
    pub crm_rps: Option<u32>,
    pub calltouch_rps: Option<u32>,
    pub chat_rps: Option<u32>,
    /// Nobody documents one.
    pub chatapi_rps: Option<u32>,
    /// Of the bot that is there from the start.
    pub telegram_token: String,
    pub telegram_rps: Option<u32>,
    pub seed: u64,
    /// The clock of the daemon under test.
    pub clock: Clock,
    /// Where webhooks go that name no URL of their own.
    pub hook_url: Option<String>,
    /// The order custom fields of design §6 exist from the start.
    pub calltouch_fields: bool,
    pub switches: Switches,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            api_key: "sandbox-crm-key-0001".to_owned(),
            token: "sandbox/calltouch.token-0001".to_owned(),
            site_id: 4242,
            chatapi_instance: "4242".to_owned(),
            chatapi_token: "sandbox-chatapi-token-0001".to_owned(),
            time_zone: "Europe/Moscow".to_owned(),
            stores: vec![Store { code: "main".into(), name: "Main shop".into(), ordering: 10 }],
            crm_rps: Some(10),
            calltouch_rps: Some(5),
            chat_rps: Some(100),
            chatapi_rps: None,
            telegram_token: "123456:sandbox-telegram-token-0001".to_owned(),
            telegram_rps: Some(30),
            seed: 0,
            clock: Clock::default(),
            hook_url: None,
            calltouch_fields: false,
            switches: Switches::default(),
        }
    }
}
