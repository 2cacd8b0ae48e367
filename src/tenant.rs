//! The value of the `tenant` header, and the operations that hang on it.

use std::{fmt, sync::Arc};

/// A tenant's id, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// The tenant called `id`.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// The id as it is written in the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a client may ask for: the last part of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Issue an OTP for a calling number.
    GetOtp,
    /// Validate a name, a password and an OTP.
    Validate,
    /// Validate a name and an OTP (the sibling document's spelling).
    OtpTokenAuth,
}

impl Operation {
    /// Every operation there is.
    pub const ALL: [Self; 3] = [Self::GetOtp, Self::Validate, Self::OtpTokenAuth];

    /// The operation's name on the wire and in the configuration; compared exactly.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GetOtp => "getOTP",
            Self::Validate => "validate",
            Self::OtpTokenAuth => "otp_token_auth",
        }
    }

    /// The operation called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str() == name)
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations(u8);

impl Operations {
    /// True if `operation` is in the set.
    pub const fn contain(self, operation: Operation) -> bool {
        self.0 & (1 << operation as u8) != 0
    }

    /// True if no operation is in the set.
    pub const fn are_none(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self(
            operations
                .into_iter()
                .fold(0, |set, operation| set | 1 << operation as u8),
        )
    }
}
