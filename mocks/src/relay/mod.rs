//! The relay: between a phone system and a real server. It changes nothing but the
//! `Host` line, and judges both. Credentials and codes do not stay in its journal.

mod server;
mod upstream;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use callotp_conformance::{catalogue::caller, contract};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use self::upstream::{Ended, Upstream};
pub use self::upstream::{Target, TargetError};
use crate::{
    admin,
    clock::{SystemClock, millis},
    concealed,
    endpoint::{
        judge::{self, Judged, Operation, finding},
        misunderstood, render,
        request::{self, Request},
        sequence::Ending,
        stream::Stream,
    },
    journal::{Answer, Call, Event, Finding, Journal},
    scenario::{Auth, Scenario, TenantPlan},
    world::{Mode, World},
};

/// A caller that is still there after this long does not give up in time.
const PATIENCE: Duration = Duration::from_millis(10_400);

/// A running relay. It stops when it is dropped.
#[derive(Debug)]
pub struct Relay {
    world: Arc<World>,
    http: SocketAddr,
    admin: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Listens at `http` for callers and at `admin` for those who watch, and passes calls on.
    pub async fn start(http: SocketAddr, admin: SocketAddr, target: Target) -> io::Result<Self> {
        let listener = TcpListener::bind(http).await?;
        let administration = admin::bind(admin).await?;
        let (http, admin) = (listener.local_addr()?, administration.address());
        let world = Arc::new(world());
        let shared = admin::Shared {
            world: Arc::clone(&world),
            directory: None,
            authority: None,
            url: format!("http://{http}"),
            try_line: format!(
                "point the phone system at http://{http}{}",
                contract::GET_OTP_PATH
            ),
            expected: Vec::new(),
        };
        let tasks = vec![
            tokio::spawn(serve(listener, Arc::clone(&world), Arc::new(target))),
            tokio::spawn(administration.serve(Arc::new(shared))),
        ];
        Ok(Self {
            world,
            http,
            admin,
            tasks,
        })
    }

    /// Where callers call.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where the administration listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The calls.
    pub fn journal(&self) -> &Journal {
        &self.world.journal
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A world of which nothing is known but what passes through.
fn world() -> World {
    let anybody = TenantPlan {
        auth: Auth::None,
        digits: contract::OTP_MIN_DIGITS,
        lifetime: Duration::ZERO,
        people: Vec::new(),
        rules: Vec::new(),
    };
    let scenario = Scenario {
        seed: None,
        tenants: BTreeMap::from([(String::new(), anybody)]),
        directory: Default::default(),
        expect: Vec::new(),
    };
    let clock = Arc::new(SystemClock::start());
    // Nobody asks a relay to refuse connections.
    let (world, _) = World::new(&scenario, clock, 0, Mode::Judge, true);
    world.of_strangers()
}

async fn serve(listener: TcpListener, world: Arc<World>, target: Arc<Target>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                };
                // A failure costs time only.
                let _ = tcp.set_nodelay(true);
                connections.spawn(pass(Stream::Plain(tcp), Arc::clone(&world), Arc::clone(&target)));
            }
        }
    }
}

/// Passes one connection's calls on, each over the same connection to the server.
async fn pass(mut caller: Stream, world: Arc<World>, target: Arc<Target>) {
    let mut buffer = BytesMut::new();
    let mut upstream = None;
    loop {
        let request = match request::read(&mut caller, &mut buffer).await {
            Ok(request) => request,
            Err(no_request) => return misunderstood(caller, &world, no_request).await,
        };
        let number = world.journal.next_number();
        let asked = Instant::now();
        let judged = begin(&world, &request, number);
        enter(&world, &request, &judged, number);
        let sent = Request {
            head: upstream::with_host(&request.head, &target),
            ..request.clone()
        };
        let mut server = match upstream.take() {
            Some(server) => server,
            None => match Upstream::connect(&target).await {
                Ok(server) => server,
                Err(error) => return unreachable(caller, &world, number, &error).await,
            },
        };
        let mut late = || {
            world.journal.amend(number, |call| {
                let says = "still waits after 10 s without an answer";
                call.findings
                    .push(finding(&caller::TIMEOUT, says, judged.system));
            });
        };
        let ended = server
            .exchange(&sent, &mut caller, &mut buffer, asked + PATIENCE, &mut late)
            .await;
        finish(&world, &judged, number, &ended, asked);
        match ended {
            Ended::Whole { keep: true, .. } if request.keep_alive => upstream = Some(server),
            Ended::Reset { .. } => return caller.reset(),
            _ => {
                // The connection ends either way.
                let _ = caller.shutdown().await;
                return;
            }
        }
    }
}

