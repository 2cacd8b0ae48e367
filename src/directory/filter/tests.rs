use proptest::prelude::*;

use super::{parse::Problem, *};

struct Entry(&'static [(&'static str, &'static str)]);

impl Attributes for Entry {
    fn any_value(&self, attribute: &str, visit: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let named = self
            .0
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(attribute));
        named.map(|(_, value)| value.as_bytes()).any(visit)
    }
}

const ANNA: Entry = Entry(&[
    ("objectClass", "inetOrgPerson"),
    ("cn", "Anna  Åkesson"),
    ("uid", "anna"),
    ("uid", "aakesson"),
    ("userAccountControl", "514"),
    ("note", "a*b(c)\\d"),
]);

#[test]
fn filters_judge_an_entry() {
    for (text, expected) in [
        ("(uid=ANNA)", true),
        (" ( uid =anna) ", true),
        ("(uid=bo)", false),
        ("(cn=anna åkesson)", true),
        ("(cn=anna \\c3\\a5kesson)", true),
        ("(mail=*)", false),
        ("(uid=*)", true),
        ("(!(mail=*))", true),
        (
            "(&(objectClass=inetorgperson)(|(uid=x)(uid=aakesson)))",
            true,
        ),
        ("(&)", true),
        ("(|)", false),
        ("(cn=a*å*n)", true),
        ("(cn=a*x*n)", false),
        ("(cn=*son)", true),
        ("(cn=anna*nna*)", false),
        ("(note=a\\2ab\\28c\\29\\5cd)", true),
        ("(note=a*b*)", true),
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", true),
        ("(userAccountControl:1.2.840.113556.1.4.803:=3)", false),
        ("(userAccountControl:1.2.840.113556.1.4.804:=3)", true),
        ("(userAccountControl>=514)", true),
        ("(userAccountControl>=1000)", false),
        ("(userAccountControl<=1000)", true),
        ("(uid~=anna)", true),
        ("(cn:caseIgnoreMatch:=ANNA Åkesson)", true),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(&ANNA), expected, "{text}");
        assert_eq!(filter.not_evaluated(), None, "{text}");
    }
}

#[test]
fn what_is_no_filter_is_told_where() {
    for (text, position, problem) in [
        ("", 1, Problem::NotOpened),
        ("uid=anna", 1, Problem::NotOpened),
        ("(uid=anna", 10, Problem::NotClosed),
        ("(uid=anna))", 11, Problem::Trailing),
        ("(uid)", 2, Problem::Comparison),
        ("(u d=anna)", 2, Problem::Attribute),
        ("(uid=a\\2)", 7, Problem::Escape),
        ("(uid=å\\+1)", 7, Problem::Escape),
        ("(uid=a(b)", 7, Problem::Bare),
        ("(uid=a**b)", 10, Problem::Asterisk),
        ("(uid>=a*)", 8, Problem::Asterisk),
        ("(&(uid=a)", 10, Problem::NotClosed),
        ("(:=a)", 2, Problem::Attribute),
    ] {
        assert_eq!(
            Filter::parse(text),
            Err(FilterError { position, problem }),
            "{text}"
        );
    }
    let deep = format!("{}(a=b){}", "(!".repeat(10_000), ")".repeat(10_000));
    assert_eq!(
        Filter::parse(&deep).map_err(|error| error.problem),
        Err(Problem::Deep)
    );
}

#[test]
fn rules_that_are_not_known_are_named() {
    for text in [
        "(cn:2.5.13.5:=Anna)",
        "(:dn:2.4.6.8.10:=Dino)",
        "(&(a=b)(!(ou:dn:=x)))",
    ] {
        let filter = Filter::parse(text).expect(text);
        assert!(filter.not_evaluated().is_some(), "{text}");
    }
}

#[test]
fn a_value_cannot_become_structure() {
    let mobile = Attribute::new("mobile").expect("a name");
    for value in ["*", "*)(uid=*", "+46*", "\\2a", "a\0b", "å"] {
        let text = Filter::equal(&mobile, value).to_string();
        assert_eq!(
            Filter::parse(&text),
            Ok(Filter::equal(&mobile, value)),
            "{text}"
        );
    }
    assert_eq!(
        Filter::equal(&mobile, "*)(").to_string(),
        "(mobile=\\2a\\29\\28)"
    );
    assert!(Attribute::new("mobile=*)(x").is_err());
}

fn attribute() -> impl Strategy<Value = Attribute> {
    "[a-z][a-z0-9-]{0,8}".prop_map(|name| Attribute::new(&name).expect("a name"))
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<Vec<u8>>(),
        "[a-z*()\\\\å ]{1,6}".prop_map(String::into_bytes)
    ]
}

fn part() -> impl Strategy<Value = Vec<u8>> {
    value().prop_filter("a part is not empty", |part| !part.is_empty())
}

fn filter() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        (attribute(), value()).prop_map(|(attribute, value)| Filter::Equal(attribute, value)),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::AtLeast(attribute, value)),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::AtMost(attribute, value)),
        (attribute(), value()).prop_map(|(attribute, value)| Filter::Approximate(attribute, value)),
        attribute().prop_map(Filter::Present),
        (
            attribute(),
            part(),
            prop::collection::vec(part(), 0..3),
            value()
        )
            .prop_map(|(attribute, initial, any, last)| Filter::Parts {
                attribute,
                initial,
                any,
                last
            }),
        (
            attribute(),
            any::<bool>(),
            prop::option::of(attribute()),
            value()
        )
            .prop_map(|(attribute, dn, rule, value)| {
                // A rule called "dn" cannot be told from the flag, in the text.
                let rule = rule.filter(|rule| rule.as_str() != "dn");
                Filter::Extensible {
                    attribute: Some(attribute),
                    dn,
                    rule,
                    value,
                }
            }),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_reads_as_it_was_written(filter in filter()) {
        let text = filter.to_string();
        prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(Filter::parse(&text), Ok(filter));
    }

    #[test]
    fn parsing_never_panics(text in "[(&|!=*\\\\a-c0-2:<>~ å)]{0,40}", any in ".{0,40}") {
        for text in [text, any] {
            if let Ok(filter) = Filter::parse(&text) {
                filter.matches(&ANNA);
                prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
            }
        }
    }
}
