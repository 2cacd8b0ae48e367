//! Checks an OTP, and uses it up.

/// `[tenant.validate]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatePolicy {
    /// What is asked of the password member.
    pub password: PasswordRule,
    /// Which is looked at first.
    pub order: ValidateOrder,
}

/// What `validate` asks of the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRule {
    /// It must be there and right.
    Required,
    /// If it is there, it must be right.
    Optional,
    /// It is not looked at.
    Ignored,
}

/// Which factor `validate` looks at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidateOrder {
    /// No bind without a live, right OTP.
    OtpFirst,
    /// The bind comes first.
    PasswordFirst,
}
