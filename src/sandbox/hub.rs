//! What the doors and the control routes share, and what goes out from here by itself: webhooks of
//! the gateway, triggers of the CRM. Invariant: nothing is sent while the world is locked.

use crate::clock::Clock;
use crate::sandbox::chatapi::{self, Gateway};
use crate::sandbox::crm::triggers;
use crate::sandbox::options::Options;
use crate::sandbox::world::World;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What the doors and the control routes share.
pub(in crate::sandbox) struct Hub {
    pub world: Mutex<World>,
    pub clock: Clock,
    pub client: reqwest::Client,
    pub options: Options,
    pub zone: TimeZone,
    pub crm: SocketAddr,
    pub calltouch: SocketAddr,
    pub chatapi: SocketAddr,
    pub telegram: SocketAddr,
    /// Something changed at a bot.
    pub telegram_news: watch::Sender<u64>,
}

impl Hub {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the gateway; what waits in its queue goes out if it may now.
    pub fn change_gateway<T>(self: &Arc<Self>, change: impl FnOnce(&mut Gateway) -> T) -> T {
        let changed = {
            let mut world = self.world();
            let changed = change(&mut world.gateway);
            if world.gateway.manner.send_delay_ms == 0 {
                world.gateway.release(usize::MAX, self.clock.now());
            }
            changed
        };
        self.call_gateway();
        changed
    }

    /// Sends the webhooks of the gateway that are due, on the side, and what its queue held back.
    pub fn call_gateway(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (hooks, way, held) = {
            let mut world = self.world();
            let gateway = &mut world.gateway;
            let waits = gateway.is_authenticated() && !gateway.queue.is_empty();
            let delay = gateway.manner.send_delay_ms;
            if waits && delay == 0 {
                // What is asked for is done before it is answered.
                gateway.release(usize::MAX, self.clock.now());
            }
            let held = (waits && delay > 0).then_some(delay);
            (std::mem::take(&mut gateway.hooks), gateway.way(), held)
        };
        if let Some(way) = way.filter(|_| !hooks.is_empty()) {
            let hub = Arc::clone(self);
            runtime.spawn(async move {
                for hook in hooks {
                    let hooked = chatapi::hook::deliver(&hub.client, &way, &hook).await;
                    hub.world().gateway.hooked.push(hooked);
                }
            });
        }
        if let Some(ms) = held {
            let hub = Arc::clone(self);
            runtime.spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                hub.world().gateway.release(1, hub.clock.now());
                hub.call_gateway();
            });
        }
    }

    /// Sends what the triggers have to tell, on the side; nobody waits for the answers.
    pub fn call_triggers(self: &Arc<Self>) {
        let sends = triggers::due(&mut self.world().account);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for send in sends {
            let hub = Arc::clone(self);
            runtime.spawn(async move {
                let called = triggers::send(&hub.client, send).await;
                hub.world().account.called.push(called);
            });
        }
    }
}
