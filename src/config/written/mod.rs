//! What is written, turned into what is meant: one file for each part.

use std::collections::HashSet;

use super::{Config, reader::Section};

mod client;
mod directory;
mod server;
mod store;
mod tenant;

/// The whole configuration; `None` only if a problem was found.
pub(super) fn config(root: &Section<'_>) -> Option<Config> {
    let server = server::server(&root.table_or_empty("server"));
    let store = store::store(&root.table_or_empty("store"));
    let tenants: Vec<_> = root.tables("tenant");
    if tenants.is_empty() {
        root.problem("tenant", "there is none (write at least one [[tenant]])");
    }
    refuse_doubles(&tenants, "id", "another tenant has the same id");
    let tenants: Option<Vec<_>> = tenants
        .iter()
        .map(tenant::tenant)
        .collect::<Vec<_>>()
        .into_iter()
        .collect();
    Some(Config {
        server: server?,
        store: store?,
        tenants: tenants?,
        warnings: Vec::new(),
    })
}

/// Says `what` of every section whose text `name` an earlier one has as well.
fn refuse_doubles(sections: &[Section<'_>], name: &str, what: &str) {
    let mut seen = HashSet::new();
    for section in sections {
        let text = section.peek(name);
        if text.is_some_and(|text| !seen.insert(text)) {
            section.problem(name, what);
        }
    }
}
