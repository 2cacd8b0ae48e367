//! The LDAP adapter on real servers: OpenLDAP's slapd, a Samba Active Directory domain
//! controller, and a relay that goes wrong on demand.

mod adapter;
mod authority;
mod minder;
mod people;
mod relay;
mod samba;
mod slapd;
mod written;

mod active_directory;
mod calls;
mod doctor;
mod hostile;
mod index;
mod mocked;
mod openldap;
mod operator;
mod outages;
mod reload;
mod reports;
mod tls;
mod unusual;
