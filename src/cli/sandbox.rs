//! `leadlink sandbox`: the stand-ins alone. Invariant: loopback only.

use super::out;
use crate::sandbox::{Options, Sandbox};
use anyhow::Context;
use clap::Args;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Where RetailCRM's stand-in listens; Calltouch's, ChatAPI's and Telegram's take the next ports.
    /// Port 0: any free ones
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "127.0.0.1:PORT")]
    listen: String,
    /// No rate limits
    #[arg(long)]
    unlimited: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut options = Options { listen: arguments.listen, ..Options::default() };
    if arguments.unlimited {
        (options.crm_rps, options.calltouch_rps, options.telegram_rps) = (None, None, None);
    }
    let sandbox = Sandbox::start(options).await.context("the sandbox cannot start")?;
    out::say(&format!("RetailCRM  {}  api key {}", sandbox.crm_url(), sandbox.api_key()));
    out::say(&format!(
        "Calltouch  {}  token {}  site {}",
        sandbox.calltouch_url(),
        sandbox.token(),
        sandbox.site_id()
    ));
    out::say(&format!(
        "ChatAPI    {}  token {}  instance {}",
        sandbox.chatapi_url(),
        sandbox.chatapi_token(),
        sandbox.chatapi_instance()
    ));
    out::say(&format!("Telegram   {}  token {}", sandbox.telegram_url(), sandbox.telegram_token()));
    out::say(&format!("control    {}/_sandbox  (GET it for the routes)", sandbox.crm_url()));
    let stop = CancellationToken::new();
    crate::app::serve::stop_on_signal(stop.clone())?;
    stop.cancelled().await;
    sandbox.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
