//! Sentences about the running programs, and laws about their parts.

mod configuration;
mod floors;
mod store;
