//! One entry of the directory.

use super::{Flavour, account::Account, dn::Dn, schema};

/// An entry as it stands; a change makes a new one.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The name as it is written.
    pub(super) name: String,
    /// The name as it is compared.
    pub(super) dn: Dn,
    /// The attributes, in the order they are shown.
    pub(super) attributes: Vec<Attribute>,
    /// Present if somebody can bind as this entry.
    pub(super) account: Option<Account>,
}

/// One attribute of an entry.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// As it is written.
    pub(super) name: String,
    /// As it is looked up, see [`schema::key`].
    pub(super) key: String,
    /// Shown only to those who ask for it.
    pub(super) operational: bool,
    /// The values.
    pub(super) values: Vec<Value>,
}

/// One value, as it is shown and as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// As it is shown.
    pub(super) shown: Vec<u8>,
    /// As it is compared; `None` if it is not of the attribute's syntax.
    pub(super) normal: Option<Vec<u8>>,
}

impl Entry {
    /// An entry without attributes.
    pub(super) fn new(name: String, dn: Dn) -> Self {
        Self {
            name,
            dn,
            attributes: Vec::new(),
            account: None,
        }
    }

    /// The attribute with this key.
    pub(super) fn attribute(&self, key: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key == key)
    }

    /// True for what is left of an entry that was deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.attribute("isdeleted").is_some()
    }

    /// Replaces an attribute's values; without values the attribute goes.
    pub(super) fn set<V: Into<Vec<u8>>>(
        &mut self,
        flavour: Flavour,
        name: &str,
        operational: bool,
        values: impl IntoIterator<Item = V>,
    ) {
        let key = schema::key(name);
        let syntax = schema::syntax(flavour, &key);
        let values: Vec<Value> = values
            .into_iter()
            .map(|value| {
                let shown = value.into();
                let normal = syntax.normal(&shown);
                Value { shown, normal }
            })
            .collect();
        let place = self
            .attributes
            .iter()
            .position(|attribute| attribute.key == key);
        match (place, values.is_empty()) {
            (Some(at), true) => drop(self.attributes.remove(at)),
            (Some(at), false) => self.attributes[at].values = values,
            (None, true) => {}
            (None, false) => {
                let name = name.to_owned();
                self.attributes.push(Attribute {
                    name,
                    key,
                    operational,
                    values,
                });
            }
        }
    }

    /// Adds a value to an attribute, or the attribute itself.
    pub(super) fn push(&mut self, flavour: Flavour, name: &str, value: Vec<u8>) {
        let key = schema::key(name);
        let normal = schema::syntax(flavour, &key).normal(&value);
        let value = Value {
            shown: value,
            normal,
        };
        match self
            .attributes
            .iter_mut()
            .find(|attribute| attribute.key == key)
        {
            Some(attribute) => attribute.values.push(value),
            None => self.attributes.push(Attribute {
                name: name.to_owned(),
                operational: is_operational(flavour, &key),
                key,
                values: vec![value],
            }),
        }
    }
}

/// Whether an attribute that was loaded is shown only to those who ask for it. Active
/// Directory shows nearly everything.
fn is_operational(flavour: Flavour, key: &str) -> bool {
    flavour == Flavour::OpenLdap
        && matches!(
            key,
            "entryuuid"
                | "entrycsn"
                | "entrydn"
                | "createtimestamp"
                | "modifytimestamp"
                | "creatorsname"
                | "modifiersname"
                | "structuralobjectclass"
                | "contextcsn"
                | "memberof"
                | "pwdaccountlockedtime"
                | "pwdchangedtime"
                | "pwdreset"
                | "pwdfailuretime"
                | "subschemasubentry"
                | "hassubordinates"
        )
}
