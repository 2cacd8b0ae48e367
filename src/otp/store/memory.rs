//! The engine that forgets: everything in memory, for trying and for tests.
