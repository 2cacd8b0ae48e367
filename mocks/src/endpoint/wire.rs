//! Faults on the wire: how an answer leaves, or does not.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncWriteExt as _, Result},
    time::Instant,
};

use super::{
    render::{Rendered, chunked},
    stream::Stream,
};
use crate::{
    clock::millis,
    scenario::{Fault, Place},
};

/// A caller who is still there after this long on a hung request does not give up in time:
/// 10 s by the contract, and a little for the timers of both sides.
const PATIENCE: Duration = Duration::from_millis(10_400);

/// Time for the bytes before a reset to arrive, because a reset overtakes them.
const BEFORE_RESET: Duration = Duration::from_millis(30);

/// How long a late first byte stays alone.
const ALONE: Duration = Duration::from_millis(100);

/// What came of an answer.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// The connection, when it can be used again.
    pub(crate) stream: Option<Stream>,
    /// How long the caller stayed before it closed, when it closed first; in milliseconds.
    pub(crate) closed_after: Option<u64>,
    /// Was a status line sent?
    pub(crate) answered: bool,
}

/// One answer on its way.
pub(crate) struct Player<'a> {
    pub(crate) stream: Stream,
    /// What the caller sent beyond its request.
    pub(crate) ahead: &'a mut BytesMut,
    pub(crate) rendered: &'a Rendered,
    pub(crate) keep_alive: bool,
    /// When the request was complete.
    pub(crate) asked: Instant,
    /// Told once when the caller waits too long.
    pub(crate) overdue: &'a mut (dyn FnMut() + Send),
}