fn begin(world: &World, request: &Request, number: u64) -> Judged {
    let mut judged = judge::judge(request, world);
    if let Some(calling) = judged.sequenced().map(str::to_owned) {
        let state = &mut *world.tenant(judged.tenant).state();
        // Tenants share the one that stands for all: a number is one caller's in each.
        let calling = format!("{} {calling}", judged.tenant_name);
        state
            .sequences
            .begin(&calling, number, world.now(), &mut judged.found);
    }
    judged
}

fn enter(world: &World, request: &Request, judged: &Judged, number: u64) {
    world.journal.enter(Call {
        number,
        at: world.now(),
        event: match judged.operation {
            Operation::GetOtp => Event::Call,
            _ => Event::Other,
        },
        tenant: judged.tenant_name.clone(),
        calling: judged.calling.text().map(str::to_owned),
        head: concealed::head(&String::from_utf8_lossy(&request.head)).into(),
        body: match judged.operation {
            Operation::GetOtp => request.body.clone(),
            // A login carries a password and a code.
            _ => Bytes::new(),
        },
        system: judged.system.name,
        findings: without_quotes(judged.found.findings(), &request.head),
        answer: Answer::default(),
        closed_by_client_after_ms: None,
        duration_ms: 0,
        heard: None,
        note: None,
    });
}

/// A finding may quote what was sent.
fn without_quotes(findings: &[Finding], head: &[u8]) -> Vec<Finding> {
    let head = String::from_utf8_lossy(head);
    let mut findings = findings.to_vec();
    for finding in &mut findings {
        finding.says = concealed::quoting(&finding.says, &head);
    }
    findings
}

fn finish(world: &World, judged: &Judged, number: u64, ended: &Ended, asked: Instant) {
    let took = millis(asked.elapsed());
    if let Some(calling) = judged.sequenced() {
        let ending = match ended {
            Ended::Whole { status: 200, .. } => Ending::Answered,
            Ended::Whole { status: 403, .. } => Ending::Refused,
            _ => Ending::Failed,
        };
        let calling = format!("{} {calling}", judged.tenant_name);
        let state = &mut *world.tenant(judged.tenant).state();
        state.sequences.end(&calling, number, world.now(), ending);
    }
    world.journal.amend(number, |call| {
        call.duration_ms = took;
        match ended {
            Ended::Whole {
                status,
                body,
                headers,
                ..
            } => {
                call.answer.status = Some(*status);
                call.answer.body = server::masked(body);
                if call.event == Event::Call {
                    call.findings
                        .extend(server::judge(*status, headers, body, took));
                }
            }
            Ended::CallerGone => call.closed_by_client_after_ms = Some(took),
            Ended::Reset { says } | Ended::Cut { says } => {
                call.answer.fault = Some((*says).to_owned());
                if call.event == Event::Call {
                    call.findings.extend(server::judge_time(took));
                }
            }
        }
    });
}

async fn unreachable(mut stream: Stream, world: &World, number: u64, error: &io::Error) {
    world.journal.amend(number, |call| {
        call.answer.fault = Some(format!("the server cannot be reached: {error}"));
    });
    let (name, value) = render::WARNING;
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n{name}: {value}\r\n\r\n"
    );
    // Whoever called may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
