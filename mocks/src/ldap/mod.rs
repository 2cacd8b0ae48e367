//! A directory on a real socket: LDAP version 3 (RFC 4511) in two flavours.
//!
//! A connection is a `session`; it cuts requests off the `wire`, lets a `fault` strike them,
//! answers them from the `tree` of entries (`bind`, `search`, `filter`) and writes each into the
//! `journal`. Entries come from people (`flavour` says how they are written down) or from `ldif`.

pub mod fault;
pub mod journal;

mod account;
mod answer;
mod armed;
mod bind;
mod builder;
mod content;
mod directory;
mod dn;
mod entry;
mod filter;
mod flavour;
mod ldif;
mod output;
mod published;
mod schema;
mod search;
mod searching;
mod session;
mod shared;
mod tree;
mod wire;

pub use builder::{DirectoryBuilder, StartError};
pub use directory::Directory;
pub use fault::{DirectoryFault, Effect, Operation, Strikes};
pub use flavour::Flavour;
pub use journal::{Journal, Kind, Record};
pub use ldif::LdifError;
pub use shared::Clock;
