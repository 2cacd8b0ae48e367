//! The floors of the house: imports point down only.

use std::{collections::BTreeMap, fs, path::Path};

/// Which floor each room of the server is on; a room may look at its own floor and below.
const FLOORS: [(u8, &[&str]); 6] = [
    (
        5,
        &[
            "main",
            "lib",
            "cli",
            "app",
            "config",
            "telemetry",
            "shutdown",
            "check",
            "doctor",
            "explain",
            "locks",
            "phones",
        ],
    ),
    (4, &["server", "tls", "admin", "shutdown"]),
    (3, &["http"]),
    (
        2,
        &[
            "client_auth",
            "directory::ldap",
            "directory::ldif",
            "otp::store::memory",
            "otp::store::embedded",
            "otp::store::engine",
            "otp::store::redis",
        ],
    ),
    (1, &["otp", "directory"]),
    (
        0,
        &[
            "clock",
            "finding",
            "phone_number",
            "secret",
            "tenant",
            "user",
            "password_hash",
        ],
    ),
];

fn floor_of(module: &str) -> Option<u8> {
    let floors: BTreeMap<&str, u8> = FLOORS
        .iter()
        .flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, *floor)))
        .collect();
    let parts: Vec<&str> = module.split("::").collect();
    (1..=parts.len())
        .rev()
        .find_map(|n| floors.get(parts[..n].join("::").as_str()).copied())
}

fn module_of(path: &Path) -> String {
    let text = path.with_extension("").to_string_lossy().replace('/', "::");
    text.trim_end_matches("::mod").to_owned()
}

fn rust_files(root: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(root).expect("a folder of sources");
    entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn imports_of_the_server_point_down_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&root) {
        let module = module_of(file.strip_prefix(&root).expect("below src"));
        let from = floor_of(&module).unwrap_or_else(|| panic!("{module} stands on no floor"));
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            for import in line.split("crate::").skip(1) {
                let path: String = import
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || matches!(c, '_' | ':' | '0'..='9'))
                    .collect();
                match floor_of(path.trim_end_matches(':')) {
                    Some(to) if to > from => {
                        wrong.push(format!(
                            "{module}:{} ({from}) looks up to {path} ({to})",
                            number + 1
                        ));
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_three_programs_depend_on_each_other_as_drawn() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a manifest");
    let ours = |manifest: &str| -> Vec<String> {
        let dependencies = manifest
            .split("[dependencies]")
            .nth(1)
            .expect("dependencies");
        let section = dependencies.split("\n[").next().unwrap_or_default();
        section
            .lines()
            .filter(|line| line.starts_with("callotp"))
            .map(|line| line.split([' ', '.']).next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(ours(&read("Cargo.toml")), Vec::<String>::new());
    assert_eq!(ours(&read("conformance/Cargo.toml")), Vec::<String>::new());
    assert_eq!(ours(&read("mocks/Cargo.toml")), ["callotp-conformance"]);
}
