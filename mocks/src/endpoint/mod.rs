//! The endpoint: getOTP and its siblings on a real socket. It reads a request, lets
//! the judge look at it, decides on an answer, journals both and plays the answer out.

pub(crate) mod judge;
mod listen;
mod otp;
mod plan;
pub(crate) mod render;
pub(crate) mod request;
pub(crate) mod rules;
pub(crate) mod sequence;
pub(crate) mod stream;
pub(crate) mod system;
mod wire;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use callotp_conformance::catalogue::{Clause, caller};
use tokio::{io::AsyncWriteExt as _, time::Instant};

pub(crate) use self::listen::{Listener, serve};
use self::{
    judge::{Calling, Judged, Operation, finding},
    plan::Plan,
    render::{Frame, Rendered, render},
    request::{NoRequest, Request},
    sequence::Ending,
    stream::Stream,
    wire::{Played, Player},
};
use crate::{
    authority::Certificate,
    clock::millis,
    journal::{Answer, Call, Event},
    scenario::{Fault, Place},
    world::World,
};

/// How much is kept of bytes that nobody understands.
const KEPT_GARBAGE: usize = 4 * 1024;

/// How long a call waits for the one before it of the same number to be seen as given up:
/// a caller closes one connection and opens the next at the same moment.
const CROSSING: Duration = Duration::from_millis(25);

/// Serves one connection until it ends; `shown` is the bad certificate that it accepted.
async fn converse(mut stream: Stream, world: Arc<World>, shown: Option<Certificate>) {
    let mut buffer = BytesMut::with_capacity(1024);
    let mut refusable = shown;
    loop {
        let request = match request::read(&mut stream, &mut buffer).await {
            Ok(request) => request,
            Err(no_request) => {
                if let (NoRequest::End, Some(certificate)) = (&no_request, refusable) {
                    refused_after_handshake(&world, certificate);
                }
                return misunderstood(stream, &world, no_request).await;
            }
        };
        let asked = Instant::now();
        refusable = None;
        match answer(stream, &mut buffer, &world, request, asked, shown).await {
            Some(kept) => stream = kept,
            None => return,
        }
    }
}

/// Some callers look at the name in a certificate only when the handshake is done, and then go.
fn refused_after_handshake(world: &World, certificate: Certificate) {
    let seen = "the caller ended the connection after the TLS handshake, without a request";
    let note = rightly(seen, certificate);
    enter_event(world, Event::Tls, Bytes::new(), None, note);
}

/// A note on a bad certificate that was refused.
fn rightly(seen: &str, certificate: Certificate) -> String {
    let bad = bad(certificate);
    format!("{seen}; the certificate was {bad}, so that was right")
}

/// Answers one request; the connection, when it can be used again.
async fn answer(
    stream: Stream,
    buffer: &mut BytesMut,
    world: &World,
    request: Request,
    asked: Instant,
    shown: Option<Certificate>,
) -> Option<Stream> {
    let mut judged = judge::judge(&request, world);
    if let Some(certificate) = shown {
        let says = format!("went on after a certificate that is {}", bad(certificate));
        judged.found.add_tolerated(&caller::TLS_VERIFIED, says);
    }
    wait_for_crossing(world, &judged).await;
    let number = world.journal.next_number();
    let (plan, rendered) = decided(world, &request, &mut judged, number);
    let keep_alive = request.keep_alive && plan.fault.as_ref().is_none_or(keeps_connection);
    let calling = judged.sequenced().map(str::to_owned);
    let (tenant, system) = (judged.tenant, judged.system);
    let fault = plan.fault.clone();
    let ending = ending(&plan);
    world
        .journal
        .enter(entry(world, request, judged, number, plan, &rendered));

    let mut overdue = || {
        world.journal.amend(number, |call| {
            let says = "still waits after 10 s without an answer";
            call.findings.push(finding(&caller::TIMEOUT, says, system));
        });
    };
    let player = Player {
        stream,
        ahead: buffer,
        rendered: &rendered,
        keep_alive,
        asked,
        overdue: &mut overdue,
    };
    let played = player.play(fault.as_ref()).await;
    let state = || world.tenant(tenant).state();
    if let (Some(calling), true) = (&calling, fault.is_some()) {
        state().sequences.end(calling, number, world.now(), ending);
    }
    if fault.is_some() || played.closed_after.is_some() {
        finish(world, number, &played, asked);
    }
    played.stream
}

async fn wait_for_crossing(world: &World, judged: &Judged) {
    let Some(calling) = judged.sequenced() else {
        return;
    };
    let waits = world.tenant(judged.tenant).state().sequences.waits(calling);
    if waits {
        tokio::time::sleep(CROSSING).await;
    }
}

/// What the tenant answers, in its form, with the verdict on it.
fn decided(world: &World, request: &Request, judged: &mut Judged, number: u64) -> (Plan, Rendered) {
    let state = &mut *world.tenant(judged.tenant).state();
    let now = world.now();
    let plan = plan::decide(world, state, request, judged, number);
    let Judged { calling, found, .. } = judged;
    if let (Calling::Number(calling) | Calling::Template(calling), false) = (calling, plan.enforced)
    {
        state.sequences.begin(calling, number, now, found);
        if plan.fault.is_none() {
            state.sequences.end(calling, number, now, ending(&plan));
        }
    }
    let call = crate::journal::id(number);
    let verdict = verdict(judged);
    let frame = Frame {
        call: &call,
        verdict: &verdict,
        keep_alive: request.keep_alive && plan.fault.as_ref().is_none_or(keeps_connection),
        may_chunk: !request.http10 && plan.fault.as_ref().is_none_or(keeps_connection),
        http10: request.http10,
        head_only: request.method == "HEAD",
    };
    let chance = (!world.plain).then_some(&mut state.chance);
    let rendered = render(&plan, &frame, chance);
    (plan, rendered)
}

