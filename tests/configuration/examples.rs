//! The files that people begin with.

use std::{fs, path::Path};

use callotp::config::{self, Environment};

use super::{Folder, HASH, wrong};

fn example(name: &str) -> std::path::PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    examples.join(name).join("callotp.toml")
}

#[test]
fn the_quickstart_is_right() {
    let config = config::load(&example("quickstart"), &Environment::default());
    let config = config.expect("right");
    assert_eq!(config.warnings, Vec::<String>::new());
    assert!(config.server.listen.ip().is_loopback());
}

#[test]
fn the_production_example_is_right_but_for_what_the_build_lacks() {
    let folder = Folder::new();
    folder.write(
        "redis.url",
        "rediss://callotp:pass@redis.example.org:6380/0\n",
    );
    folder.write("directory.password", "secret\n");
    folder.write("gateway-old.hash", HASH);
    folder.write("gateway-new.hash", HASH);
    let text = fs::read_to_string(example("production")).expect("the example");
    let loaded = folder.load(&text, &Environment::default());
    if let Ok(config) = &loaded {
        assert_eq!(config.warnings, Vec::<String>::new());
    }
    assert_eq!(wrong(loaded), []);
}
