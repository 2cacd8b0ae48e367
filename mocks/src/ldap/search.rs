//! Which entries a search finds, and how much of each it shows.

use std::sync::Arc;

use ldap3_proto::{
    LdapPartialAttribute, LdapResultCode, LdapSearchResultEntry, proto::LdapSearchScope,
};

use super::{
    Flavour,
    dn::Dn,
    entry::{Attribute, Entry},
    filter::{Truth, candidates},
    published, schema,
    shared::Settings,
    tree::Tree,
    wire::Search,
};

/// Why a search has no entries to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nowhere {
    /// The result.
    pub(super) code: LdapResultCode,
    /// The nearest entry above the base that does exist.
    pub(super) matched: String,
}

/// The entries found, in the order they were added.
pub(super) fn find(
    tree: &Tree,
    settings: &Settings,
    search: &Search,
    deleted_too: bool,
) -> Result<Vec<Arc<Entry>>, Nowhere> {
    let base = Dn::parse(&search.base).map_err(|_| Nowhere {
        code: LdapResultCode::InvalidDNSyntax,
        matched: String::new(),
    })?;
    if base.is_root() && search.scope == LdapSearchScope::Base {
        let root = settings.flavour.root_dse(tree, &settings.suffix);
        let found = search.filter.holds(&root, tree) == Truth::True;
        return Ok(found.then(|| Arc::new(root)).into_iter().collect());
    }
    let Some(start) = tree.named(&base) else {
        return Err(Nowhere {
            code: LdapResultCode::NoSuchObject,
            matched: above(tree, &base),
        });
    };
    // A naming context of its own is reached only from within.
    let apart = tree.apart().filter(|apart| !base.is_within(apart));
    let fits = |entry: &Entry| {
        (deleted_too || !entry.is_deleted())
            && apart
                .as_ref()
                .is_none_or(|apart| !entry.dn.is_within(apart))
            && in_scope(&entry.dn, &base, &search.scope)
            && search.filter.holds(entry, tree) == Truth::True
    };
    if search.scope == LdapSearchScope::Base && tree.top() == Some(&base) {
        let top = with_context(tree, start);
        return Ok(Some(top).filter(|entry| fits(entry)).into_iter().collect());
    }
    if search.scope == LdapSearchScope::Base {
        return Ok(Some(start)
            .filter(|entry| fits(entry))
            .cloned()
            .into_iter()
            .collect());
    }
    Ok(match candidates(&search.filter, tree) {
        Some(places) => places
            .iter()
            .filter_map(|&place| tree.at(place))
            .filter(|e| fits(e))
            .cloned()
            .collect(),
        None => tree
            .entries()
            .filter(|entry| fits(entry))
            .cloned()
            .collect(),
    })
}

/// The entry at the top says what the latest change was.
fn with_context(tree: &Tree, top: &Arc<Entry>) -> Arc<Entry> {
    if tree.flavour() != Flavour::OpenLdap {
        return top.clone();
    }
    let mut top = Entry::clone(top);
    top.set(tree.flavour(), "contextCSN", true, [tree.latest_csn()]);
    Arc::new(top)
}

fn in_scope(dn: &Dn, base: &Dn, scope: &LdapSearchScope) -> bool {
    match scope {
        LdapSearchScope::Base => dn == base,
        LdapSearchScope::OneLevel => dn.is_child_of(base),
        LdapSearchScope::Subtree => dn.is_within(base),
        LdapSearchScope::Children => dn != base && dn.is_within(base),
    }
}

fn above(tree: &Tree, missing: &Dn) -> String {
    let mut above = missing.parent();
    while let Some(dn) = above {
        if let Some(entry) = tree.named(&dn) {
            return entry.name.clone();
        }
        above = dn.parent();
    }
    String::new()
}

/// What of an entry is shown (RFC 4511 §4.5.1.8, RFC 3673).
#[derive(Debug)]
pub(super) struct Selection {
    types_only: bool,
    user: bool,
    operational: bool,
    named: Vec<String>,
}

impl Selection {
    /// What `search` asks for.
    pub(super) fn of(search: &Search) -> Self {
        let asked = |sign: &str| search.attributes.iter().any(|attribute| attribute == sign);
        let named = search
            .attributes
            .iter()
            .filter(|name| !matches!(name.as_str(), "*" | "+" | "1.1"));
        Self {
            types_only: search.types_only,
            user: search.attributes.is_empty() || asked("*"),
            operational: asked("+"),
            named: named.map(|name| schema::key(name)).collect(),
        }
    }

    /// The entry as it goes over the wire.
    pub(super) fn show(&self, entry: &Entry) -> LdapSearchResultEntry {
        let shown = entry
            .attributes
            .iter()
            .filter(|attribute| self.selects(attribute));
        let attributes = shown.map(|attribute| LdapPartialAttribute {
            atype: attribute.name.clone(),
            vals: if self.types_only {
                Vec::new()
            } else {
                attribute
                    .values
                    .iter()
                    .map(|value| value.shown.clone())
                    .collect()
            },
        });
        LdapSearchResultEntry {
            dn: entry.name.clone(),
            attributes: attributes.collect(),
        }
    }

    fn selects(&self, attribute: &Attribute) -> bool {
        let by_kind = if attribute.operational {
            self.operational
        } else {
            self.user
        };
        by_kind || self.named.contains(&attribute.key)
    }
}

/// Somebody else's entry that looks like this one: another name, another id, the same numbers.
pub(super) fn second(entry: &LdapSearchResultEntry) -> LdapSearchResultEntry {
    let mut second = entry.clone();
    if let Some((kind, rest)) = entry.dn.split_once('=') {
        second.dn = format!("{kind}=second {rest}");
    }
    for attribute in &mut second.attributes {
        let key = schema::key(&attribute.atype);
        for value in &mut attribute.vals {
            match key.as_str() {
                "uid" | "samaccountname" | "userprincipalname" => {
                    value.splice(..0, b"second-".iter().copied());
                }
                // Another last digit, or another last byte.
                "entryuuid" | "objectguid" => {
                    if let Some(last) = value.last_mut() {
                        *last = if *last == b'0' { b'1' } else { b'0' };
                    }
                }
                _ => {}
            }
        }
    }
    second
}

/// Where the rest of a domain is said to be.
pub(super) fn elsewhere(suffix: &str) -> String {
    format!(
        "ldap://{}/{}",
        super::flavour::domain(suffix),
        published::configuration(suffix)
    )
}
