//! When a run began and what its tags are keyed with: the two things a run cannot
//! compute for itself, handed in so that a test can choose them.

use rand::{TryRng as _, rngs::SysRng};

/// The beginning of a run.
#[derive(Clone, Copy)]
pub struct Origin {
    /// The wall clock at the beginning.
    pub started: jiff::Timestamp,
    /// The key of the tags in masked text: equal values show as equal within one run only.
    pub key: [u8; 32],
}

impl Origin {
    /// A run that begins now, with a key nobody knows.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn now() -> Result<Self, String> {
        let mut key = [0; 32];
        SysRng
            .try_fill_bytes(&mut key)
            .map_err(|error| format!("no random bytes from the system: {error}"))?;
        Ok(Self {
            started: jiff::Timestamp::now(),
            key,
        })
    }
}