impl Player<'_> {
    /// Plays an answer with its fault.
    pub(crate) async fn play(mut self, fault: Option<&Fault>) -> Played {
        match fault {
            Some(Fault::Delay(after)) => {
                let closed_after = self.stay(*after).await;
                match after {
                    // Half of a connection may be closed by a caller that still listens.
                    Some(_) => self.send_whole(closed_after).await,
                    None => Played {
                        closed_after,
                        ..Played::default()
                    },
                }
            }
            Some(Fault::FirstByte(after)) => {
                let closed_after = self.stay(Some(*after)).await;
                if self.send(&self.rendered.head[..1]).await.is_err() {
                    return self.gone(closed_after);
                }
                let alone = self.asked.elapsed() + ALONE;
                self.stay(Some(alone)).await;
                let rest = [&self.rendered.head[1..], &self.rendered.body].concat();
                self.send_and_keep(&rest, closed_after).await
            }
            Some(Fault::Dribble(every, at)) => self.dribble(*every, *at).await,
            Some(Fault::Reset(at, bytes)) => {
                let before = self.bytes_before(*at, *bytes);
                if !before.is_empty() {
                    let _ = self.send(&before).await;
                    tokio::time::sleep(BEFORE_RESET).await;
                }
                self.stream.reset();
                Played {
                    answered: *at == Place::Body,
                    ..Played::default()
                }
            }
            Some(Fault::Fin(at, bytes)) => {
                let before = self.bytes_before(*at, *bytes);
                self.send_and_close(&before, *at == Place::Body).await
            }
            Some(Fault::Garbage) => self.send_and_close(GARBAGE, false).await,
            Some(Fault::BadChunk) => {
                let broken = self.with_bad_chunk();
                self.send_and_close(&broken, true).await
            }
            Some(Fault::ShortLength) => {
                let short = self.with_short_body();
                self.send_and_close(&short, true).await
            }
            _ => {
                if !self.rendered.latency.is_zero() {
                    tokio::time::sleep(self.rendered.latency).await;
                }
                self.send_whole(None).await
            }
        }
    }

    /// Waits, and watches the caller; says after how long it closed.
    async fn stay(&mut self, after: Option<Duration>) -> Option<u64> {
        let until = after.map(|after| self.asked + after);
        let patience = self.asked + PATIENCE;
        let first = match until {
            Some(until) if until <= patience => until,
            _ => patience,
        };
        if self.stream.wait(Some(first), self.ahead).await {
            return closed(self.asked, until).await;
        }
        if until.is_none_or(|until| until > patience) {
            (self.overdue)();
            if self.stream.wait(until, self.ahead).await {
                return closed(self.asked, until).await;
            }
        }
        None
    }

    async fn dribble(mut self, every: Duration, at: Place) -> Played {
        let mut late = false;
        let (whole, bytes): (&[u8], &[u8]) = match at {
            Place::Body => (&self.rendered.head, &self.rendered.body),
            Place::Before | Place::Headers => (&[], &self.rendered.head),
        };
        let rest: &[u8] = match at {
            Place::Body => &[],
            Place::Before | Place::Headers => &self.rendered.body,
        };
        let mut due = Instant::now();
        if self.send(whole).await.is_err() {
            return self.gone(None);
        }
        for byte in bytes.iter().chain(rest) {
            if self.stream.wait(Some(due), self.ahead).await {
                return self.gone(None);
            }
            due += every;
            if self.send(&[*byte]).await.is_err() {
                return self.gone(None);
            }
            if !late && self.asked.elapsed() > PATIENCE {
                late = true;
                (self.overdue)();
            }
        }
        self.done(None)
    }

    async fn send_whole(self, closed_after: Option<u64>) -> Played {
        // One write, one segment.
        let whole = [&self.rendered.head[..], &self.rendered.body].concat();
        self.send_and_keep(&whole, closed_after).await
    }

    async fn send_and_keep(mut self, bytes: &[u8], closed_after: Option<u64>) -> Played {
        match self.send(bytes).await {
            Ok(()) => self.done(closed_after),
            Err(_) => self.gone(closed_after),
        }
    }

    async fn send_and_close(mut self, bytes: &[u8], answered: bool) -> Played {
        let sent = self.send(bytes).await;
        // The connection ends either way.
        let _ = self.stream.shutdown().await;
        Played {
            answered: answered && sent.is_ok(),
            ..Played::default()
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    fn done(self, closed_after: Option<u64>) -> Played {
        let keep = self.keep_alive && closed_after.is_none();
        Played {
            stream: keep.then_some(self.stream),
            closed_after,
            answered: true,
        }
    }

    fn gone(self, closed_after: Option<u64>) -> Played {
        Played {
            stream: None,
            closed_after: closed_after.or(Some(millis(self.asked.elapsed()))),
            answered: false,
        }
    }

    fn bytes_before(&self, at: Place, bytes: usize) -> Vec<u8> {
        let Rendered { head, body, .. } = self.rendered;
        match at {
            Place::Before => Vec::new(),
            // A break inside the headers leaves them unfinished.
            Place::Headers => head[..bytes.min(head.len() - 1)].to_vec(),
            Place::Body => {
                let cut = bytes.min(body.len().saturating_sub(1));
                [head, &body[..cut]].concat()
            }
        }
    }

    fn with_bad_chunk(&self) -> Vec<u8> {
        let mut bytes = head_with(&self.rendered.head, "Transfer-Encoding: chunked");
        let framed = chunked(self.rendered.text.as_bytes(), 0);
        // The size of the second chunk, where there is one, becomes one that nobody can read.
        let at = framed
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .map_or(0, |first| first + 2 + self.rendered.text.len() / 2 + 2);
        bytes.extend_from_slice(&framed[..at.min(framed.len())]);
        bytes.extend_from_slice(b"zz\r\n");
        bytes.extend_from_slice(&self.rendered.text.as_bytes()[self.rendered.text.len() / 2..]);
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    fn with_short_body(&self) -> Vec<u8> {
        let text = self.rendered.text.as_bytes();
        let length = format!("Content-Length: {}", text.len());
        let mut bytes = head_with(&self.rendered.head, &length);
        bytes.extend_from_slice(&text[..text.len() / 2]);
        bytes
    }
}

/// The caller closed its side: that is when it gave up, unless it only has no more to say.
async fn closed(asked: Instant, until: Option<Instant>) -> Option<u64> {
    let after = millis(asked.elapsed());
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
    Some(after)
}

/// The head with this line in the place of its framing, and a close announced.
fn head_with(head: &[u8], framing: &str) -> Vec<u8> {
    let head = String::from_utf8_lossy(head);
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["content-length", "transfer-encoding", "connection"]
            .iter()
            .any(|framing| name.eq_ignore_ascii_case(framing))
    });
    let mut lines: Vec<&str> = kept.take_while(|line| !line.is_empty()).collect();
    lines.extend([framing, "Connection: close", "", ""]);
    lines.join("\r\n").into_bytes()
}

/// Neither HTTP nor anything else.
const GARBAGE: &[u8] = b"\x00\xff\xfecallotp-mock speaks no HTTP here\x07\r\n\x80\x81\x82\r\n";
