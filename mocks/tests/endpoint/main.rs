//! Laws of the mock's endpoint, its journal, its administration, its dashboard and its
//! commands, on real sockets.

mod administration;
mod ask;
mod callers;
mod commands;
mod dashboard;
mod examples;
mod faults;
mod honesty;
mod library;
mod relay;
mod repeats;
mod spoken;
mod tls;
