//! The page that documents every key, held against the program.

use std::{fs, path::PathBuf};

use callotp::config::{self, Environment};

use super::{Folder, LARGE, SMALL, problems, with, wrong};

const MARK: &str = "<!-- The rest is made from src/config/catalogue";

fn page() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let text = fs::read_to_string(&path).expect("the page");
    (path, text)
}

/// Every documented table with its keys, secrets' twins left out.
fn documented() -> Vec<(String, Vec<String>)> {
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    for line in page().1.lines() {
        if let Some(header) = line.strip_prefix("## `[") {
            tables.push((format!("[{}", header.trim_end_matches('`')), Vec::new()));
        } else if let (Some(row), Some((_, keys))) = (line.strip_prefix("| `"), tables.last_mut()) {
            let name = row.split('`').next().expect("a name");
            keys.push(name.to_owned());
        }
    }
    assert!(tables.len() > 15 && tables.iter().any(|(_, keys)| keys.len() > 8));
    tables
}

/// The path of what stands in the table `header`.
fn path(header: &str, name: &str) -> String {
    format!("{}.{name}", header.trim_matches(['[', ']']))
}

/// The texts that have the table `header`, among them one for each kind of store.
fn texts_with(header: &str) -> Vec<String> {
    let header = format!("\n{header}\n");
    let embedded = SMALL.replace("kind = \"memory\"", "kind = \"embedded\"");
    let texts = [SMALL.to_owned(), embedded, LARGE.to_owned()].into_iter();
    texts.filter(|text| text.contains(&header)).collect()
}

#[test]
fn the_page_of_keys_is_the_programs_own() {
    let (path, text) = page();
    let start = text.find(MARK).expect("the mark");
    let end = start + text[start..].find('\n').expect("the end of its line") + 1;
    let expected = format!("{}\n{}", &text[..end], config::reference());
    if std::env::var_os("CALLOTP_WRITE_DOCS").is_some() {
        fs::write(&path, &expected).expect("the page written");
    }
    assert!(
        page().1 == expected,
        "{} differs from the program's keys: CALLOTP_WRITE_DOCS=1 writes it anew",
        path.display()
    );
}

#[test]
fn every_documented_key_is_read() {
    for (header, keys) in documented() {
        for key in keys {
            let texts = texts_with(&header);
            assert!(!texts.is_empty(), "no text has {header}");
            let is_told = texts.iter().any(|text| {
                let told = problems(with(text, &header, &format!("{key} = 1979-05-27")));
                told.iter().any(|problem| {
                    problem.key == path(&header, &key) && problem.what.contains("a date")
                })
            });
            assert!(is_told, "nobody reads {key} in {header}");
        }
    }
}

#[test]
fn every_documented_key_has_a_variable() {
    for (header, keys) in documented() {
        let table: Vec<String> = header
            .trim_matches(['[', ']'])
            .split('.')
            .map(|part| match part {
                "tenant" | "client" | "rewrite" | "basic" | "bearer" | "certificate" => {
                    format!("{}__0", part.to_uppercase())
                }
                part => part.to_uppercase(),
            })
            .collect();
        for key in keys {
            let name = format!("CALLOTP__{}__{}", table.join("__"), key.to_uppercase());
            let text = &texts_with(&header)[0];
            let told = wrong(Folder::new().load(text, &Environment::of([(&*name, "\u{1}")])));
            let unknown = told
                .iter()
                .any(|problem| problem.what.starts_with("there is no"));
            assert!(!unknown, "{name}: {told:#?}");
        }
    }
}

#[test]
fn every_misspelt_key_is_told_with_the_one_that_was_meant() {
    for (header, keys) in documented() {
        for key in keys {
            let wrong = format!("{key}x");
            let told = problems(with(
                &texts_with(&header)[0],
                &header,
                &format!("{wrong} = 1"),
            ));
            let found = told
                .iter()
                .find(|problem| problem.key == path(&header, &wrong));
            let found = found.unwrap_or_else(|| panic!("{wrong} in {header}: {told:#?}"));
            let meant = format!("did you mean `{key}`?");
            assert!(found.what.contains(&meant), "{found:?}");
        }
    }
}

#[test]
fn what_is_like_no_key_is_told_with_all_that_there_are() {
    let told = problems(with(SMALL, "[tenant.otp]", "sumthing = 1"));
    assert!(
        told[0]
            .what
            .contains("known are digits, lifetime, attempts"),
        "{told:#?}"
    );
    let told = problems(with(SMALL, "[tenant.validate]", "attempts = 1"));
    assert!(
        told[0].what.contains("it belongs in `tenant.otp`"),
        "{told:#?}"
    );
    let told = problems(format!("sumthing = 1\n{SMALL}"));
    assert!(
        told[0].what.contains("known are server, store, tenant"),
        "{told:#?}"
    );
}
