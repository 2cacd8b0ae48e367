//! The schema's words as parts of filters, read once.

use super::LdapSetupError;
use crate::directory::{
    Schema,
    filter::{Attribute, Filter},
};

/// What filters are made of, besides what is asked for.
pub(super) struct Terms {
    pub(super) user_filter: Filter,
    pub(super) username: Attribute,
    pub(super) user_id: Attribute,
    pub(super) phones: Vec<Attribute>,
}

impl TryFrom<&Schema> for Terms {
    type Error = LdapSetupError;

    fn try_from(schema: &Schema) -> Result<Self, LdapSetupError> {
        Ok(Self {
            user_filter: Filter::parse(&schema.user_filter)?,
            username: Attribute::new(&schema.username_attribute)?,
            user_id: Attribute::new(&schema.user_id_attribute)?,
            phones: schema
                .phone_attributes
                .iter()
                .map(|name| Attribute::new(name))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The attribute with a fixed name of our own.
pub(super) fn known(name: &'static str) -> Attribute {
    Attribute::new(name).expect("a name from this program's own text")
}
