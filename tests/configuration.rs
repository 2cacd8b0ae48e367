//! The configuration: what is read, what is refused, and how that is told.

use std::path::{Path, PathBuf};

use callotp::config::{self, Environment};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
        .join("callotp.toml")
}

#[test]
fn the_quickstart_is_right() {
    let config = config::load(&example("quickstart"), &Environment::default());
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.tenants[0].id.as_str(), "t1");
    assert_eq!(config.warnings, Vec::<String>::new());
}
