//! The store: whatever is asked of it, by however many at once, nothing answered is lost
//! and nothing used is used twice.

mod chance;
mod crash;
mod embedded;
mod full_disk;
mod keys;
mod kills;
mod laws;
mod linear;
mod locks;
mod memory;
mod model;
mod node;
mod nodes;
mod outages;
mod races;
mod redis;
mod secrecy;
mod server;
mod start;
mod topologies;
mod visits;
