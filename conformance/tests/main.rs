//! Sentences about the suite as a program and as a library, on real sockets.

mod backend;
mod program;
mod stranger;
mod verdicts;
