//! A verdict per clause of the getOTP contract, with evidence, on any deployment.
//!
//! # The story of a run
//!
//! A [`target::Target`] says which deployment, and with whom; a [`selection::Selection`]
//! says which clauses, how strictly, and what may be done. [`run`] first goes the way to
//! the target ([`preflight`]): address, connection, TLS, any HTTP answer, and the *golden
//! request*, which is the documented request for a known number. Then each clause of the
//! [`catalogue`] has its turn: it sends the golden request with one change and looks at
//! what comes. Since 403 is this contract's only "no", a refusal proves something only
//! between two golden requests that are answered; without them the clause is *untested*,
//! never *pass*. What was found is weighed by the clause's level ([`verdict`]), excused by
//! a [`waiver`] or not, and written down ([`report`]) with its secrets masked.
//!
//! # The rooms, in reading order
//!
//! [`contract`] holds the words of the contract, [`catalogue`] its clauses; `target`,
//! `selection` and `waiver` are what a person decides; `exchange` is one request and its
//! answer, byte by byte; `runner` sends them in order and `clauses` judges, one file per
//! section of the contract; `secret`, `text` and `mask` see to it that nothing secret can
//! be written down; `report` is what remains. [`peers`] are endpoints the suite itself is
//! tested against, and [`selftest`] does that.

pub mod catalogue;
mod clauses;

pub mod cli;
pub mod clock;
pub mod contract;
mod exchange;
mod mask;

pub mod peers;
pub mod preflight;
pub mod report;
mod runner;
pub mod secret;
pub mod selection;

pub mod selftest;
pub mod target;
mod text;
pub mod verdict;
pub mod waiver;

pub use exchange::Evidence;
pub use runner::{Event, preflight, run, run_watched};
