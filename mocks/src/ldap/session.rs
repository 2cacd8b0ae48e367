//! One connection, from its first byte to its last.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use ldap3_proto::{LdapMsg, LdapResultCode, proto::LdapOp};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    entry::Entry,
    fault::{Effect, Operation},
    journal::{Kind, Record},
    output::Output,
    shared::Shared,
    wire::{self, Body, Garbage, Request},
};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many requests of one connection a fault can hold back at once; what comes on top of
/// that is answered without delay.
const MAX_HELD: usize = 1_024;

/// What the answers of one connection depend on.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: u64,
    pub(super) encrypted: bool,
    /// The entry bound as; nobody if absent.
    pub(super) bound: Option<String>,
    /// What is left of paged searches, by cookie.
    pub(super) pages: HashMap<u64, Rest>,
    pub(super) next_cookie: u64,
    /// The requests that a fault holds back, and that were not abandoned.
    held: HashSet<i32>,
}

/// What is left of a paged search.
pub(super) struct Rest {
    pub(super) entries: Vec<Arc<Entry>>,
    /// There would be more, but for the limit the client has set.
    pub(super) cut_short: bool,
}

/// What becomes of the connection after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next request.
    Continue,
    /// A handshake.
    StartTls,
    /// The end.
    Close,
    /// The end, the hard way.
    Reset,
}

/// A request that a fault holds back; true if its own time limit lets it live that long.
type Held = Pin<Box<dyn Future<Output = (Request, bool)> + Send>>;

/// Serves one connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, mut tcp: TcpStream, ldaps: bool) {
    let mut session = Session::new(shared);
    // A client that waits for one small answer must not wait for Nagle as well; if the option
    // cannot be set the connection is gone, which the first read will tell.
    let _ = tcp.set_nodelay(true);
    let effect = session.shared.faults.strike(Operation::Connect);
    session.note(Kind::Connect, "", None, effect.as_ref());
    let mut shown = None;
    match effect {
        Some(Effect::Reset) => return reset(&tcp),
        Some(Effect::Silent) => return swallow(&mut tcp).await,
        Some(Effect::After(delay)) => sleep(delay).await,
        Some(Effect::Certificate(certificate)) => {
            let address = tcp
                .local_addr()
                .map_or(Ipv4Addr::LOCALHOST.into(), |a| a.ip());
            shown = session.shared.authority.server(certificate, address).ok();
        }
        _ => {}
    }
    let next = if ldaps {
        Next::StartTls
    } else {
        session.converse(&mut tcp).await
    };
    match next {
        Next::Reset => reset(&tcp),
        Next::StartTls => {
            // Without a certificate there is no handshake, and the connection ends.
            let Some(config) = shown.or_else(|| session.shared.tls().ok()) else {
                return;
            };
            if let Some(mut tls) = session.handshake(tcp, config).await
                && session.converse(&mut tls).await == Next::Reset
            {
                reset(tls.get_ref().0);
            }
        }
        Next::Continue | Next::Close => {}
    }
    session.note(Kind::Disconnect, "", None, None);
}

