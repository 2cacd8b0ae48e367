//! Telephone numbers: every spelling finds its user, and what is no number finds nobody.

use callotp::phone_number::{Matching, NumberPlan, NumberRefusal, PhoneNumber};

mod laws;

fn plan(region: &str) -> NumberPlan {
    NumberPlan::new(region, Matching::Normalised, []).expect("a region")
}

fn with_extensions() -> NumberPlan {
    let rule = ("^([0-9]{4})$".to_owned(), "+4687001$1".to_owned());
    NumberPlan::new("SE", Matching::Normalised, [rule]).expect("a plan")
}

fn exact() -> NumberPlan {
    NumberPlan::new("SE", Matching::Exact, []).expect("a plan")
}

fn read(plan: &NumberPlan, text: &str) -> Result<String, NumberRefusal> {
    plan.read(text).map(|number| number.as_str().to_owned())
}

#[test]
fn the_documents_own_example_is_a_number_though_no_plan_has_it() {
    for text in [
        "+467012345678",
        "467012345678",
        "00467012345678",
        "07012345678",
        "070-1234 56 78",
        "tel:+467012345678",
    ] {
        assert_eq!(
            read(&plan("SE"), text).as_deref(),
            Ok("+467012345678"),
            "{text}"
        );
    }
    let number = plan("SE").read("+467012345678").expect("a number");
    assert!(!number.is_plausible());
    assert!(
        plan("SE")
            .read("+46701740605")
            .expect("a number")
            .is_plausible()
    );
}

#[test]
fn one_number_is_found_however_it_is_written() {
    for text in [
        "+46701740605",
        "+46 70-174 06 05",
        "0046701740605",
        "00 46 70 174 06 05",
        "070-174 06 05",
        "0701740605",
        "(070) 174 06 05",
        "070/174.06.05",
        "+46 (0)70 174 06 05",
        "+46(0)701740605",
        "+46 (0) 70-174 06 05",
        "0046 (0)70 174 06 05",
        "(+46) 70 174 06 05",
        "+460701740605",
        "46701740605",
        "46 70 174 06 05",
        "++46701740605",
        "+0046701740605",
        " +46701740605\r\n",
        "+46\u{a0}70\u{202f}174\u{2009}06\u{3000}05",
        "+46\u{2011}70\u{2013}174\u{2212}06\u{ff0d}05",
        "\u{ff0b}\u{ff14}\u{ff16}\u{ff17}\u{ff10}\u{ff11}\u{ff17}\u{ff14}\u{ff10}\u{ff16}\u{ff10}\u{ff15}",
        "\u{202a}+46701740605\u{202c}",
        "\u{feff}+46701740605",
        "tel:+46701740605",
        "TEL:+46-70-174-06-05",
        "tel:0701740605;phone-context=+46",
        "tel:701740605;phone-context=+46",
        "tel:+46701740605;isub=12;cpc=ordinary",
        "sip:+46701740605@trunk;user=phone",
        "sip:+46701740605@192.0.2.1:5060;transport=udp",
        "SIPS:%2B46701740605@trunk",
        "sip:+46701740605;npdi;rn=123@trunk?subject=x",
        "sip:0701740605:secret@trunk",
        "sip:+46701740605@[2001:db8::1]",
        "+46701740605@trunk",
        "<sip:+46701740605@trunk>;tag=1",
        "<tel:+46701740605>",
        "\"Anna\" <sip:+46701740605@trunk>",
        "Anna <+46701740605>",
        "\"+46701740605\"",
    ] {
        assert_eq!(
            read(&plan("SE"), text).as_deref(),
            Ok("+46701740605"),
            "{text:?}"
        );
    }
}

