//! `serve`: everything on its ports, until a signal.

use std::{net::SocketAddr, path::PathBuf};

use super::{DONE, FAILED, USAGE, WorldArguments, address, complain, say, stopped, tell};
use crate::mock::Mock;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What the world holds; without it, tenant t1 and the magic numbers.
    scenario: Option<PathBuf>,
    /// Where the endpoint listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_parser = address)]
    http: SocketAddr,
    /// Where the directory listens.
    #[arg(long, default_value = "127.0.0.1:3890", value_parser = address)]
    ldap: SocketAddr,
    /// Where the administration and the dashboard listen; keep it private.
    #[arg(long, default_value = "127.0.0.1:8081", value_parser = address)]
    admin: SocketAddr,
    /// Where the directory speaks LDAPS.
    #[arg(long, value_parser = address)]
    ldaps: Option<SocketAddr>,
    #[command(flatten)]
    world: WorldArguments,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    let (builder, scenario) = match arguments.world.builder(arguments.scenario.as_deref()) {
        Ok(built) => built,
        Err(error) => {
            complain(error);
            return USAGE;
        }
    };
    for warning in scenario.warnings() {
        tell(&format!("warning: {warning}"));
    }
    let mut builder = builder
        .http(arguments.http)
        .ldap(arguments.ldap)
        .admin(arguments.admin);
    if let Some(ldaps) = arguments.ldaps {
        builder = builder.ldaps(ldaps);
    }
    let mock = match builder.start().await {
        Ok(mock) => mock,
        Err(error) => {
            complain(error);
            return FAILED;
        }
    };
    let stopped = stopped();
    say(&readiness_line(&mock));
    greet(&mock);
    let authority = mock.authority();
    // Made now, so that the first handshake need not wait for it.
    tokio::task::spawn_blocking(move || authority.pem());
    stopped.await;
    drop(mock);
    DONE
}

/// One line of JSON with the real addresses, in the order in which they are documented.
fn readiness_line(mock: &Mock) -> String {
    let (http, admin) = (mock.http_address(), mock.admin_address());
    let ldap = mock.directory().ldap_address();
    let ldaps = mock.directory().ldaps_address();
    let ldaps = ldaps.map(|ldaps| format!(",\"ldaps\":\"{ldaps}\""));
    let ldaps = ldaps.unwrap_or_default();
    format!("{{\"http\":\"{http}\",\"ldap\":\"{ldap}\",\"admin\":\"{admin}\"{ldaps}}}")
}

fn greet(mock: &Mock) {
    let seed = mock.seed();
    tell("callotp-mock, not for production");
    tell(&format!("seed   {seed}  (again with --seed {seed})"));
    tell(&format!("try    {}", mock.try_line()));
    tell(&format!("watch  {}/", mock.admin_url()));
    if !mock.admin_address().ip().is_loopback() {
        tell(
            "warning: the administration does not listen on loopback, and asks nobody who they are",
        );
    }
}
