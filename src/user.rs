//! The person in the directory whom an OTP is bound to.

/// What the directory says of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The directory's own, unchanging id of the entry (`entryUUID`, `objectGUID`);
    /// an OTP is bound to it, never to a number or a name.
    pub id: Box<str>,
    /// The name the user logs in with, as the directory spells it.
    pub name: Box<str>,
    /// The entry's distinguished name.
    pub dn: Box<str>,
}
