//! The listener: accepts, shakes hands, refuses connections when that was asked for.

use std::{collections::HashMap, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rustls::{AlertDescription, ServerConfig};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{converse, enter_event, stream::Stream};
use crate::{
    authority::{Authority, AuthorityError, Certificate},
    journal::Event,
    scenario::Fault,
    world::World,
};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The certificates of the endpoint, by what is wrong with them.
type Certificates = HashMap<Certificate, Arc<ServerConfig>>;

/// A bound socket that is not yet served.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    /// Keeps the port while nobody listens on it.
    placeholder: Socket,
    address: SocketAddr,
    certificates: Option<Certificates>,
}

impl Listener {
    /// Binds the address; port 0 takes a free one.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let placeholder = socket(address)?;
        let address = match placeholder.local_addr()?.as_socket() {
            Some(address) => address,
            None => address,
        };
        Ok(Self {
            listener: listening(address)?,
            placeholder,
            address,
            certificates: None,
        })
    }

    /// Speaks TLS with the mock's own certificates.
    pub(crate) fn with_tls(mut self, authority: &Authority) -> Result<Self, AuthorityError> {
        let kinds = [
            Certificate::Good,
            Certificate::Expired,
            Certificate::WrongName,
            Certificate::Untrusted,
        ];
        let configs = kinds.into_iter().map(|kind| {
            let mut config = ServerConfig::clone(&*authority.server(kind, self.address.ip())?);
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            // A resumed session shows no certificate, so that nobody could refuse it.
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
            Ok((kind, Arc::new(config)))
        });
        self.certificates = Some(configs.collect::<Result<_, AuthorityError>>()?);
        Ok(self)
    }

    /// The address with its real port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Binds an address without listening on it.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

/// Serves until it is dropped; connections end with it.
pub(crate) async fn serve(
    listener: Listener,
    world: Arc<World>,
    mut refusals: mpsc::UnboundedReceiver<Duration>,
) {
    let Listener {
        mut listener,
        placeholder: _kept,
        address,
        certificates,
    } = listener;
    let certificates = certificates.map(Arc::new);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(duration) = refusals.recv() => {
                drop(listener);
                listener = reopened(address, duration).await;
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    let world = Arc::clone(&world);
                    connections.spawn(welcome(tcp, world, certificates.clone()));
                }
                // Too many open files, most likely: what is open has to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }
}

/// Listens again after a time in which every connection was refused.
async fn reopened(address: SocketAddr, after: Duration) -> TcpListener {
    tokio::time::sleep(after).await;
    loop {
        // The placeholder holds the port, so this succeeds as soon as the kernel has let go.
        match listening(address) {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn welcome(tcp: TcpStream, world: Arc<World>, certificates: Option<Arc<Certificates>>) {
    // An answer in two segments shall not wait for an acknowledgement; failing costs time only.
    let _ = tcp.set_nodelay(true);
    let mut shown = Certificate::Good;
    match world.strike_connection() {
        Some(Fault::RefuseConnect(duration)) => {
            world.refuse_connections(duration);
            return Stream::Plain(tcp).reset();
        }
        Some(Fault::Tls(certificate)) => shown = certificate,
        _ => {}
    }
    let Some(certificates) = certificates else {
        return converse(Stream::Plain(tcp), world, None).await;
    };
    let Some(config) = certificates.get(&shown) else {
        return;
    };
    let acceptor = TlsAcceptor::from(Arc::clone(config));
    let shown = Some(shown).filter(|shown| *shown != Certificate::Good);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => converse(Stream::Tls(Box::new(tls)), world, shown).await,
        Ok(Err(error)) => shunned(&world, shown, &error),
        Err(_) => {
            let note = "a TLS handshake was begun and not finished".to_owned();
            enter_event(&world, Event::Tls, Bytes::new(), None, note);
        }
    }
}

/// Journals a handshake that did not succeed: a good caller refuses a bad certificate.
fn shunned(world: &World, shown: Option<Certificate>, error: &io::Error) {
    let tls = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    let seen = match tls {
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the caller ended the TLS handshake: {}", words(*alert))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            "what came is no TLS: was http meant for https?".to_owned()
        }
        Some(error) => format!("the TLS handshake failed: {error}"),
        None => "the caller closed the connection during the TLS handshake".to_owned(),
    };
    let note = match shown {
        Some(certificate) => super::rightly(&seen, certificate),
        None => format!(
            "{seen}; a caller that is to trust the mock needs its CA, GET /ca.pem on the administration port"
        ),
    };
    enter_event(world, Event::Tls, Bytes::new(), None, note);
}

/// An alert in words, as RFC 8446 section 6.2 calls it.
fn words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}");
    let mut words = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() && !words.ends_with(char::is_uppercase) {
            words.push(' ');
        }
        words.push(character);
    }
    words
}
