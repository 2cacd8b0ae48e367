//! `[server]`

use std::{net::SocketAddr, time::Duration};

use crate::{
    client_auth::ProxyConfig,
    config::{ServerConfig, reader::Section},
    http::Refusals,
    tls::TlsConfig,
};

/// No answer is to come later than this, whatever is configured behind the server.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

pub(super) fn server(section: &Section<'_>) -> Option<ServerConfig> {
    let listen = section.address("listen");
    let admin_listen = section.address_or_off("admin_listen");
    let refusals = match section.word("refusals")? {
        "http" => Refusals::Http,
        _ => Refusals::Documented,
    };
    let accept_post = section.flag("accept_post");
    let plain_http = section.flag("plain_http");
    let max_body = section.size("max_body");
    let request_timeout = section.duration("request_timeout");
    if request_timeout > LONGEST_WAIT {
        section.warning(
            "request_timeout",
            "longer than 3s: phone systems give up after 2 to 5 seconds",
        );
    }
    let max_connections = section.whole("max_connections") as usize;
    let shutdown_grace = section.duration("shutdown_grace");
    let tls = section.table("tls");
    let proxy = section.table("proxy");
    if let Some(listen) = listen {
        check_exposure(section, listen, admin_listen, plain_http || tls.is_some());
    }
    let tls = tls.map(|tls| read_tls(&tls));
    let proxy = proxy.map(|proxy| read_proxy(&proxy));
    Some(ServerConfig {
        listen: listen?,
        admin_listen,
        refusals,
        accept_post,
        max_body,
        request_timeout,
        max_connections,
        shutdown_grace,
        tls: tls.unwrap_or_default(),
        proxy: proxy.unwrap_or_default(),
    })
}

fn check_exposure(
    section: &Section<'_>,
    listen: SocketAddr,
    admin_listen: Option<SocketAddr>,
    protected: bool,
) {
    if !listen.ip().to_canonical().is_loopback() && !protected {
        section.problem(
            "listen",
            format!(
                "{listen} is not loopback, and there is no TLS (write [server.tls], or \
                 plain_http = true if a reverse proxy in front ends TLS)"
            ),
        );
    }
    let Some(admin) = admin_listen else { return };
    if collide(listen, admin) {
        let what = format!("{admin} cannot be taken beside {listen}, where `listen` is");
        section.problem("admin_listen", what);
    }
    if !admin.ip().to_canonical().is_loopback() {
        section.warning(
            "admin_listen",
            format!("{admin} is not loopback: health and metrics are open to whoever reaches it"),
        );
    }
}

/// True if one program cannot listen on both.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same = one.ip() == other.ip() || any && one.is_ipv4() == other.is_ipv4();
    one.port() != 0 && one.port() == other.port() && same
}

fn read_tls(section: &Section<'_>) -> Option<TlsConfig> {
    let certificate = section.path("certificate");
    let private_key = section.path("private_key");
    let client_ca = section.path("client_ca");
    let client_crl = section.paths("client_crl");
    let required = section.word("client_certificates");
    if !section.has("client_ca") {
        for name in ["client_certificates", "client_crl"] {
            if section.has(name) {
                section.problem(
                    name,
                    "needs `client_ca`: without it no certificate is asked for",
                );
            }
        }
    }
    Some(TlsConfig {
        certificate: certificate?,
        private_key: private_key?,
        client_ca,
        client_crl,
        client_certificates_required: required? == "required",
    })
}

fn read_proxy(section: &Section<'_>) -> Option<ProxyConfig> {
    let trusted = section.networks("trusted");
    let header = section.checked("client_certificate_header", |name| {
        hyper::header::HeaderName::try_from(name)
            .map(|name| Box::from(name.as_str()))
            .map_err(|_| "not the name of a header".to_owned())
    });
    if trusted
        .iter()
        .flatten()
        .any(|range| range.prefix_len() == 0)
    {
        section.warning("trusted", "the header of everybody is believed");
    }
    Some(ProxyConfig {
        trusted: trusted?,
        client_certificate_header: header,
    })
}
