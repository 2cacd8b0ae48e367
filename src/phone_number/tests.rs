//! What is private here; the laws stand in `tests/phone_numbers.rs`.

use super::*;

fn plan() -> NumberPlan {
    NumberPlan::new("SE", Matching::Normalised, []).expect("a plan")
}

#[test]
fn a_number_takes_24_bytes() {
    assert_eq!(size_of::<PhoneNumber>(), 24);
    assert_eq!(size_of::<Option<PhoneNumber>>(), 24);
}

#[test]
fn every_spelling_of_the_contract_is_one_number() {
    let plan = plan();
    for text in [
        "+46701740605",
        "+46 70-174 06 05",
        "0046701740605",
        "070-174 06 05",
        "(070) 174 06 05",
        "+46 (0)70 174 06 05",
        "46701740605",
        "tel:+46701740605",
        "sip:+46701740605@trunk;user=phone",
    ] {
        let read = plan.read(text).map(|number| number.as_str().to_owned());
        assert_eq!(read.as_deref(), Ok("+46701740605"), "{text}");
    }
}
