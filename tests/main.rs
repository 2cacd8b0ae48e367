//! Sentences about the running programs, and laws about their parts.

#![expect(
    unreachable_pub,
    clippy::panic,
    reason = "one program: what is public in it is so to its own modules"
)]

mod stage;

mod calls;
mod configuration;
mod floors;
mod hostile;
mod ldap;
mod ldif;
mod lockouts;
mod process;
mod refusals;
mod secrets;
mod store;
mod world;
