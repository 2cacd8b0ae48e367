//! One entry of a search result, and what of it makes a user.

use ldap3::{ResultEntry, asn1::PL};

use crate::{directory::Schema, user::User};

/// An entry as it came. Attribute names compare without case (RFC 4512 §1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dn: Box<str>,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Takes over a search result entry; `None` for references and intermediate messages.
    pub(super) fn read(result: ResultEntry) -> Option<Self> {
        const SEARCH_RESULT_ENTRY: u64 = 4;
        if result.0.id != SEARCH_RESULT_ENTRY {
            return None;
        }
        let mut parts = result.0.expect_constructed()?.into_iter();
        let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
        let attributes = parts.next()?.expect_constructed()?.into_iter();
        Some(Self {
            dn: dn.into(),
            attributes: attributes
                .map(|attribute| {
                    let mut parts = attribute.expect_constructed()?.into_iter();
                    let name = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
                    let values = parts.next()?.expect_constructed()?.into_iter();
                    let values = values.filter_map(|value| match value.payload {
                        PL::P(value) => Some(value),
                        PL::C(_) => None,
                    });
                    Some((name, values.collect()))
                })
                .collect::<Option<_>>()?,
        })
    }

    /// An attribute's values, in the server's order. Options (`mobile;lang-sv`) and
    /// ranges are other descriptions of the same attribute and are included.
    pub(super) fn values<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.attributes
            .iter()
            .filter(move |(name, _)| {
                let name = name.split(';').next().unwrap_or(name);
                name.eq_ignore_ascii_case(attribute)
            })
            .flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// An attribute's values that are text.
    pub(super) fn texts<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.values(attribute)
            .filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// All texts of the phone attributes.
    pub(super) fn numbers<'a>(&'a self, schema: &'a Schema) -> impl Iterator<Item = &'a str> + 'a {
        schema
            .phone_attributes
            .iter()
            .flat_map(|attribute| self.texts(attribute))
    }

    /// The user whom the entry stands for, or the attribute it lacks. Of several names the
    /// one that was asked for is the user's.
    pub(super) fn user(&self, schema: &Schema, asked: Option<&str>) -> Result<User, String> {
        let missing = |attribute: &str| format!("{} has no readable {attribute}", self.dn);
        let id = self
            .id(schema)
            .ok_or_else(|| missing(&schema.user_id_attribute))?;
        let names = || self.texts(&schema.username_attribute);
        let name = names()
            .find(|name| asked.is_some_and(|asked| asked.to_lowercase() == name.to_lowercase()))
            .or_else(|| names().next())
            .ok_or_else(|| missing(&schema.username_attribute))?;
        Ok(User {
            id,
            name: name.into(),
            dn: self.dn.clone(),
        })
    }

    /// The unchanging id as text.
    pub(super) fn id(&self, schema: &Schema) -> Option<Box<str>> {
        let attribute = &schema.user_id_attribute;
        let raw = self.values(attribute).next()?;
        Some(match <[u8; 16]>::try_from(raw) {
            Ok(guid) if attribute.eq_ignore_ascii_case("objectGUID") => guid_text(guid),
            _ => match std::str::from_utf8(raw) {
                Ok(text) if attribute.eq_ignore_ascii_case("entryUUID") => {
                    text.to_ascii_lowercase().into()
                }
                Ok(text) => text.into(),
                Err(_) => raw.iter().map(|byte| format!("{byte:02x}")).collect(),
            },
        })
    }
}

/// A GUID as Microsoft writes it: the first three fields are little-endian (MS-DTYP §2.3.4).
fn guid_text(guid: [u8; 16]) -> Box<str> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (place, index) in ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", guid[index]));
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema {
            base: "dc=example".into(),
            user_filter: "(objectClass=person)".into(),
            username_attribute: "uid".into(),
            user_id_attribute: "objectGUID".into(),
            phone_attributes: vec!["mobile".into()],
        }
    }

    fn entry(attributes: &[(&str, &[&[u8]])]) -> Entry {
        Entry {
            dn: "uid=a,dc=example".into(),
            attributes: attributes
                .iter()
                .map(|(name, values)| {
                    (
                        (*name).to_owned(),
                        values.iter().map(|v| v.to_vec()).collect(),
                    )
                })
                .collect(),
        }
    }

    #[test]
    fn a_guid_reads_as_microsoft_writes_it() {
        let guid: [u8; 16] = std::array::from_fn(|n| n as u8);
        assert_eq!(&*guid_text(guid), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }

    #[test]
    fn of_several_names_the_one_asked_for_is_the_users() {
        let guid = [0x41_u8; 16];
        let entry = entry(&[("UID", &[b"first", b"Anna"]), ("objectguid", &[&guid])]);
        let name = |asked| entry.user(&schema(), asked).map(|user| user.name);
        assert_eq!(name(Some("ANNA")), Ok("Anna".into()));
        assert_eq!(name(Some("other")), Ok("first".into()));
        assert_eq!(name(None), Ok("first".into()));
    }

    #[test]
    fn an_entry_without_id_or_name_is_no_user_and_says_why() {
        let without_id = entry(&[("uid", &[b"a"])]);
        assert_eq!(
            without_id.user(&schema(), None),
            Err("uid=a,dc=example has no readable objectGUID".into())
        );
        let without_name = entry(&[("objectGUID", &[&[1; 16]])]);
        assert_eq!(
            without_name.user(&schema(), None),
            Err("uid=a,dc=example has no readable uid".into())
        );
    }

    #[test]
    fn attribute_options_are_the_same_attribute() {
        let entry = entry(&[("mobile;lang-sv", &[b"1"]), ("mobile", &[b"2"])]);
        assert_eq!(entry.numbers(&schema()).collect::<Vec<_>>(), ["1", "2"]);
    }
}
