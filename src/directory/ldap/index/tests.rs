use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::phone_number::{Matching, NumberPlan};

fn number(place: u8) -> PhoneNumber {
    let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
    plan.read(&format!("+467017406{:02}", u32::from(place) + 5))
        .expect("a number")
}

fn owners(index: &NumberIndex, of: u8) -> Vec<String> {
    let candidates = index.candidates(&number(of)).into_iter();
    let mut owners: Vec<_> = candidates.map(|candidate| candidate.dn.into()).collect();
    owners.sort();
    owners
}

#[test]
fn what_a_load_did_not_see_is_gone() {
    let mut index = NumberIndex::default();
    index.begin_load();
    index.put(b"1", "uid=anna", &[number(0), number(1)]);
    index.put(b"2", "uid=bo", &[number(1)]);
    index.end_load();
    assert_eq!(owners(&index, 1), ["uid=anna", "uid=bo"]);
    index.begin_load();
    index.put(b"2", "uid=bo", &[number(1)]);
    index.end_load();
    assert!(owners(&index, 0).is_empty());
    assert_eq!(owners(&index, 1), ["uid=bo"]);
    assert_eq!(
        index.size(),
        Size {
            entries: 1,
            numbers: 1
        }
    );
}

proptest! {
    /// The index answers like a plain list of who has what, whatever was put in before.
    #[test]
    fn the_last_word_on_an_entry_counts(
        puts in proptest::collection::vec(
            (0_u8..6, 0_u8..3, proptest::collection::vec(0_u8..8, 0..4)),
            0..60,
        ),
    ) {
        let mut index = NumberIndex::default();
        let mut model = BTreeMap::new();
        for (id, home, numbers) in puts {
            let dn = format!("uid={id},ou={home}");
            let read: Vec<_> = numbers.iter().map(|place| number(*place)).collect();
            index.put(&[id], &dn, &read);
            model.insert(id, (dn, numbers));
        }
        for of in 0..8 {
            let mut expected: Vec<String> = model
                .values()
                .filter(|(_, numbers)| numbers.contains(&of))
                .map(|(dn, _)| dn.clone())
                .collect();
            expected.sort();
            prop_assert_eq!(owners(&index, of), expected);
        }
        let entries = model.values().filter(|(_, numbers)| !numbers.is_empty()).count();
        prop_assert_eq!(index.size().entries, entries);
    }
}