#[test]
fn a_withheld_caller_has_no_number() {
    for text in [
        "",
        " ",
        "\t\r\n",
        "\"\"",
        "''",
        "<>",
        "-",
        "+",
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        " anonymous ",
        "\"Anonymous\"",
        "restricted",
        "Restricted",
        "unknown",
        "unavailable",
        "private",
        "blocked",
        "anonymous@anonymous.invalid",
        "sip:anonymous@anonymous.invalid",
        "\"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
        "sip:Anonymous@trunk",
        "sips:restricted@trunk;user=phone",
        "tel:anonymous",
        "<sip:%61nonymous@trunk>",
        "sip:+46701740605@anonymous.invalid",
        "\"Private\" <sip:+46701740605@trunk>",
        "tel:",
        "sip:@trunk",
        "0",
        "00",
        "0000000000",
        "000-000 00 00",
        "+0000000000",
        "0 0 0",
        "tel:0000000",
        "+266696687",
        "266696687",
        "+266 696 687",
        "00266696687",
        "tel:+266-696-687",
        "sip:+266696687@trunk",
        "+7378742833",
        "7378742833",
        "+8656696",
        "8656696",
        "+2562533",
        "2562533",
        "256-2533",
        "+86282452253",
        "86282452253",
        "\u{ff0b}266696687",
    ] {
        for plan in [plan("SE"), exact(), with_extensions()] {
            assert_eq!(
                plan.read(text),
                Err(NumberRefusal::Withheld),
                "{text:?} {plan:?}"
            );
        }
    }
}

#[test]
fn an_unfilled_template_is_no_number() {
    for text in [
        "${CALLERID(num)}",
        "+${CALLERID(num)}",
        "$CALLERID",
        "$(number)",
        "[Number]",
        "[CallerNumber]",
        "+46[Number]",
        "{{from}}",
        "{{ from }}",
        "{from}",
        "#{from}",
        "%CallerID%",
        "%CALLERIDNUM%",
        "<number>",
        "<caller id>",
        "tel:{{from}}",
        "sip:${CALLERID(num)}@trunk",
        "sip:[Number]@trunk",
        "tel:%CallerID%",
        "sip:+46701740605@${DOMAIN}",
        "tel:%7B%7Bfrom%7D%7D",
        "\"${NAME}\" <+46701740605>",
        "{{trigger.call.From}}",
    ] {
        for plan in [plan("SE"), exact(), with_extensions()] {
            assert_eq!(
                plan.read(text),
                Err(NumberRefusal::Template),
                "{text:?} {plan:?}"
            );
        }
    }
}

#[test]
fn what_is_no_number_is_not_read_as_one() {
    let long = "1".repeat(300);
    for text in [
        "anna",
        "1-800-FLOWERS",
        "*",
        "*)(uid=*",
        "+46*",
        "\\2a",
        "+46701740605\0",
        "+4670\u{7}1740605",
        "*21#",
        "#31#0701740605",
        "070-1740605, 070-1740606",
        "070-1740605;070-1740606",
        "+46",
        "5",
        "+999701740605",
        "sip:trunk",
        "sip:192.0.2.1",
        "sip:192.0.2.1:5060",
        "07O1740605",
        "+46701740605+46701740606",
        "070+1740605",
        &long,
        "１２３４５６７８９０１２３４５６７８９０１２３４５６７８９０",
        "+46701740605;ext=",
        "+46701740605;ext=1x",
        "tel:+46701740605;ext=123456789012345678901",
        "Anna <abc",
        "+46701740605 <x",
        "null",
        "undefined",
    ] {
        assert_eq!(
            plan("SE").read(text),
            Err(NumberRefusal::Unreadable),
            "{text:?}"
        );
    }
}

#[test]
fn an_extension_is_part_of_a_number() {
    let plan = plan("SE");
    for text in [
        "tel:+46870010000;ext=12",
        "+46 8 700 100 00 x12",
        "08-700 100 00 ext. 12",
        "08-700 100 00 Ext: 12",
        "+46870010000;ext=12",
        "sip:+46870010000;ext=1-2@trunk",
    ] {
        assert_eq!(
            read(&plan, text).as_deref(),
            Ok("+46870010000;ext=12"),
            "{text}"
        );
    }
    assert_ne!(plan.read("+46870010000x1"), plan.read("+46870010000x12"));
    assert_ne!(plan.read("+46870010000"), plan.read("+46870010000x1"));
}

