//! All people of a file, one after the other, for reports.

use std::{fs::File, io::BufReader, path::Path};

use super::{
    LdifError,
    load::WithSuperiors,
    reader::{Entry, Reader},
    rules,
};
use crate::{
    directory::{Listed, Schema, Written, dn},
    phone_number::NumberPlan,
};

/// Shows `visit` everybody who matches the user filter, with or without name and number.
pub fn list(
    path: &Path,
    schema: &Schema,
    numbers: &NumberPlan,
    visit: &mut dyn FnMut(Listed),
) -> Result<(), LdifError> {
    let rules = rules(schema, numbers)?;
    let file = File::open(path).map_err(|error| LdifError::Read {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut reader = Reader::new(BufReader::new(file));
    let mut entry = Entry::default();
    let wrong_line = |error: super::LineError| LdifError::Line {
        path: path.to_owned(),
        line: error.line,
        problem: error.problem.to_string(),
    };
    while reader.read(&mut entry).map_err(wrong_line)? {
        let within = dn::normalised(entry.dn()).is_some_and(|dn| dn::is_within(&dn, &rules.base));
        if within && rules.filter.matches(&WithSuperiors(&entry)) {
            visit(listed(&entry, schema));
        }
    }
    Ok(())
}

fn listed(entry: &Entry, schema: &Schema) -> Listed {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned().into_boxed_str();
    let numbers = schema.phone_attributes.iter().flat_map(|attribute| {
        entry.values(attribute).map(move |(value, _)| Written {
            attribute: attribute.clone(),
            text: text(value),
        })
    });
    Listed {
        name: entry
            .values(&schema.username_attribute)
            .next()
            .map(|(value, _)| text(value)),
        dn: entry.dn().into(),
        numbers: numbers.collect(),
    }
}
