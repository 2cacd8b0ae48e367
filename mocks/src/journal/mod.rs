//! The journal: every call with what was found in it, bounded, and honest about
//! what it dropped.

mod call;
mod verify;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

pub(crate) use self::call::{id, number_in};
pub use self::{
    call::{Answer, Call, Event, Finding, Spoken},
    verify::{Mismatch, Outcome},
};

/// The most calls that are kept.
pub const MAX_CALLS: usize = 2_000;

/// The most bytes that are kept.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What may be asked about one call.
#[derive(Clone, Debug)]
pub enum Found {
    /// It is here.
    Call(Arc<Call>),
    /// There was such a call; the journal no longer has it.
    Dropped,
    /// There never was one.
    Never,
}

/// Every call, oldest first, until there are too many.
#[derive(Debug)]
pub struct Journal {
    kept: Mutex<Kept>,
    news: broadcast::Sender<Arc<Call>>,
}

#[derive(Debug)]
struct Kept {
    calls: VecDeque<Arc<Call>>,
    bytes: usize,
    next: u64,
    dropped: u64,
    dropped_failed: u64,
    /// The time of the newest call that was dropped for want of room, in milliseconds.
    newest_dropped_at: Option<u64>,
    bounds: (usize, usize),
}

/// The calls that match a question, and whether the journal reaches back far enough for it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Oldest first.
    pub calls: Vec<Arc<Call>>,
    /// Were there further calls that might have matched?
    pub complete: bool,
}

/// Which calls a question is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only those after this.
    pub since: Option<Since>,
    /// Only those that passed, or failed.
    pub passed: Option<bool>,
}

/// A point in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// After the call with this number.
    Call(u64),
    /// At this moment or later, in milliseconds since the Unix epoch.
    Moment(u64),
}

impl Default for Journal {
    fn default() -> Self {
        Self::bounded(MAX_CALLS, MAX_BYTES)
    }
}

impl Journal {
    /// A journal that keeps at most this many calls and bytes.
    pub fn bounded(calls: usize, bytes: usize) -> Self {
        let kept = Kept {
            calls: VecDeque::new(),
            bytes: 0,
            next: 1,
            dropped: 0,
            dropped_failed: 0,
            newest_dropped_at: None,
            bounds: (calls, bytes),
        };
        Self {
            kept: Mutex::new(kept),
            news: broadcast::channel(256).0,
        }
    }

    /// The number of the call that is being judged.
    pub(crate) fn next_number(&self) -> u64 {
        let mut kept = self.kept();
        kept.next += 1;
        kept.next - 1
    }

    /// Enters a call.
    pub(crate) fn enter(&self, call: Call) {
        let call = Arc::new(call);
        let mut kept = self.kept();
        kept.bytes += call.size();
        // Calls are numbered when they are judged and entered a moment later: parallel ones may cross.
        let after = kept
            .calls
            .iter()
            .rev()
            .take_while(|c| c.number > call.number);
        let place = kept.calls.len() - after.count();
        kept.calls.insert(place, Arc::clone(&call));
        kept.keep_bounds();
        drop(kept);
        self.tell(call);
    }

    /// Writes what became known later into a call that is still here.
    pub(crate) fn amend(&self, number: u64, amend: impl FnOnce(&mut Call)) -> Found {
        let mut kept = self.kept();
        let Some(index) = kept.index(number) else {
            return kept.missing(number);
        };
        let before = kept.calls[index].size();
        amend(Arc::make_mut(&mut kept.calls[index]));
        let call = Arc::clone(&kept.calls[index]);
        kept.bytes = kept.bytes - before + call.size();
        drop(kept);
        self.tell(Arc::clone(&call));
        Found::Call(call)
    }

    /// The call of this number.
    pub fn call(&self, number: u64) -> Found {
        let kept = self.kept();
        match kept.index(number) {
            Some(index) => Found::Call(Arc::clone(&kept.calls[index])),
            None => kept.missing(number),
        }
    }

    /// The calls a question is about.
    pub fn ask(&self, question: &Question) -> Page {
        let kept = self.kept();
        let calls = kept.calls.iter().filter(|call| question.is_about(call));
        let complete = match question.since {
            None => kept.dropped == 0,
            Some(Since::Call(number)) => {
                kept.dropped == 0 || kept.calls.front().is_some_and(|c| c.number <= number + 1)
            }
            Some(Since::Moment(moment)) => kept.newest_dropped_at.is_none_or(|at| at < moment),
        };
        Page {
            calls: calls.map(Arc::clone).collect(),
            complete,
        }
    }

    /// Every call that is kept, oldest first.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.ask(&Question::default()).calls
    }

    /// How many calls were dropped for want of room.
    pub fn dropped(&self) -> u64 {
        self.kept().dropped
    }

    /// How many of those had broken a clause.
    pub fn dropped_failed(&self) -> u64 {
        self.kept().dropped_failed
    }

    /// Forgets the calls of a tenant.
    pub(crate) fn forget(&self, tenant: &str) {
        let mut kept = self.kept();
        kept.calls.retain(|call| call.tenant != tenant);
        kept.bytes = kept.calls.iter().map(|call| call.size()).sum();
    }

    /// Calls as they are entered and amended.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Call>> {
        self.news.subscribe()
    }

    fn tell(&self, call: Arc<Call>) {
        if self.news.receiver_count() > 0 {
            // Nobody listening any more is no error.
            let _ = self.news.send(call);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn index(&self, number: u64) -> Option<usize> {
        self.calls
            .binary_search_by_key(&number, |call| call.number)
            .ok()
    }

    fn missing(&self, number: u64) -> Found {
        match (1..self.next).contains(&number) {
            true => Found::Dropped,
            false => Found::Never,
        }
    }

    fn keep_bounds(&mut self) {
        let (calls, bytes) = self.bounds;
        while self.calls.len() > calls || self.bytes > bytes {
            let Some(oldest) = self.calls.pop_front() else {
                return;
            };
            self.bytes -= oldest.size();
            self.dropped += 1;
            self.dropped_failed += u64::from(!oldest.passed());
            self.newest_dropped_at = self.newest_dropped_at.max(Some(oldest.at));
        }
    }
}

impl Question {
    fn is_about(&self, call: &Call) -> bool {
        self.tenant
            .as_ref()
            .is_none_or(|tenant| *tenant == call.tenant)
            && self.passed.is_none_or(|passed| passed == call.passed())
            && match self.since {
                None => true,
                Some(Since::Call(number)) => call.number > number,
                Some(Since::Moment(moment)) => call.at >= moment,
            }
    }
}

#[cfg(test)]
mod tests;
