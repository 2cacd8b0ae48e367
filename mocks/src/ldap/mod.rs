//! A directory on a real socket: LDAP version 3 (RFC 4511) in two flavours.

pub mod fault;

pub use fault::{DirectoryFault, Effect, Operation, Strikes};

/// Whose habits the directory has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// OpenLDAP's slapd: telephoneNumberMatch, `entryUUID`, `entryCSN`, bare refusals.
    #[default]
    OpenLdap,
    /// Active Directory: text comparison, `objectGUID`, `userAccountControl`, `uSNChanged`,
    /// refusals that say why.
    Ad,
}
