//! Values that are never written down: no `Debug`, no `Display`, no `Serialize`.

/// A password, a token, a username: whatever proves who somebody is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a value into custody.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the wire.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// A calling number as it is to be written on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Number {
    text: String,
    public: bool,
}

impl Number {
    /// Takes a number into custody; any text is one, since any text can arrive.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            text: value.into(),
            public: false,
        }
    }

    /// A number that is nobody's and stands in the contract: it may be written down.
    pub(crate) fn public(value: impl Into<String>) -> Self {
        Self {
            text: value.into(),
            public: true,
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.public
    }

    /// The number itself, for the wire.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

/// A one-time password that a target issued.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Otp(String);

impl Otp {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// How many characters it has.
    pub(crate) fn len(&self) -> usize {
        self.0.chars().count()
    }

    /// Is it made of the digits 0 to 9 alone?
    pub(crate) fn is_digits(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Its value as a number, when it is made of digits and not too long to count with.
    pub(crate) fn value(&self) -> Option<u64> {
        self.is_digits().then(|| self.0.parse().ok()).flatten()
    }
}
