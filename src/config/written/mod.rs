//! What is written, turned into what is meant: one file for each part.

use std::collections::HashSet;

use super::{Config, reader::Section};

mod bearer;
mod client;
mod directory;
mod server;
mod store;
mod tenant;

/// The whole configuration; `None` only if a problem was found.
pub(super) fn config(root: &Section<'_>) -> Option<Config> {
    let server = server::server(&root.table_or_empty("server"));
    let store = store::store(&root.table_or_empty("store"));
    let tenants = root.tables("tenant");
    if tenants.is_empty() {
        root.problem("tenant", "there is none (write at least one [[tenant]])");
    }
    refuse_doubles(&tenants, "id", "another tenant has the same id");
    let certificates_arrive = root.has_below(&["server", "tls", "client_ca"])
        || root.has_below(&["server", "proxy", "client_certificate_header"]);
    let read = tenants
        .iter()
        .map(|tenant| tenant::tenant(tenant, certificates_arrive));
    let tenants = all(read.collect());
    Some(Config {
        server: server?,
        store: store?,
        tenants: tenants?,
        warnings: Vec::new(),
    })
}

/// All of `read`, if nothing is left out. Everything has been read by then: no mistake
/// hides another one.
fn all<T>(read: Vec<Option<T>>) -> Option<Vec<T>> {
    read.into_iter().collect()
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
