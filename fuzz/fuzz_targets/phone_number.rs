//! Whatever reads as a number reads as itself, and its spellings are bounded.
#![no_main]

use std::sync::LazyLock;

use callotp::phone_number::{Matching, NumberPlan};
use libfuzzer_sys::fuzz_target;

static PLANS: LazyLock<[NumberPlan; 3]> = LazyLock::new(|| {
    ["SE", "US", "AR"].map(|region| {
        NumberPlan::new(region, Matching::Normalised, []).expect("a region")
    })
});

fuzz_target!(|text: &str| {
    for plan in PLANS.iter() {
        if let Ok(number) = plan.read(text) {
            assert_eq!(plan.read(number.as_str()).as_ref(), Ok(&number));
            assert!(plan.spellings(&number, Some(text)).len() <= 24);
        }
    }
});
