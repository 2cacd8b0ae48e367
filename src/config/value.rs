//! One written value as what a key takes. Errors say what was expected. Of what was
//! found they show numbers and addresses, but never a text: somebody may have
//! written a secret in the wrong place.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::{
    document::{Node, Value},
    nearest,
    problem::any_of,
    unit,
};
use crate::secret::Secret;

pub(super) fn text(node: &Node) -> Result<&str, String> {
    match any_text(node)? {
        "" => Err("empty".to_owned()),
        text => Ok(text),
    }
}

pub(super) fn any_text(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) if text.contains('\0') => Err("holds a NUL".to_owned()),
        Value::Text(text) => Ok(text),
        _ => Err(format!("expected a text, found {}", node.kind())),
    }
}

pub(super) fn secret(node: &Node) -> Result<Secret, String> {
    text(node).map(|text| Secret::new(text.to_owned()))
}

pub(super) fn flag(node: &Node) -> Result<bool, String> {
    match node.value {
        Value::Flag(flag) => Ok(flag),
        _ => Err(format!("expected true or false, found {}", node.kind())),
    }
}

pub(super) fn whole(node: &Node, from: u32, to: u32, because: &str) -> Result<u32, String> {
    let Value::Whole(number) = node.value else {
        return Err(format!("expected a whole number, found {}", node.kind()));
    };
    u32::try_from(number)
        .ok()
        .filter(|number| (from..=to).contains(number))
        .ok_or_else(|| format!("{number} is not within {from} to {to} ({because})"))
}

pub(super) fn duration(
    node: &Node,
    from: Duration,
    to: Duration,
    because: &str,
) -> Result<Duration, String> {
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Whole(number) => {
            return Err(format!(
                "{number} has no unit (write a text: \"{number}ms\", \"{number}s\" or \"{number}m\")"
            ));
        }
        _ => {
            return Err(format!(
                "expected a duration like \"5m\", found {}",
                node.kind()
            ));
        }
    };
    let duration = unit::duration(text)?;
    if (from..=to).contains(&duration) {
        return Ok(duration);
    }
    let [written, from, to] = [duration, from, to].map(unit::duration_text);
    Err(format!(
        "{written} is not within {from} to {to} ({because})"
    ))
}

pub(super) fn size(node: &Node, from: u64, to: u64, because: &str) -> Result<u64, String> {
    let size = match &node.value {
        Value::Text(text) => unit::size(text)?,
        Value::Whole(bytes) => {
            u64::try_from(*bytes).map_err(|_| format!("{bytes} is not a size"))?
        }
        _ => {
            return Err(format!(
                "expected a size like \"16 KiB\" or a number of bytes, found {}",
                node.kind()
            ));
        }
    };
    if (from..=to).contains(&size) {
        return Ok(size);
    }
    let [written, from, to] = [size, from, to].map(unit::size_text);
    Err(format!(
        "{written} is not within {from} to {to} ({because})"
    ))
}

pub(super) fn word(node: &Node, words: &'static [&'static str]) -> Result<&'static str, String> {
    let written = text(node)?;
    words
        .iter()
        .copied()
        .find(|word| *word == written)
        .ok_or_else(|| {
            format!(
                "not a word that is known here (write {}{})",
                any_of(words.iter().copied()),
                nearest::hint(written, words.iter().copied()),
            )
        })
}

pub(super) fn network(node: &Node) -> Result<IpNet, String> {
    let text = text(node)?;
    let network = text.parse::<IpNet>();
    let single = || text.parse::<IpAddr>().map(IpNet::from);
    let network = network.or_else(|_| single()).map_err(|_| {
        "not an address range (write 10.0.0.0/8, 2001:db8::/32 or a single address)".to_owned()
    })?;
    match network.trunc() == network {
        true => Ok(network),
        false => Err(format!(
            "{network} has bits beyond its prefix (write {}, or {} for the one address)",
            network.trunc(),
            network.addr()
        )),
    }
}

pub(super) fn address(node: &Node) -> Result<SocketAddr, String> {
    let text = text(node)?;
    text.parse().map_err(|_| {
        "not an IP address and a port (write 127.0.0.1:8080, or [::1]:8080 for IPv6)".to_owned()
    })
}
