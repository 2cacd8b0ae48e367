//! What is private here; the laws stand in `tests/phone_numbers.rs`.

use proptest::prelude::*;

use super::*;

fn plan(region: &str) -> NumberPlan {
    NumberPlan::new(region, Matching::Normalised, []).expect("a plan")
}

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn the_short_cut_gives_the_answer_of_the_long_way(
        code in 1..1000_u16,
        rest in "[0-9]{0,18}",
        region in prop::sample::select(&["SE", "US", "BR", "IT", "RU", "GB"][..]),
    ) {
        let (plan, text) = (plan(region), format!("+{code}{rest}"));
        let short = plan.is_plain(&text).then(|| PhoneNumber::new(&text));
        if let Some(number) = short {
            prop_assert_eq!(plan.read_any(&text), Ok(number), "{} under {}", text, region);
        }
    }
}
