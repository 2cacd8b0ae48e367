//! A world for phone systems and directories: an endpoint that judges its caller,
//! an LDAP directory on a real socket, a simulated phone system. Not for production.

pub mod authority;
pub mod ldap;
pub mod pbx;
pub mod people;
