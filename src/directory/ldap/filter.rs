//! Search filters (RFC 4515), made only from attributes, values and other filters: what a
//! caller sent is a value, and a value cannot end its own parenthesis.

use std::fmt::{self, Write as _};

/// A filter's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// A filter that the operator wrote. The outer parentheses may be missing.
    pub(super) fn written(text: &str) -> Self {
        match text.trim() {
            text if text.starts_with('(') => Self(text.to_owned()),
            text => Self(format!("({text})")),
        }
    }

    /// The attribute has this value.
    pub(super) fn equals(attribute: &str, value: &[u8]) -> Self {
        let mut text = format!("({attribute}=");
        escape(value, &mut text);
        text.push(')');
        Self(text)
    }

    /// The attribute has a value at all.
    pub(super) fn present(attribute: &str) -> Self {
        Self(format!("({attribute}=*)"))
    }

    /// The attribute has a value not less than this.
    pub(super) fn at_least(attribute: &str, value: &str) -> Self {
        let mut text = format!("({attribute}>=");
        escape(value.as_bytes(), &mut text);
        text.push(')');
        Self(text)
    }

    /// The attribute has a value in which these pieces come in this order, with anything
    /// before, between and after them.
    pub(super) fn contains_in_order(
        attribute: &str,
        pieces: impl IntoIterator<Item = char>,
    ) -> Self {
        let mut text = format!("({attribute}=*");
        for piece in pieces {
            escape(piece.encode_utf8(&mut [0; 4]).as_bytes(), &mut text);
            text.push('*');
        }
        text.push(')');
        Self(text)
    }

    /// All of them hold.
    pub(super) fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::joined('&', filters)
    }

    /// At least one of them holds.
    pub(super) fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self::joined('|', filters)
    }

    fn joined(sign: char, filters: impl IntoIterator<Item = Self>) -> Self {
        let mut text = format!("({sign}");
        for filter in filters {
            text.push_str(&filter.0);
        }
        text.push(')');
        Self(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Filter> for Box<str> {
    fn from(filter: Filter) -> Self {
        filter.0.into()
    }
}

/// RFC 4515 §3: the five characters, and every byte that is not printable ASCII.
fn escape(value: &[u8], text: &mut String) {
    for byte in value {
        match byte {
            b'*' | b'(' | b')' | b'\\' | 0..0x20 | 0x7f.. => {
                let _ = write!(text, "\\{byte:02x}");
            }
            byte => text.push(char::from(*byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_cannot_leave_its_place() {
        let filter = Filter::equals("mobile", b"*)(uid=*\\\0");
        assert_eq!(filter.to_string(), r"(mobile=\2a\29\28uid=\2a\5c\00)");
    }

    #[test]
    fn filters_are_put_together() {
        let either = Filter::any([Filter::equals("a", b"1"), Filter::present("b")]);
        let filter = Filter::all([Filter::written("objectClass=person"), either]);
        assert_eq!(filter.to_string(), "(&(objectClass=person)(|(a=1)(b=*)))");
        let pattern = Filter::contains_in_order("a", "12".chars());
        assert_eq!(pattern.to_string(), "(a=*1*2*)");
    }

    proptest! {
        /// The client library reads back exactly the value that went in, as one assertion.
        #[test]
        fn any_value_is_one_assertion(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let filter = Filter::equals("cn", &value);
            let tag = ldap3::parse_filter(filter.to_string()).expect("a filter");
            let parts = ldap3::asn1::ASNTag::into_structure(tag);
            let parts = parts.expect_constructed().expect("an assertion");
            let read: Vec<_> = parts.into_iter().map(|p| p.expect_primitive()).collect();
            prop_assert_eq!(read, [Some(b"cn".to_vec()), Some(value)]);
        }
    }
}
