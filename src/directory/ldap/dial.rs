//! From a URL to a connection that can be asked: address, TCP, TLS, guard, service bind.

use std::{
    io,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream, lookup_host},
    time::{Instant, sleep, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ServerUrl,
    guard::{self, Pulse},
    message::{self, BadMessage, Expected},
    outcome::{self, BindOutcome},
};
use crate::{directory::PasswordCheck, secret::Secret};

/// An address that does not answer gets this head start before the next one of the
/// same name is tried beside it (the idea of RFC 8305).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// A peer that vanished without a word is noticed after about this long.
const PEER_GONE: Duration = Duration::from_secs(30);

/// The request for TLS (RFC 4511 §4.14), message 1.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// How the servers of one directory are reached.
pub(super) struct Dialer {
    pub(super) start_tls: bool,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) bind: Option<ServiceBind>,
}

/// Who searches.
pub(super) struct ServiceBind {
    pub(super) dn: Box<str>,
    pub(super) password: Secret,
}

/// What a new connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Bound as the service user once, and then searched on.
    Search,
    /// Bound as one user after the other, and never searched on.
    Bind,
}

/// Why there is no connection; the step that failed, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DialError {
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Name(String),
    /// No address accepts.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No TLS, or not with whom it should be.
    #[error("TLS: {0}")]
    Tls(String),
    /// The server does not do StartTLS.
    #[error("the server refuses StartTLS: {0}")]
    StartTls(String),
    /// The service user is not let in.
    #[error("the service user is not let in: {0}")]
    ServiceBind(String),
    /// The server lets nobody in, or not like this.
    #[error("the server refuses to let the service user in: {0}")]
    BindRefused(String),
    /// It has failed a moment ago, for somebody else.
    #[error("{0}")]
    Out(String),
    /// Nothing came in time.
    #[error("no answer")]
    Silent,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl DialError {
    /// What to do.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Name(_) => "correct the name in urls, or have it resolved",
            Self::Connect(_) => "is the server running, and does a firewall let us through?",
            Self::Tls(said) => tls_advice(said),
            Self::StartTls(_) => "use ldaps://, or have StartTLS enabled",
            Self::ServiceBind(_) => "check bind_dn and bind_password",
            Self::BindRefused(_) => "do what the server says, or ask its administrator",
            Self::Silent => "a firewall may be dropping packets, or the server hangs",
            Self::Broken(_) => "is it an LDAP server, and would ldaps:// be right for this port?",
            Self::Out(_) => "",
        }
    }
}

fn tls_advice(said: &str) -> &'static str {
    match () {
        () if said.contains("UnknownIssuer") || said.contains("BadSignature") => {
            "name the PEM file of the authority that signed the server's certificate with ca"
        }
        () if said.contains("not valid for name") => {
            "write the URL with a name that is in the server's certificate"
        }
        () if said.contains("xpired") => "have the server's certificate renewed",
        () if said.contains("CaUsedAsEndEntity") => {
            "the server shows its authority's own certificate; have it show one that was signed"
        }
        () => "is it ldaps:// on this port?",
    }
}

/// A connection and its guard's state.
struct Dialled {
    ldap: Ldap,
    pulse: Arc<Pulse>,
}

impl Dialer {
    /// A connection for `purpose`, by `deadline`; what the server says on it is counted
    /// in `heard`.
    pub(super) async fn dial(
        &self,
        url: &ServerUrl,
        purpose: Purpose,
        heard: &Arc<AtomicU64>,
        deadline: Instant,
    ) -> Result<Ldap, DialError> {
        timeout_at(deadline, self.dial_without_limit(url, purpose, heard))
            .await
            .unwrap_or(Err(DialError::Silent))
    }

    async fn dial_without_limit(
        &self,
        url: &ServerUrl,
        purpose: Purpose,
        heard: &Arc<AtomicU64>,
    ) -> Result<Ldap, DialError> {
        let tcp = connect(url).await?;
        let pulse = Pulse::counting(heard.clone());
        let dialled = match url.tls_from_the_start() || self.start_tls {
            false => guarded(tcp, url, pulse).await?,
            true => guarded(self.secure(url, tcp).await?, url, pulse).await?,
        };
        match purpose {
            Purpose::Bind => Ok(dialled.ldap),
            Purpose::Search => self.bind(dialled).await,
        }
    }

