//! What is private here; the laws of the whole stand in `tests/ldif.rs`.

use proptest::prelude::*;

use super::{people::Draft, reader::Entry, reader::Reader, *};

/// What the memory of a million people consists of.
#[test]
fn a_person_takes_16_bytes_beside_the_texts() {
    assert_eq!(people::PERSON_SIZE, 16);
}

#[test]
fn a_person_with_several_names_is_found_by_each_however_many_there_are() {
    let mut people = People::default();
    for at in 0..2000 {
        let draft = Draft {
            names: &[format!("first{at}"), format!("Second {at}")],
            id: "id",
            dn: "dn",
            passwords: &[],
            numbers: &[],
        };
        assert_eq!(people.add(&draft), Ok(at));
        assert!(people.add(&draft).is_err());
    }
    assert_eq!(people.len(), 2000);
    for at in 0..2000 {
        for name in [format!("FIRST{at}"), format!(" second   {at}")] {
            let user = people.by_name(&name).expect("a user");
            assert_eq!(*user.name, *format!("first{at}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_panics_and_ends(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        text in "(dn|uid|version|changetype|#| |:|\n|\r\n|=|,|<|a|1|é|QQ==){0,40}",
    ) {
        for content in [bytes, text.into_bytes()] {
            let lines = content.split(|byte| *byte == b'\n').count() as u64 + 1;
            let mut reader = Reader::new(content.as_slice());
            let mut entry = Entry::default();
            let error = loop {
                match reader.read(&mut entry) {
                    Ok(true) => prop_assert!((1..=lines).contains(&entry.line())),
                    Ok(false) => break None,
                    Err(error) => break Some(error),
                }
            };
            if let Some(error) = error {
                prop_assert!((1..=lines).contains(&error.line), "{}", error);
            }
        }
    }
}
