//! Where users are looked up: the port, and the adapters behind it.

use async_trait::async_trait;

use crate::{clock::Deadline, phone_number::PhoneNumber, secret::Secret, user::User};

pub(crate) mod dn;
pub mod filter;
pub mod ldap;
pub mod ldif;

/// The questions that issuing and validating ask of a directory.
///
/// "Nobody" is `Ok(None)`; "several" is an outcome of its own; an outage is an
/// error and never reads as "nobody" or as "wrong password".
#[async_trait]
pub trait UserDirectory: Send + Sync {
    /// Who calls from `number`? Disabled users are nobody.
    async fn find_by_number(
        &self,
        number: &PhoneNumber,
        deadline: Deadline,
    ) -> Result<Option<Match>, DirectoryFault>;

    /// Who logs in as `name`? Disabled users are nobody.
    async fn find_by_name(
        &self,
        name: &str,
        deadline: Deadline,
    ) -> Result<Option<User>, DirectoryFault>;

    /// Is this the user's password? `None` stands for an unknown user and must
    /// cost as much as a known one. The caller never passes an empty password.
    async fn check_password(
        &self,
        user: Option<&User>,
        password: &Secret,
        deadline: Deadline,
    ) -> Result<PasswordCheck, DirectoryFault>;

    /// Can it answer now? For `readyz` and the operator; asks nothing over the network.
    fn health(&self) -> DirectoryHealth;
}

/// Which entries of a directory are users, and which attributes say what of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The entry below which users are.
    pub base: Box<str>,
    /// Which entries are users that may log in (RFC 4515).
    pub user_filter: Box<str>,
    /// The name a user logs in with.
    pub username_attribute: Box<str>,
    /// The unchanging id.
    pub user_id_attribute: Box<str>,
    /// Where the numbers are, at least one.
    pub phone_attributes: Vec<Box<str>>,
}

/// Whom a number belongs to, when it belongs to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Exactly one user.
    One(User),
    /// More than one user; the OTP must go to none of them.
    Several,
}

/// A user as the directory writes them down, for reports. Nobody can log in by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name to log in with, if there is one.
    pub name: Option<Box<str>>,
    /// The entry's distinguished name.
    pub dn: Box<str>,
    /// What stands in the phone attributes, in their order.
    pub numbers: Vec<Written>,
}

/// A number as it is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// In which attribute.
    pub attribute: Box<str>,
    /// How; characters that are no text are replaced.
    pub text: Box<str>,
}

/// The directory's word on a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is the user's password, and the user may log in with it.
    Right,
    /// It is not, or the directory lets the user in with no password at present.
    Wrong(WrongPassword),
}

/// Why a password was refused. All of these are the user's failure; none shows outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongPassword {
    /// Not the password (or no such user).
    Mismatch,
    /// The directory has locked the user.
    Locked,
    /// The directory has disabled the user.
    Disabled,
    /// The password or the account has expired.
    Expired,
    /// The user must choose a new password first.
    MustChange,
    /// Not at this hour or not from this workstation.
    Restricted,
}

/// The directory could not answer. Never counted against a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryFault {
    /// No answer before the deadline.
    #[error("the directory did not answer in time")]
    TimedOut,
    /// No server can be reached, or none is usable.
    #[error("the directory is unavailable: {0}")]
    Unavailable(String),
    /// A server answered what makes no sense here (a limit, a protocol error, no rights).
    #[error("the directory's answer cannot be used: {0}")]
    Unusable(String),
}

/// A directory's state, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryHealth {
    /// True if a question asked now can be expected to be answered.
    pub ready: bool,
    /// One line for a person: how old the data are, which server is out.
    pub detail: String,
}
