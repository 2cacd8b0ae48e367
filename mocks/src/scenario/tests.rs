use super::*;
use proptest::prelude::*;

/// The scenario of the documentation, word for word.
const DOCUMENTED: &str = r#"
seed = 7
[tenant.t1]
auth = { basic = { username = "pbx", password = "secret" } }     # or { bearer = "..." }, "none"
otp = { digits = 6, lifetime = "2m" }
people = [ { name = "Ada", username = "ada", password = "correct horse", numbers = ["+46701740605"] },
           { name = "Bo", username = "bo", password = "battery staple", numbers = ["070-174 06 06"], otp = "053219" } ]
[[tenant.t1.rule]]                       # the first that matches
when = { number = "+46701740605", nth = "1..2" }
fault = { kind = "reset", at = "body", after_bytes = 12 }
[directory]
flavour = "ad"
ldif = "people.ldif"                     # otherwise made from the people
faults = [ { operation = "search", nth = 3, result = "busy" }, { operation = "bind", after = "4s" } ]
[expect]                                 # what judge and /verify hold the caller to
calls = { number = "+46701740605", exactly = 1, within = "10s" }
"#;

fn wrong(text: &str) -> String {
    let error = Scenario::read(text, "scenario.toml").expect_err("a wrong scenario");
    error.to_string()
}

#[test]
fn the_documented_scenario_means_what_it_says() {
    let scenario = Scenario::read(DOCUMENTED, "scenario.toml").expect("a scenario");
    assert_eq!(scenario.seed, Some(7));
    let tenant = &scenario.tenants["t1"];
    assert_eq!(tenant.people[1].otp.as_deref(), Some("053219"));
    assert_eq!(tenant.lifetime.as_secs(), 120);
    assert_eq!(tenant.rules[0].nth, Some(1..=2));
    assert_eq!(tenant.rules[0].fault, Fault::Reset(Place::Body, 12));
    assert_eq!(scenario.directory.faults.len(), 2);
    assert_eq!(scenario.directory.flavour, Some(Flavour::Ad));
    let expected = Expectation {
        number: Some("+46701740605".to_owned()),
        tenant: None,
        count: Count::Exactly(1),
        within: Some(std::time::Duration::from_secs(10)),
    };
    assert_eq!(scenario.expect, [expected]);
    assert!(scenario.warnings().is_empty());
}

#[test]
fn an_empty_scenario_is_the_world_without_one() {
    let scenario = Scenario::read("", "empty.toml").expect("a scenario");
    assert_eq!(scenario.tenants["t1"].people[0].username, "ada");
}

#[test]
fn every_form_of_auth_is_read() {
    let auth = |text: &str| {
        let text = format!("[tenant.t1]\nauth = {text}\n");
        Scenario::read(&text, "s").expect("a scenario").tenants["t1"]
            .auth
            .clone()
    };
    assert_eq!(auth("\"none\""), Auth::None);
    assert_eq!(
        auth("{ bearer = \"token\" }"),
        Auth::Bearer("token".to_owned())
    );
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_known_one() {
    let error = wrong("seed = 1\n[tenant.t1]\npeeple = []\n");
    assert!(error.starts_with("scenario.toml:3:"), "{error}");
    assert!(error.contains("did you mean `people`?"), "{error}");
    for (text, nearest) in [
        ("[tenants.t1]\n", "`tenant`"),
        ("[tenant.t1]\notp = { digit = 6 }\n", "`digits`"),
        (
            "[tenant.t1]\npeople = [{ name = \"A\", number = [] }]\n",
            "`numbers`",
        ),
        (
            "[[tenant.t1.rule]]\nwhen = { numbr = \"1\" }\nfault = { kind = \"empty\" }\n",
            "`number`",
        ),
        (
            "[[tenant.t1.rule]]\nfault = { kind = \"rest\" }\n",
            "`reset`",
        ),
        (
            "[[tenant.t1.rule]]\nfault = { kind = \"reset\", after_byte = 1 }\n",
            "`after_bytes`",
        ),
        ("[expect]\ncalls = { exact = 1 }\n", "`exactly`"),
        ("[directory]\nflavor = \"ad\"\n", "`flavour`"),
    ] {
        let error = wrong(text);
        assert!(
            error.contains(&format!("did you mean {nearest}?")),
            "{error}"
        );
    }
}

#[test]
fn a_value_that_cannot_be_names_its_key() {
    for (text, key) in [
        ("[tenant.t1]\notp = { digits = 99 }\n", "digits"),
        ("[tenant.t1]\notp = { lifetime = \"soon\" }\n", "duration"),
        (
            "[tenant.t1]\npeople = [{ name = \"A\", otp = \"12a\" }]\n",
            "otp",
        ),
        (
            "[tenant.t1]\npeople = [{ name = \"A\", numbers = [\"nobody\"] }]\n",
            "numbers",
        ),
        (
            "[[tenant.t1.rule]]\nfault = { kind = \"status\" }\n",
            "status",
        ),
        ("[expect]\ncalls = { number = \"1\" }\n", "exactly"),
    ] {
        let error = wrong(text);
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn two_people_with_one_number_are_warned_about() {
    let text = "[tenant.t1]\npeople = [{ name = \"A\", numbers = [\"070-174 06 05\"] }, { name = \"B\", numbers = [\"+46701740605\"] }]\n";
    let scenario = Scenario::read(text, "s").expect("a scenario");
    assert_eq!(scenario.warnings().len(), 1);
}

proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}") {
        let _ = Scenario::read(&text, "s");
    }

    #[test]
    fn reading_what_almost_is_a_scenario_never_panics(cut in 0..DOCUMENTED.len(), with in "\\PC{0,6}") {
        let mut text = DOCUMENTED.to_owned();
        if text.is_char_boundary(cut) {
            text.insert_str(cut, &with);
        }
        let _ = Scenario::read(&text, "s");
    }
}
