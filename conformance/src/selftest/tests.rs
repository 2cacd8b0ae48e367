use super::*;
use crate::catalogue;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix_holds_line_by_line() {
    let rows = matrix(|_| {}).await;
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| !row.holds())
        .map(|row| {
            format!(
                "{} {}\n   expected {}\n   got      {}",
                row.kind, row.name, row.expected, row.got
            )
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_clause_that_judges_is_failed_by_a_mutant() {
    let caught: BTreeSet<&str> = MUTANTS
        .iter()
        .flat_map(|mutant| mutant.fails.iter().copied())
        .collect();
    let free: Vec<&str> = catalogue::server_clauses()
        .filter(|clause| clause.level_in(Profile::Hardened) != catalogue::Level::Observe)
        // No peer has a directory that could be switched off.
        .filter(|clause| clause.id != "backend.down")
        .map(|clause| clause.id)
        .filter(|id| !caught.contains(id))
        .collect();
    assert!(free.is_empty(), "no mutant fails {free:?}");
}

#[test]
fn every_mutant_and_variant_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for name in MUTANTS
        .iter()
        .map(|one| one.name)
        .chain(VARIANTS.iter().map(|one| one.name))
    {
        assert!(names.insert(name), "{name} twice");
    }
}
