//! What is private here; the laws stand in `tests/phone_numbers.rs`.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

#[test]
fn a_number_takes_24_bytes() {
    assert_eq!(size_of::<PhoneNumber>(), 24);
    assert_eq!(size_of::<Option<PhoneNumber>>(), 24);
}

#[test]
fn what_fits_inline_and_what_does_not_are_texts_alike() {
    for length in 0..40 {
        let text = "7".repeat(length);
        let number = PhoneNumber::new(&text);
        assert_eq!(number.as_str(), text);
        assert_eq!(number, number.clone());
        assert_ne!(number, PhoneNumber::new(&format!("{text}0")));
        assert!(number < PhoneNumber::new(&format!("{text}0")));
    }
}

fn plans() -> &'static [NumberPlan] {
    static PLANS: LazyLock<Vec<NumberPlan>> = LazyLock::new(|| {
        let plan = |region: &&str| {
            let rule = ("^[+](8[0-9]{4})$".to_owned(), "+4687001$1".to_owned());
            NumberPlan::new(region, Matching::Normalised, [rule]).expect("a plan")
        };
        ["SE", "US", "BR", "IT", "RU", "GB"]
            .iter()
            .map(plan)
            .collect()
    });
    &PLANS
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2048), ..ProptestConfig::default() })]

    #[test]
    fn the_short_cuts_give_the_answer_of_the_long_way(
        code in 1..1000_u16,
        rest in "[0-9]{0,18}",
        plan in prop::sample::select(plans()),
    ) {
        let text = format!("+{code}{rest}");
        if e164::is_settled(&text) {
            prop_assert_eq!(e164::by_plan(&text, plan.region), Ok(text.clone()), "{:?}", plan);
        }
        prop_assert_eq!(plan.read(&text), plan.read_any(&text), "{} under {:?}", text, plan);
    }
}
