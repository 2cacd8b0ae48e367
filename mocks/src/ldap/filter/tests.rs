//! The laws of filters, over small worlds in which values meet often.

use bytes::BytesMut;
use jiff::Timestamp;
use ldap3_proto::{
    LdapCodec, LdapFilter, LdapMsg,
    proto::{
        LdapDerefAliases, LdapMatchingRuleAssertion, LdapOp, LdapSearchRequest, LdapSearchScope,
        LdapSubstringFilter,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use tokio_util::codec::Encoder as _;

use super::{Comparison, Filter, Truth, candidates};
use crate::ldap::{
    Flavour,
    dn::Dn,
    entry::Entry,
    tree::Tree,
    wire::{self, Body},
};

const ATTRIBUTES: [&str; 8] = [
    "cn",
    "mobile",
    "userAccountControl",
    "memberOf",
    "objectGUID",
    "objectClass",
    "entryUUID",
    "unheard-of",
];

fn attribute() -> impl Strategy<Value = String> {
    select(&ATTRIBUTES[..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => select(vec!["a", "A ", "ab", "b-1", "+46 70", "+4670", "512", "514", "cn=a", "dc=x", "*", ""])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ]
}

fn filter() -> impl Strategy<Value = Filter> {
    let comparison = prop_oneof![
        value().prop_map(Comparison::Equal),
        value().prop_map(Comparison::Approximately),
        value().prop_map(Comparison::AtLeast),
        value().prop_map(Comparison::AtMost),
        Just(Comparison::Present),
        (option::of(value()), vec(value(), 0..3), value()).prop_map(|(initial, any, ending)| {
            Comparison::Substrings {
                initial,
                any,
                ending: Some(ending),
            }
        }),
    ];
    let rules = [
        "1.2.840.113556.1.4.803",
        "1.2.840.113556.1.4.1941",
        "caseExactMatch",
        "2.5.13.20",
        "x",
    ];
    let extensible = (
        option::of(select(rules.to_vec())),
        attribute(),
        value(),
        any::<bool>(),
    )
        .prop_map(|(rule, attribute, value, name_too)| Filter::Extensible {
            rule: rule.map(str::to_owned),
            attribute: Some(attribute),
            value,
            name_too,
        });
    let item = (attribute(), comparison).prop_map(|(attribute, it)| Filter::Item(attribute, it));
    let leaf = prop_oneof![4 => item, 1 => extensible];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Filter::And),
            vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let flavour = select(vec![Flavour::OpenLdap, Flavour::Ad]);
    (flavour, vec(vec((attribute(), value()), 0..6), 1..6)).prop_map(|(flavour, entries)| {
        let mut tree = Tree::new(flavour, "dc=x", 1);
        for (at, values) in entries.into_iter().enumerate() {
            let name = format!("cn={at},dc=x");
            let mut entry = Entry::new(name.clone(), Dn::parse(&name).unwrap());
            for (attribute, value) in values {
                entry.push(flavour, &attribute, value);
            }
            tree.add(entry, Timestamp::UNIX_EPOCH).unwrap();
        }
        tree
    })
}

fn not(filter: &Filter) -> Filter {
    Filter::Not(Box::new(filter.clone()))
}

proptest! {
    #[test]
    fn two_negations_are_none(tree in tree(), filter in filter()) {
        let twice = not(&not(&filter));
        for entry in tree.entries() {
            prop_assert_eq!(twice.holds(entry, &tree), filter.holds(entry, &tree));
        }
    }

    #[test]
    fn what_cannot_be_told_cannot_be_told_of_the_opposite(tree in tree(), filter in filter()) {
        for entry in tree.entries() {
            let (it, opposite) = (filter.holds(entry, &tree), not(&filter).holds(entry, &tree));
            prop_assert_eq!(it == Truth::Undefined, opposite == Truth::Undefined);
            prop_assert!(it == Truth::Undefined || it != opposite);
        }
    }

    #[test]
    fn negation_turns_and_into_or(tree in tree(), parts in vec(filter(), 0..4)) {
        let left = not(&Filter::And(parts.clone()));
        let right = Filter::Or(parts.iter().map(not).collect());
        for entry in tree.entries() {
            prop_assert_eq!(left.holds(entry, &tree), right.holds(entry, &tree));
        }
    }

    #[test]
    fn the_index_loses_no_entry(tree in tree(), filter in filter()) {
        let Some(places) = candidates(&filter, &tree) else { return Ok(()) };
        for (place, entry) in tree.entries().enumerate() {
            let found = places.contains(&place);
            prop_assert!(found || filter.holds(entry, &tree) != Truth::True, "{} {}", filter, entry.name);
        }
    }

    #[test]
    fn a_changed_or_removed_entry_leaves_nothing_in_the_index(mut tree in tree(), filter in filter()) {
        let dn = Dn::parse("cn=0,dc=x").unwrap();
        let flavour = tree.flavour();
        tree.change(&dn, Timestamp::UNIX_EPOCH, |entry| entry.set(flavour, "mobile", false, ["+46 1"]));
        let hit = tree.equal("mobile", if flavour == Flavour::Ad { b"+46 1" } else { b"+461" }).to_vec();
        prop_assert!(hit.contains(&0));
        tree.remove(&dn, Timestamp::UNIX_EPOCH);
        let left = candidates(&filter, &tree).unwrap_or_default();
        prop_assert!(!left.contains(&0), "{filter}");
    }

    #[test]
    fn a_filter_survives_the_wire(filter in filter()) {
        let Some(written) = spelt_by_the_codec(&filter) else { return Ok(()) };
        let search = LdapSearchRequest {
            base: "dc=x".to_owned(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 3,
            timelimit: 300,
            typesonly: true,
            filter: written,
            attrs: vec!["cn".to_owned()],
        };
        let mut bytes = BytesMut::new();
        let message = LdapMsg::new(70_000, LdapOp::SearchRequest(search));
        LdapCodec::default().encode(message, &mut bytes).unwrap();
        let message = wire::cut(&mut bytes).unwrap().unwrap();
        prop_assert!(bytes.is_empty());
        let request = wire::decode(&message).unwrap();
        prop_assert_eq!(request.id, 70_000);
        let Body::Search(read) = request.body else { panic!("a search") };
        prop_assert_eq!(&read.filter, &filter);
        prop_assert_eq!((read.size_limit, read.time_limit, read.types_only), (3, 300, true));
        // Bytes that are no text never reach the text form.
        prop_assert!(filter.to_string().starts_with('('));
    }

    #[test]
    fn damage_to_a_message_is_noticed_or_harmless(filter in filter(), at in any::<prop::sample::Index>(), by in 1_u8..) {
        let Some(written) = spelt_by_the_codec(&filter) else { return Ok(()) };
        let search = LdapSearchRequest {
            base: String::new(),
            scope: LdapSearchScope::Base,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: written,
            attrs: Vec::new(),
        };
        let mut bytes = BytesMut::new();
        LdapCodec::default().encode(LdapMsg::new(1, LdapOp::SearchRequest(search)), &mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(Some(message)) = wire::cut(&mut bytes) {
            let _ = wire::decode(&message);
        }
    }

    #[test]
    fn any_bytes_are_a_request_or_garbage(bytes in vec(any::<u8>(), 0..200), head in any::<bool>()) {
        let length = u8::try_from(bytes.len()).unwrap();
        let framed = if head { [&[0x30, 0x81, length], &bytes[..]].concat() } else { bytes };
        let mut input = BytesMut::from(&framed[..]);
        while let Ok(Some(message)) = wire::cut(&mut input) {
            let _ = wire::decode(&message);
        }
    }
}

/// The same filter as the codec spells it; `None` for values that it cannot hold.
fn spelt_by_the_codec(filter: &Filter) -> Option<LdapFilter> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
    Some(match filter {
        Filter::And(parts) => LdapFilter::And(
            parts
                .iter()
                .map(spelt_by_the_codec)
                .collect::<Option<_>>()?,
        ),
        Filter::Or(parts) => LdapFilter::Or(
            parts
                .iter()
                .map(spelt_by_the_codec)
                .collect::<Option<_>>()?,
        ),
        Filter::Not(inner) => LdapFilter::Not(Box::new(spelt_by_the_codec(inner)?)),
        Filter::Item(attribute, comparison) => {
            let attribute = attribute.clone();
            match comparison {
                Comparison::Equal(value) => LdapFilter::Equality(attribute, text(value)?),
                Comparison::Approximately(value) => LdapFilter::Approx(attribute, text(value)?),
                Comparison::AtLeast(value) => LdapFilter::GreaterOrEqual(attribute, text(value)?),
                Comparison::AtMost(value) => LdapFilter::LessOrEqual(attribute, text(value)?),
                Comparison::Present => LdapFilter::Present(attribute),
                Comparison::Substrings {
                    initial,
                    any,
                    ending,
                } => {
                    let initial = match initial {
                        Some(piece) => Some(text(piece)?),
                        None => None,
                    };
                    let any = any.iter().map(text).collect::<Option<_>>()?;
                    let final_ = Some(text(ending.as_ref()?)?);
                    LdapFilter::Substring(
                        attribute,
                        LdapSubstringFilter {
                            initial,
                            any,
                            final_,
                        },
                    )
                }
            }
        }
        Filter::Extensible {
            rule,
            attribute,
            value,
            name_too,
        } => LdapFilter::Extensible(LdapMatchingRuleAssertion {
            matching_rule: rule.clone(),
            type_: attribute.clone(),
            match_value: text(value)?,
            dn_attributes: *name_too,
        }),
    })
}
