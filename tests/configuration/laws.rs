//! Laws that hold for every text.

use callotp::config::{Config, Environment, Problems};
use proptest::prelude::*;

use super::{Folder, LARGE, SMALL, at};

fn load(text: &str) -> Result<Config, Problems> {
    Folder::new().load(text, &Environment::default())
}

fn assert_lawful(text: &str) -> Result<(), TestCaseError> {
    let Err(problems) = load(text) else {
        return Ok(());
    };
    prop_assert!(problems.iter().next().is_some());
    let lines = text.split('\n').count();
    for problem in problems.iter() {
        let (line, column) = at(problem);
        prop_assert!(line <= lines, "{:?}", problem);
        let longest = text
            .split('\n')
            .nth(line.max(1) - 1)
            .map_or(0, |l| l.chars().count());
        prop_assert!(column <= longest + 1, "{:?}", problem);
    }
    let told = problems.to_string();
    prop_assert!(!told.contains("planted"), "{}", told);
    prop_assert_eq!(told.lines().count(), problems.iter().count());
    Ok(())
}

/// A value of any kind, not too deep.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "\"[a-z0-9 .:/$()]{0,12}\"",
        "-?[0-9]{1,20}",
        Just("true".to_owned()),
        Just("1.5".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("\"ldap\"".to_owned()),
        Just("\"redis\"".to_owned()),
        Just("\"5m\"".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4).prop_map(|entries| {
                let entries: Vec<String> =
                    entries.iter().map(|(k, v)| format!("{k} = {v}")).collect();
                format!("{{ {} }}", entries.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        assert_lawful(&text)?;
    }

    #[test]
    fn any_tokens_are_read_or_refused(
        tokens in prop::collection::vec(
            prop_oneof![
                Just("["), Just("]"), Just("[["), Just("]]"), Just("{"), Just("}"), Just("="),
                Just("."), Just(","), Just("\n"), Just("\""), Just("\"\"\""), Just("'"), Just("#"),
                Just("tenant"), Just("server"), Just("otp"), Just("client"), Just("listen"),
                Just("1"), Just("\"x\""), Just(" "), Just("\r\n"), Just("å"),
            ],
            0..60,
        )
    ) {
        assert_lawful(&tokens.concat())?;
    }

    #[test]
    fn any_value_in_any_line_is_read_or_refused(at in any::<prop::sample::Index>(), value in value(), large in any::<bool>()) {
        let text = if large { LARGE } else { SMALL };
        let keys: Vec<&str> = text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        let key = keys[at.index(keys.len())];
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some((other, _)) if other == key => format!("{key} = {value}"),
            _ => line.to_owned(),
        });
        assert_lawful(&lines.collect::<Vec<_>>().join("\n"))?;
    }

    #[test]
    fn no_damage_to_a_file_brings_a_secret_out(
        from in any::<prop::sample::Index>(),
        length in 0..12_usize,
        put in "[\"'\\[\\]{}=,.#\n a]{0,3}",
    ) {
        let secrets: Vec<char> = LARGE.chars().collect();
        let from = from.index(secrets.len());
        let to = (from + length).min(secrets.len());
        let damaged: String = secrets[..from].iter().copied().chain(put.chars()).chain(secrets[to..].iter().copied()).collect();
        assert_lawful(&damaged)?;
    }
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let deep = 100_000;
    for text in [
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]", vec!["a"; deep].join(".")),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{ a = ".repeat(deep), " }".repeat(deep)),
        format!(
            "a = {}",
            format!("[{{{} = \n", "a.".repeat(10) + "a").repeat(1000)
        ),
    ] {
        assert!(load(&text).is_err());
    }
}