fn verdict(judged: &Judged) -> String {
    let clauses = judged.found.clauses();
    match clauses.is_empty() {
        true => "pass".to_owned(),
        false => format!("fail {}", clauses.join(" ")),
    }
}

/// Faults that leave the connection in order.
fn keeps_connection(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Delay(Some(_))
            | Fault::FirstByte(_)
            | Fault::Dribble(..)
            | Fault::Empty
            | Fault::Status { .. }
            | Fault::Body { .. }
            | Fault::Redirect { .. }
    )
}

fn ending(plan: &Plan) -> Ending {
    match (&plan.fault, plan.status) {
        (Some(Fault::Redirect { .. }), _) => Ending::Answered,
        (_, 403) => Ending::Refused,
        (None | Some(Fault::FirstByte(_) | Fault::Dribble(..) | Fault::Delay(Some(_))), 200) => {
            Ending::Answered
        }
        _ => Ending::Failed,
    }
}

fn bad(certificate: Certificate) -> &'static str {
    match certificate {
        Certificate::Expired => "expired",
        Certificate::WrongName => "for another name",
        Certificate::Untrusted => "from an authority nobody trusts",
        Certificate::Good => "good",
    }
}

fn entry(
    world: &World,
    request: Request,
    judged: Judged,
    number: u64,
    plan: Plan,
    rendered: &Rendered,
) -> Call {
    let silent = matches!(
        plan.fault,
        Some(
            Fault::Garbage
                | Fault::Delay(None)
                | Fault::Reset(Place::Before | Place::Headers, _)
                | Fault::Fin(Place::Before | Place::Headers, _)
        )
    );
    Call {
        number,
        at: world.now(),
        event: match judged.operation {
            Operation::GetOtp => Event::Call,
            _ => Event::Other,
        },
        tenant: judged.tenant_name,
        calling: judged.calling.text().map(str::to_owned),
        head: request.head,
        body: request.body,
        system: judged.system.name,
        findings: judged.found.into_findings(),
        answer: Answer {
            status: (!silent).then_some(plan.status),
            body: rendered.text.clone(),
            fault: plan.fault.as_ref().map(Fault::describe),
            spoken: plan.spoken,
        },
        closed_by_client_after_ms: None,
        duration_ms: millis(rendered.latency),
        heard: None,
        note: None,
    }
}

/// Writes into the journal what came of an answer that did not just go out.
fn finish(world: &World, number: u64, played: &Played, asked: Instant) {
    world.journal.amend(number, |call| {
        call.closed_by_client_after_ms = played.closed_after;
        call.duration_ms = millis(asked.elapsed());
        if !played.answered {
            call.answer.status = None;
        }
    });
}

/// Journals what came instead of a request, and says so where anybody may still listen.
pub(crate) async fn misunderstood(mut stream: Stream, world: &World, no_request: NoRequest) {
    let (event, bytes, says, clause, status) = match no_request {
        NoRequest::End => return,
        NoRequest::Garbage(bytes, says) => {
            let says = match bytes.starts_with(b"\x16\x03") {
                true => "a TLS handshake on a socket without TLS".to_owned(),
                false => says,
            };
            (Event::Garbage, bytes, says, &caller::PUT, "400 Bad Request")
        }
        NoRequest::Incomplete(bytes, says) => {
            let clause = match bytes.windows(4).any(|end| end == b"\r\n\r\n") {
                true => &caller::BODY,
                false => &caller::PUT,
            };
            (Event::Closed, bytes, says, clause, "408 Request Timeout")
        }
        NoRequest::TooLarge(bytes, part) => {
            let says = format!("the {part} is larger than any call needs");
            (
                Event::Garbage,
                bytes,
                says,
                &caller::BODY,
                "413 Content Too Large",
            )
        }
    };
    let number = enter_event(world, event, bytes, Some((clause, says.clone())), says);
    let call = crate::journal::id(number);
    let (name, value) = render::WARNING;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{name}: {value}\r\ncallotp-call: {call}\r\ncallotp-verdict: fail {}\r\n\r\n",
        clause.id
    );
    // Whoever sends garbage may not read answers either.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    // What a caller still sends is read over for a moment: closing over it would reset the answer away.
    let deadline = Instant::now() + Duration::from_millis(500);
    let mut rest = BytesMut::new();
    while !stream.wait(Some(deadline), &mut rest).await && Instant::now() < deadline {
        rest.clear();
    }
}

/// Journals something that happened to a connection.
pub(super) fn enter_event(
    world: &World,
    event: Event,
    mut bytes: Bytes,
    broken: Option<(&'static Clause, String)>,
    note: String,
) -> u64 {
    bytes.truncate(KEPT_GARBAGE);
    let number = world.journal.next_number();
    let broken = broken.map(|(clause, says)| finding(clause, says, &system::UNKNOWN));
    world.journal.enter(Call {
        number,
        at: world.now(),
        event,
        tenant: world.nobodys(),
        calling: None,
        head: Bytes::new(),
        body: bytes,
        system: system::UNKNOWN.name,
        findings: broken.into_iter().collect(),
        answer: Answer::default(),
        closed_by_client_after_ms: None,
        duration_ms: 0,
        heard: None,
        note: Some(note),
    });
    number
}
