use std::collections::BTreeSet;

use super::*;

#[test]
fn every_id_is_unique_and_made_of_words() {
    let mut seen = BTreeSet::new();
    for clause in all() {
        assert!(seen.insert(clause.id), "{} twice", clause.id);
        let words =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        assert!(clause.id.chars().all(words), "{}", clause.id);
    }
}

#[test]
fn every_entry_can_be_explained() {
    for clause in all() {
        for text in [clause.text, clause.source, clause.sent, clause.remedy] {
            assert!(!text.is_empty(), "{}", clause.id);
            assert!(!text.contains('\n'), "{} has a line break", clause.id);
        }
    }
}

#[test]
fn a_level_is_only_ever_raised_and_in_a_profile_that_has_the_clause() {
    for clause in all() {
        if let Some((profile, level)) = clause.raised {
            assert!(
                level > clause.level && profile >= clause.profile,
                "{}",
                clause.id
            );
        }
    }
}

#[test]
fn callers_are_the_affair_of_the_mock_alone() {
    assert!(caller_clauses().all(|clause| clause.side == Side::Caller));
    assert!(caller_clauses().all(|clause| clause.id.starts_with("caller.")));
    assert!(server_clauses().all(|clause| clause.side == Side::Server));
}