    /// TLS over `tcp`, asked for first where the URL is `ldap://`.
    pub(super) async fn secure(
        &self,
        url: &ServerUrl,
        mut tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, DialError> {
        if !url.tls_from_the_start() {
            start_tls(&mut tcp).await?;
        }
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|error| DialError::Tls(error.to_string()))?;
        TlsConnector::from(self.tls.clone())
            .connect(name, tcp)
            .await
            .map_err(|error| DialError::Tls(error.to_string()))
    }

    async fn bind(&self, mut dialled: Dialled) -> Result<Ldap, DialError> {
        if let Some(service) = &self.bind {
            let result = dialled
                .ldap
                .simple_bind(&service.dn, service.password.expose())
                .await
                .map_err(|error| DialError::Broken(error.to_string()))?;
            let said = outcome::describe(&result);
            match outcome::of_bind(&result) {
                BindOutcome::Checked(PasswordCheck::Right) => {}
                BindOutcome::Unavailable(_) => return Err(DialError::Broken(said)),
                BindOutcome::Checked(PasswordCheck::Wrong(_)) => {
                    return Err(DialError::ServiceBind(said));
                }
                BindOutcome::Unusable(_) => return Err(DialError::BindRefused(said)),
            }
        }
        dialled.pulse.search_from_now_on();
        Ok(dialled.ldap)
    }
}

/// TCP to the first address of the server's name that accepts.
pub(super) async fn connect(url: &ServerUrl) -> Result<TcpStream, DialError> {
    let mut addresses = lookup_host((url.host(), url.port()))
        .await
        .map_err(|error| DialError::Name(error.to_string()))?;
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut more = true;
    loop {
        match addresses.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None => more = false,
        }
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt.and_then(|tcp| tune(&tcp).map(|()| tcp)) {
                Ok(tcp) => return Ok(tcp),
                Err(error) => last = error,
            },
            () = sleep(NEXT_ADDRESS), if more => {}
            else => return Err(DialError::Connect(last.to_string())),
        }
    }
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let probes = TcpKeepalive::new()
        .with_time(PEER_GONE / 3)
        .with_interval(PEER_GONE / 6);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(PEER_GONE))
}

/// The server must say yes, and nothing after it: what came in the clear behind the
/// answer would otherwise be taken for something said under TLS.
async fn start_tls(tcp: &mut TcpStream) -> Result<(), DialError> {
    let broken = |error: io::Error| DialError::Broken(error.to_string());
    let bad = |error: BadMessage| DialError::StartTls(format!("it sent {error}"));
    tcp.write_all(START_TLS).await.map_err(broken)?;
    let mut answer = bytes::BytesMut::with_capacity(512);
    let length = loop {
        match message::length(&answer).map_err(bad)? {
            Some(length) if answer.len() >= length => break length,
            _ => {}
        }
        if tcp.read_buf(&mut answer).await.map_err(broken)? == 0 {
            return Err(DialError::Broken("the server closed it".into()));
        }
    };
    message::check(&answer[..length], Expected::Extended).map_err(bad)?;
    match message::result_code(&answer[..length]).map_err(bad)? {
        0 if answer.len() == length => Ok(()),
        0 => Err(DialError::StartTls("it sent more than its answer".into())),
        code => Err(DialError::StartTls(format!("result code {code}"))),
    }
}

/// Puts the guard between the server and the client library.
async fn guarded(
    server: impl AsyncRead + AsyncWrite + Send + 'static,
    url: &ServerUrl,
    pulse: Pulse,
) -> Result<Dialled, DialError> {
    let broken = |error: io::Error| DialError::Broken(error.to_string());
    let (ours, theirs) = UnixStream::pair().map_err(broken)?;
    let theirs = theirs.into_std().map_err(broken)?;
    let pulse = Arc::new(pulse);
    tokio::spawn({
        let (pulse, url) = (pulse.clone(), url.clone());
        async move {
            if let Err(ended) = guard::relay(server, ours, &pulse).await {
                tracing::debug!(server = %url, reason = %ended, "an LDAP connection ended");
            }
        }
    });
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
        .await
        .map_err(|error| DialError::Broken(error.to_string()))?;
    // What ends the driver ends the questions on it too, and they say so.
    tokio::spawn(async move { drop(driver.drive().await) });
    Ok(Dialled { ldap, pulse })
}
