//! The number itself.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use super::e164;

/// A number under one tenant's plan. Equal to another exactly if both are the same number.
///
/// Takes 24 bytes and, for anything as short as E.164, no further memory: a
/// directory's index holds a million of them. `Debug` shows the last two digits
/// only, for that is what a log may hold.
#[derive(Clone)]
pub struct PhoneNumber(Repr);

/// Bytes that fit beside the length without making the type larger.
const INLINE: usize = 22;

/// A text has one representation only: inline if it fits.
#[derive(Clone)]
enum Repr {
    Inline { length: u8, bytes: [u8; INLINE] },
    Boxed(Box<str>),
}

impl PhoneNumber {
    pub(super) fn new(text: &str) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(length)) => {
                start.copy_from_slice(text.as_bytes());
                Self(Repr::Inline { length, bytes })
            }
            _ => Self(Repr::Boxed(text.into())),
        }
    }

    /// The normalised number: E.164 with its plus sign and, if there is one, its
    /// extension as `;ext=12` (RFC 3966 §5.3); or the text itself when matching is exact.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Inline { length, bytes } => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).expect("made from a text")
            }
            Repr::Boxed(text) => text,
        }
    }

    /// True if a numbering plan has such a number. A label for the log; costs
    /// some microseconds, and says nothing about whether the number is in use.
    pub fn is_plausible(&self) -> bool {
        e164::is_plausible(self.as_str())
    }

    /// The number as a log may show it: its last two digits.
    pub fn masked(&self) -> impl fmt::Display + use<> {
        let digits = self.as_bytes().iter().filter(|byte| byte.is_ascii_digit());
        let mut last: Vec<u8> = digits.rev().take(2).copied().collect();
        last.reverse();
        format!("…{}", String::from_utf8_lossy(&last))
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Repr::Boxed(text) => text.as_bytes(),
        }
    }
}

impl PartialEq for PhoneNumber {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PhoneNumber {}

impl Hash for PhoneNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl PartialOrd for PhoneNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PhoneNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}