#[test]
fn digits_without_plus_that_make_no_national_number_are_international() {
    let plan = plan("SE");
    assert_eq!(
        read(&plan, "4915112345678").as_deref(),
        Ok("+4915112345678")
    );
    // Lund's numbers begin like the country's code, and short ones are not long ones.
    assert_eq!(read(&plan, "461234567").as_deref(), Ok("+46461234567"));
    assert_eq!(read(&plan, "46123").as_deref(), Ok("+4646123"));
    assert_eq!(read(&plan, "1234").as_deref(), Ok("+461234"));
}

#[test]
fn the_first_rule_that_matches_makes_a_number_of_an_extension() {
    let rules = [
        ("^([0-9]{4})$", "+46 8 7001 $1"),
        ("^9(0[0-9]+)$", "\\1"),
        ("^anna$", "+46701740605"),
        (";ext=[0-9]+$", ""),
        ("^7(..)$", "+4687$$"),
    ];
    let rules = rules.map(|(from, to)| (from.to_owned(), to.to_owned()));
    let plan = NumberPlan::new("SE", Matching::Normalised, rules).expect("a plan");
    for (text, expected) in [
        ("1234", Ok("+46870011234")),
        ("12-34", Ok("+46870011234")),
        ("sip:1234@pbx", Ok("+46870011234")),
        ("90701740605", Ok("+46701740605")),
        ("anna", Ok("+46701740605")),
        ("08-700 100 00 x5", Ok("+46870010000")),
        ("+46701740605", Ok("+46701740605")),
        ("0000", Err(NumberRefusal::Withheld)),
        ("712", Err(NumberRefusal::Unreadable)),
    ] {
        let number = plan.read(text);
        assert_eq!(
            number.as_ref().map(PhoneNumber::as_str).map_err(|e| *e),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_plan_that_makes_no_sense_says_why() {
    let new = |region: &str, from: &str, to: &str| {
        let rule = (from.to_owned(), to.to_owned());
        let error = NumberPlan::new(region, Matching::Normalised, [rule]).expect_err("an error");
        error.to_string()
    };
    assert!(new("XX", "a", "b").contains("\"XX\""));
    assert!(new("Sweden", "a", "b").contains("\"Sweden\""));
    assert!(new("", "a", "b").contains("\"\""));
    assert!(new("SE", "(", "b").contains("\"(\""));
    assert!(new("SE", "^([0-9]{4})$", "+46$2").contains("group 2"));
    assert!(new("SE", "^[0-9]$", "\\1").contains("group 1"));
}

#[test]
fn exact_matching_compares_the_text() {
    let plan = exact();
    for text in [
        "+46 70-174 06 05",
        "0701740605",
        " 1234 ",
        "sip:+46701740605@trunk",
        "+46*",
        "anna",
    ] {
        assert_eq!(read(&plan, text).as_deref(), Ok(text));
    }
    assert_ne!(plan.read("+46 701740605"), plan.read("+46701740605"));
    assert_eq!(plan.read("+46701740605\0"), Err(NumberRefusal::Unreadable));
    assert_eq!(plan.read(&"1".repeat(257)), Err(NumberRefusal::Unreadable));
}

#[test]
fn the_usual_spellings_are_asked_for_and_each_reads_back() {
    let plan = plan("SE");
    let number = plan.read("+46701740605").expect("a number");
    let spellings = plan.spellings(&number, Some("sip:+46701740605@trunk"));
    for expected in [
        "+46701740605",
        "46701740605",
        "0046701740605",
        "0701740605",
        "+46 70 174 06 05",
        "+46 70-174 06 05",
        "+46-70-174-06-05",
        "070-174 06 05",
        "070 174 06 05",
        "070-1740605",
        "(070) 174 06 05",
        "+46 (0)70 174 06 05",
        "+46 (0)70-174 06 05",
        "+46(0)701740605",
        "+46 701740605",
        "tel:+46701740605",
        "sip:+46701740605@trunk",
    ] {
        assert!(
            spellings.iter().any(|spelling| spelling == expected),
            "{expected}: {spellings:#?}"
        );
    }
    let extension = with_extensions().read("1234").expect("a number");
    let spellings = with_extensions().spellings(&extension, None);
    assert!(spellings.contains(&"1234".to_owned()), "{spellings:?}");
    assert_eq!(
        exact().spellings(&exact().read("a b").expect("a text"), Some("a b")),
        ["a b"]
    );
}
