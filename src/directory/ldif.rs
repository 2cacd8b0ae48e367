//! The embedded directory: an LDIF file (RFC 2849), read again when it changes.
