//! The people: who is in the directory, and how they call.

use std::fmt;

pub mod strategy;

mod spelling;

pub use spelling::{Fiction, Spelling};

/// Somebody in the directory.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The name shown, in any script.
    pub name: String,
    /// The name to log in with; unique in a directory, without regard to case.
    pub username: String,
    /// The password.
    pub password: String,
    /// Telephone numbers, each as the directory writes it.
    pub numbers: Vec<String>,
    /// Whether the directory lets the person in.
    pub status: Status,
}

/// What a directory thinks of a person who gives the right password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Lets in.
    #[default]
    Active,
    /// An administrator has disabled the account.
    Disabled,
    /// Locked after too many wrong passwords.
    Locked,
    /// The password is too old.
    PasswordExpired,
    /// The account's last day has passed.
    AccountExpired,
    /// A new password has to be chosen first.
    MustChangePassword,
    /// Not at this hour.
    OutsideHours,
    /// Not from this workstation.
    OtherWorkstation,
}

impl Person {
    /// An active person.
    pub fn new(name: &str, username: &str, password: &str, numbers: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
            numbers: numbers.iter().map(|&number| number.to_owned()).collect(),
            status: Status::Active,
        }
    }

    /// The same person in another status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }
}

/// Everything but the password.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("name", &self.name)
            .field("username", &self.username)
            .field("numbers", &self.numbers)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