/// Dropping the socket afterwards sends a RST instead of a FIN.
fn reset(tcp: &TcpStream) {
    // If it cannot be set there is no connection left to reset.
    let _ = socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// Reads and forgets until the client gives up.
async fn swallow(tcp: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while tcp.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

impl Session {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            connection: shared.next_connection(),
            shared,
            encrypted: false,
            bound: None,
            pages: HashMap::new(),
            next_cookie: 1,
            held: HashSet::new(),
        }
    }

    async fn handshake(
        &mut self,
        tcp: TcpStream,
        config: Arc<ServerConfig>,
    ) -> Option<TlsStream<TcpStream>> {
        let outcome = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(tcp)).await;
        let failure = match outcome {
            Ok(Ok(tls)) => {
                self.encrypted = true;
                self.note(Kind::Tls, "", Some(&LdapResultCode::Success), None);
                return Some(tls);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no handshake in time".to_owned(),
        };
        self.note(Kind::Tls, &failure, None, None);
        None
    }

    /// Answers requests until the connection has to change or end.
    async fn converse<S>(&mut self, stream: &mut S) -> Next
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // A client may go away at any time; there is nobody left to tell.
        self.requests(&mut Output::new(stream))
            .await
            .unwrap_or(Next::Close)
    }

    async fn requests<S>(&mut self, out: &mut Output<'_, S>) -> io::Result<Next>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut input = BytesMut::with_capacity(4096);
        let mut held: FuturesUnordered<Held> = FuturesUnordered::new();
        loop {
            loop {
                let request = match wire::cut(&mut input) {
                    Ok(None) => break,
                    Ok(Some(message)) => wire::decode(&message),
                    Err(garbage) => Err(garbage),
                };
                let next = match request {
                    Ok(request) => self.receive(request, out, &mut held).await?,
                    Err(garbage) => self.disconnect(&garbage, out).await?,
                };
                if next != Next::Continue {
                    out.flush().await?;
                    // What came with the request for TLS was not protected by it.
                    let early = next == Next::StartTls && !input.is_empty();
                    return Ok(if early { Next::Close } else { next });
                }
            }
            out.flush().await?;
            tokio::select! {
                read = out.read(&mut input) => if read? == 0 {
                    return Ok(Next::Close);
                },
                Some((request, in_time)) = held.next() => {
                    if self.held.remove(&request.id) {
                        let too_late = Effect::Result(LdapResultCode::TimeLimitExceeded);
                        let effect = (!in_time).then_some(too_late);
                        self.answer(request, effect, out).await?;
                    }
                }
            }
        }
    }

    /// Takes a request in: a fault may strike it before it is answered.
    async fn receive<S>(
        &mut self,
        request: Request,
        out: &mut Output<'_, S>,
        held: &mut FuturesUnordered<Held>,
    ) -> io::Result<Next>
    where
        S: AsyncWrite + Unpin,
    {
        let operation = match &request.body {
            Body::Other(LdapOp::UnbindRequest) => {
                self.note(Kind::Unbind, "", None, None);
                return Ok(Next::Close);
            }
            Body::Other(LdapOp::AbandonRequest(id)) => {
                self.held.remove(id);
                self.note(Kind::Abandon, &id.to_string(), None, None);
                return Ok(Next::Continue);
            }
            Body::Search(_) => Operation::Search,
            Body::Other(LdapOp::BindRequest(_)) => Operation::Bind,
            Body::Other(_) => Operation::Any,
        };
        match self.shared.faults.strike(operation) {
            Some(Effect::After(delay)) if held.len() < MAX_HELD => {
                self.held.insert(request.id);
                held.push(hold(request, delay));
                Ok(Next::Continue)
            }
            Some(effect @ (Effect::Silent | Effect::Reset)) => {
                self.record(&request, None, None, Some(&effect));
                Ok(if effect == Effect::Reset {
                    Next::Reset
                } else {
                    Next::Continue
                })
            }
            effect => self.answer(request, effect, out).await,
        }
    }

    /// RFC 4511 §4.1.1: a message that cannot be read ends the connection, with a notice.
    async fn disconnect<S>(
        &mut self,
        garbage: &Garbage,
        out: &mut Output<'_, S>,
    ) -> io::Result<Next>
    where
        S: AsyncWrite + Unpin,
    {
        self.note(Kind::Garbage, &garbage.to_string(), None, None);
        let code = LdapResultCode::ProtocolError;
        let notice = ldap3_proto::DisconnectionNotice::gen_response(code, &garbage.to_string());
        out.send(notice).await?;
        Ok(Next::Close)
    }

    /// Writes an event of the connection into the journal.
    pub(super) fn note(
        &self,
        kind: Kind,
        name: &str,
        result: Option<&LdapResultCode>,
        fault: Option<&Effect>,
    ) {
        self.shared.journal.add(Record {
            id: 0,
            at: (self.shared.clock)(),
            connection: self.connection,
            encrypted: self.encrypted,
            kind,
            name: name.to_owned(),
            scope: None,
            filter: None,
            attributes: Vec::new(),
            result: result.map(super::fault::result_name),
            entries: None,
            fault: fault.map(Effect::to_string),
        });
    }
}

fn hold(request: Request, delay: Duration) -> Held {
    let limit = match &request.body {
        Body::Search(search) if search.time_limit > 0 => Duration::from_secs(search.time_limit),
        _ => Duration::MAX,
    };
    Box::pin(async move {
        sleep(delay.min(limit)).await;
        (request, delay <= limit)
    })
}

/// A message without controls.
pub(super) fn message(msgid: i32, op: LdapOp) -> LdapMsg {
    LdapMsg {
        msgid,
        op,
        ctrl: Vec::new(),
    }
}
