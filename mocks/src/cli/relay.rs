//! `relay`: between a phone system and a real server, until a signal.

use std::{net::SocketAddr, path::PathBuf};

use super::{DONE, FAILED, USAGE, address, complain, say, stopped, tell};
use crate::relay::{Relay, Target};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The real server, without a path.
    #[arg(long, value_name = "URL")]
    to: String,
    /// Where callers call.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = address)]
    http: SocketAddr,
    /// Where the administration and the dashboard listen; keep it private.
    #[arg(long, default_value = "127.0.0.1:8081", value_parser = address)]
    admin: SocketAddr,
    /// PEM to trust for the real server, instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    let ca = match arguments.ca.as_deref().map(std::fs::read).transpose() {
        Ok(ca) => ca,
        Err(error) => {
            complain(format!("the CA cannot be read: {error}"));
            return USAGE;
        }
    };
    let target = match Target::read(&arguments.to, ca.as_deref()) {
        Ok(target) => target,
        Err(error) => {
            complain(error);
            return USAGE;
        }
    };
    let relay = match Relay::start(arguments.http, arguments.admin, target).await {
        Ok(relay) => relay,
        Err(error) => {
            complain(format!(
                "cannot listen on {} and {}: {error}",
                arguments.http, arguments.admin
            ));
            return FAILED;
        }
    };
    let (http, admin) = (relay.http_address(), relay.admin_address());
    let stopped = stopped();
    say(&format!("{{\"http\":\"{http}\",\"admin\":\"{admin}\"}}"));
    tell(&format!(
        "relays http://{http} to {}, watch http://{admin}/",
        arguments.to
    ));
    stopped.await;
    DONE
}
