//! Sentences about the running programs, and laws about their parts.

#![expect(
    unreachable_pub,
    clippy::panic,
    reason = "one program: what is public in it is so to its own modules"
)]

mod stage;

mod abuse;
mod calls;
mod certificates;
mod configuration;
mod conformance;
mod connections;
mod floors;
mod hostile;
mod ldap;
mod ldif;
mod lockouts;
mod passwords;
mod phone_numbers;
mod process;
mod proxies;
mod refusals;
mod secrets;
mod store;
mod tls;
mod tokens;
mod world;
