//! A TCP relay that goes wrong on demand, and counts what passes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

/// What the relay does with connections, new and old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passes everything on.
    Pass,
    /// Listens to nobody; what was open is reset.
    Refuse,
    /// Accepts, reads, and never answers.
    Silent,
    /// Resets every connection in the middle of the next answer.
    ResetInAnswer,
    /// Holds every answer back for this long.
    Slow(Duration),
}

/// Between the program under test and a server.
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    mode: watch::Sender<Mode>,
    counts: Arc<Counts>,
    task: AbortHandle,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    binds: AtomicUsize,
    searches: AtomicUsize,
    searches_as_users: AtomicUsize,
    bytes: AtomicUsize,
}

impl Relay {
    /// Relays to `server`, at first faithfully.
    pub(super) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (mode, watched) = watch::channel(Mode::Pass);
        let counts = Arc::new(Counts::default());
        let task = tokio::spawn(accept(listener, server, watched, counts.clone()));
        Self {
            address,
            mode,
            counts,
            task: task.abort_handle(),
        }
    }

    pub(super) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// From now on.
    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(super) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Bind requests that came, on connections in the clear.
    pub(super) fn binds(&self) -> usize {
        self.counts.binds.load(Ordering::SeqCst)
    }

    /// Search requests that came, on connections in the clear.
    pub(super) fn searches(&self) -> usize {
        self.counts.searches.load(Ordering::SeqCst)
    }

    /// Those of them on a connection that was bound as somebody called `uid=...` before.
    pub(super) fn searches_as_users(&self) -> usize {
        self.counts.searches_as_users.load(Ordering::SeqCst)
    }

    /// Waits until nothing more comes, as after a start.
    pub(super) async fn settled(&self) {
        let mut bytes = usize::MAX;
        while bytes != self.bytes() {
            bytes = self.bytes();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Bytes that came from clients.
    pub(super) fn bytes(&self) -> usize {
        self.counts.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
) {
    let address = listener.local_addr().expect("an address");
    let mut listener = Some(listener);
    loop {
        if *mode.borrow_and_update() == Mode::Refuse {
            listener = None;
            if mode.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match &listener {
            Some(open) => open,
            None => listener.insert(TcpListener::bind(address).await.expect("our port again")),
        };
        tokio::select! {
            client = open.accept() => {
                let Ok((client, _)) = client else { continue };
                counts.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(relay(client, server, mode.clone(), counts.clone()));
            }
            changed = mode.changed() => if changed.is_err() { return },
        }
    }
}

async fn relay(
    client: TcpStream,
    server: SocketAddr,
    mut mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut client, mut server) = (client, server);
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut whole, mut bound_as_user) = (Vec::new(), false);
    loop {
        let now = *mode.borrow_and_update();
        if now == Mode::Refuse {
            return reset(client);
        }
        tokio::select! {
            biased;
            changed = mode.changed() => if changed.is_err() { return },
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                counts.bytes.fetch_add(read, Ordering::SeqCst);
                whole.extend_from_slice(&asked[..read]);
                count(&mut whole, &mut bound_as_user, &counts);
                if now != Mode::Silent && server.write_all(&asked[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answered), if now != Mode::Silent => {
                let Ok(read @ 1..) = read else { return };
                let answer = &answered[..read];
                match now {
                    Mode::ResetInAnswer => {
                        let _ = client.write_all(&answer[..read / 2]).await;
                        return reset(client);
                    }
                    Mode::Slow(delay) => tokio::time::sleep(delay).await,
                    _ => {}
                }
                if client.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Closed with a reset instead of an end.
fn reset(client: TcpStream) {
    let _ = client.set_zero_linger();
}

/// Counts the requests among `bytes`, as far as they are whole; forgets what is no LDAP.
fn count(bytes: &mut Vec<u8>, bound_as_user: &mut bool, counts: &Counts) {
    while bytes.len() > 2 {
        let (head, length) = match bytes[1] {
            short @ 0..0x80 => (2, usize::from(short)),
            long => {
                let octets = usize::from(long & 0x7f);
                let Some(octets) = bytes.get(2..2 + octets) else {
                    return;
                };
                let length = octets
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                (2 + octets.len(), length)
            }
        };
        if bytes[0] != 0x30 || length > 1 << 24 {
            return bytes.clear();
        }
        let Some(message) = bytes.get(head..head + length) else {
            return;
        };
        let id = usize::from(message.get(1).copied().unwrap_or_default());
        match message.get(2 + id) {
            Some(0x60) => {
                counts.binds.fetch_add(1, Ordering::SeqCst);
                *bound_as_user = message.windows(4).any(|some| some == b"uid=");
            }
            Some(0x63) => {
                counts.searches.fetch_add(1, Ordering::SeqCst);
                let as_user = usize::from(*bound_as_user);
                counts
                    .searches_as_users
                    .fetch_add(as_user, Ordering::SeqCst);
            }
            _ => {}
        }
        bytes.drain(..head + length);
    }
}
