//! The store: whatever is asked of it, by however many at once, nothing answered is lost
//! and nothing used is used twice.

mod crash;
mod embedded;
mod laws;
mod linear;
mod memory;
mod model;
mod nodes;
mod outages;
mod races;
mod redis;
mod secrecy;
mod server;
