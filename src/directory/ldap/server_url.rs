//! The URL of one LDAP server (RFC 4516 §2, of which only scheme, host and port).

use std::{fmt, net::IpAddr};

/// One server, as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    text: Box<str>,
    host: Box<str>,
    port: u16,
    tls_from_the_start: bool,
}

/// Why a text is not a server's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme, or none.
    #[error("it must begin with ldap:// or ldaps://")]
    Scheme,
    /// No host.
    #[error("it names no host")]
    Host,
    /// Not a port.
    #[error("its port must be a number from 1 to 65535")]
    Port,
    /// A base, a filter or anything else after the server.
    #[error("nothing may follow host and port; the base has a key of its own")]
    Rest,
}

impl ServerUrl {
    /// Reads `ldap://host`, `ldaps://host:port`, `ldaps://[2001:db8::1]` and the like.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let tls_from_the_start = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => false,
            "ldaps" => true,
            _ => return Err(BadUrl::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(BadUrl::Rest);
        }
        let (host, port) = split_port(authority)?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '%') {
            return Err(BadUrl::Host);
        }
        let port = match port {
            None if tls_from_the_start => 636,
            None => 389,
            Some(port) => port.parse().ok().filter(|p| *p != 0).ok_or(BadUrl::Port)?,
        };
        Ok(Self {
            text: text.into(),
            host: host.into(),
            port,
            tls_from_the_start,
        })
    }

    /// A name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 389 or 636 if none is written.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// True for `ldaps://`.
    pub fn tls_from_the_start(&self) -> bool {
        self.tls_from_the_start
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), BadUrl> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(BadUrl::Host)?;
        if !matches!(address.parse(), Ok(IpAddr::V6(_))) {
            return Err(BadUrl::Host);
        }
        return match port.strip_prefix(':') {
            None if port.is_empty() => Ok((address, None)),
            None => Err(BadUrl::Port),
            Some(port) => Ok((address, Some(port))),
        };
    }
    match authority.split_once(':') {
        None => Ok((authority, None)),
        Some((_, port)) if port.contains(':') => Err(BadUrl::Host),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_read_and_others_refused_with_a_reason() {
        let read = |text| {
            ServerUrl::parse(text).map(|u| (u.host.to_string(), u.port, u.tls_from_the_start))
        };
        assert_eq!(read("ldap://a"), Ok(("a".into(), 389, false)));
        assert_eq!(read("ldaps://a.b/"), Ok(("a.b".into(), 636, true)));
        assert_eq!(read("LDAPS://a:1636"), Ok(("a".into(), 1636, true)));
        assert_eq!(read("ldaps://[::1]"), Ok(("::1".into(), 636, true)));
        assert_eq!(read("ldap://[::1]:3389"), Ok(("::1".into(), 3389, false)));
        for (text, reason) in [
            ("a", BadUrl::Scheme),
            ("http://a", BadUrl::Scheme),
            ("ldapi:///", BadUrl::Scheme),
            ("ldap://", BadUrl::Host),
            ("ldap://:389", BadUrl::Host),
            ("ldap://::1", BadUrl::Host),
            ("ldap://[a]", BadUrl::Host),
            ("ldap://[::1", BadUrl::Host),
            ("ldap://a:", BadUrl::Port),
            ("ldap://a:0", BadUrl::Port),
            ("ldap://a:65536", BadUrl::Port),
            ("ldap://a/dc=x", BadUrl::Rest),
            ("ldap://u@a", BadUrl::Rest),
        ] {
            assert_eq!(ServerUrl::parse(text), Err(reason), "{text}");
        }
    }
}
