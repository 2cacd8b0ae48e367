//! Which users cannot be served by their number, and why: to be read before going live.

use std::{
    collections::HashMap,
    io::{self, Write},
    sync::Arc,
};

use serde::Serialize;

use crate::{
    clock::Clock,
    config::{DirectorySource, TenantConfig},
    directory::{
        Listed, Written,
        ldap::listing::{ListingError, Reports},
        ldif::{LdifError, listing},
    },
    phone_number::{NumberPlan, PhoneNumber},
};

/// How it stands with a tenant's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Users in the directory.
    pub users: usize,
    /// Those of them that a call can find.
    pub served: usize,
    /// What is wrong, by user in the directory's order.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub problem: Kind,
    /// The user's name; empty if there is none.
    pub user: String,
    /// The user's entry.
    pub dn: String,
    /// The attribute it is in; empty if in none.
    pub attribute: String,
    /// What stands there.
    pub value: String,
    /// The other users it concerns, by name or entry.
    pub others: Vec<String>,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The user has no name to log in with.
    NoName,
    /// The user has no number.
    NoNumber,
    /// What stands there is no telephone number.
    Unreadable,
    /// Another user has the same number: neither is served by it.
    Ambiguous,
    /// All of the user's numbers are in attributes that the directory has no index of.
    Unindexed,
}

impl Kind {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoName => "no-name",
            Self::NoNumber => "no-number",
            Self::Unreadable => "unreadable",
            Self::Ambiguous => "ambiguous",
            Self::Unindexed => "unindexed",
        }
    }
}

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The LDIF file cannot be used.
    #[error(transparent)]
    Ldif(#[from] LdifError),
    /// The LDAP directory cannot.
    #[error(transparent)]
    Ldap(#[from] ListingError),
}

/// Reads all users of a tenant. `progress` hears now and then how many have been read.
pub async fn report(
    tenant: &TenantConfig,
    clock: Arc<dyn Clock>,
    progress: &mut dyn FnMut(usize),
) -> Result<Report, ReportError> {
    let schema = &tenant.directory.schema;
    let mut people = Vec::new();
    let mut take = |listed: Listed| {
        people.push(listed);
        if people.len() % 1000 == 0 {
            progress(people.len());
        }
    };
    let unindexed = match &tenant.directory.source {
        DirectorySource::Ldif { path } => {
            listing::list(path, schema, &tenant.phone, &mut take)?;
            Vec::new()
        }
        DirectorySource::Ldap(config, _) => {
            let plan = Arc::clone(&tenant.phone);
            let reports = Reports::on(config.clone(), schema.clone(), plan, clock);
            reports.map_err(ListingError::from)?.list(&mut take).await?
        }
    };
    progress(people.len());
    Ok(of(&people, &tenant.phone, &unindexed))
}

/// What is wrong with `people`, if the directory has no index of the attributes `unindexed`.
pub fn of(people: &[Listed], plan: &NumberPlan, unindexed: &[Box<str>]) -> Report {
    let read: Vec<Vec<Option<PhoneNumber>>> = people
        .iter()
        .map(|one| {
            one.numbers
                .iter()
                .map(|w| plan.read(&w.text).ok())
                .collect()
        })
        .collect();
    let mut owners: HashMap<&PhoneNumber, Vec<usize>> = HashMap::new();
    for (place, numbers) in read.iter().enumerate() {
        for number in numbers.iter().flatten() {
            let owners = owners.entry(number).or_default();
            if owners.last() != Some(&place) {
                owners.push(place);
            }
        }
    }
    let mut report = Report {
        users: people.len(),
        ..Report::default()
    };
    for (place, (one, numbers)) in people.iter().zip(&read).enumerate() {
        let mut found_by = Vec::new();
        let mut problem = |kind, written: Option<&Written>, others: Vec<String>| {
            report.problems.push(Problem {
                problem: kind,
                user: one.name.as_deref().unwrap_or_default().to_owned(),
                dn: one.dn.to_string(),
                attribute: written.map_or_else(String::new, |w| w.attribute.to_string()),
                value: written.map_or_else(String::new, |w| w.text.to_string()),
                others,
            });
        };
        if one.name.is_none() {
            problem(Kind::NoName, None, Vec::new());
        }
        if one.numbers.is_empty() {
            problem(Kind::NoNumber, None, Vec::new());
        }
        for (written, number) in one.numbers.iter().zip(numbers) {
            let Some(number) = number else {
                problem(Kind::Unreadable, Some(written), Vec::new());
                continue;
            };
            match owners.get(number).map(Vec::as_slice) {
                Some([_, _, ..]) => {
                    let others = owners[number].iter().filter(|other| **other != place);
                    let others = others.map(|other| name_of(&people[*other])).collect();
                    problem(Kind::Ambiguous, Some(written), others);
                }
                _ => found_by.push(&written.attribute),
            }
        }
        if let Some(first) = found_by.first()
            && found_by
                .iter()
                .all(|attribute| unindexed.contains(attribute))
        {
            let written = one.numbers.iter().find(|w| w.attribute == **first);
            problem(Kind::Unindexed, written, Vec::new());
        }
        report.served += usize::from(one.name.is_some() && !found_by.is_empty());
    }
    report
}

fn name_of(one: &Listed) -> String {
    one.name.as_deref().unwrap_or(&one.dn).to_owned()
}

impl Report {
    /// As CSV (RFC 4180): a line of names, then one line for each problem. `others` are
    /// separated by spaces.
    pub fn write_csv(&self, to: &mut dyn Write) -> io::Result<()> {
        to.write_all(b"problem,user,dn,attribute,value,others\r\n")?;
        for problem in &self.problems {
            let others = problem.others.join(" ");
            let fields = [
                problem.problem.as_str(),
                &problem.user,
                &problem.dn,
                &problem.attribute,
                &problem.value,
                &others,
            ];
            write!(to, "{}\r\n", fields.map(csv_field).join(","))?;
        }
        Ok(())
    }

    /// As one JSON object.
    pub fn write_json(&self, to: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *to, self)?;
        to.write_all(b"\n")
    }
}

/// In quotes where RFC 4180 asks for them. What a spreadsheet would take for a formula is
/// the directory's text and no formula: it gets an apostrophe in front, except where a plus
/// sign begins a telephone number.
fn csv_field(text: &str) -> String {
    let is_number = text.strip_prefix('+').is_some_and(|rest| {
        rest.chars()
            .all(|c| c.is_ascii_digit() || " ()-./".contains(c))
    });
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone_number::Matching;

    fn listed(name: &str, numbers: &[(&str, &str)]) -> Listed {
        Listed {
            name: Some(name).filter(|name| !name.is_empty()).map(Into::into),
            dn: format!("uid={name}").into(),
            numbers: numbers
                .iter()
                .map(|(attribute, text)| Written {
                    attribute: (*attribute).into(),
                    text: (*text).into(),
                })
                .collect(),
        }
    }

    #[test]
    fn each_user_who_cannot_be_served_is_named_with_the_reason() {
        let people = [
            listed(
                "anna",
                &[("mobile", "+46701740605"), ("mobile", "0701740605")],
            ),
            listed("none", &[]),
            listed("word", &[("mobile", "ask at the desk")]),
            listed(
                "twin1",
                &[
                    ("mobile", "+46701740606"),
                    ("telephoneNumber", "0701740607"),
                ],
            ),
            listed("twin2", &[("mobile", "070-174 06 06")]),
            listed("slow", &[("homePhone", "+46701740608")]),
            listed("", &[("mobile", "+46701740609")]),
        ];
        let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
        let report = of(&people, &plan, &["homePhone".into()]);
        let mut csv = Vec::new();
        report.write_csv(&mut csv).expect("memory");
        let expected = "problem,user,dn,attribute,value,others\r\n\
             no-number,none,uid=none,,,\r\n\
             unreadable,word,uid=word,mobile,ask at the desk,\r\n\
             ambiguous,twin1,uid=twin1,mobile,+46701740606,twin2\r\n\
             ambiguous,twin2,uid=twin2,mobile,070-174 06 06,twin1\r\n\
             unindexed,slow,uid=slow,homePhone,+46701740608,\r\n\
             no-name,,uid=,,,\r\n";
        assert_eq!(String::from_utf8(csv).expect("text"), expected);
        assert_eq!((report.users, report.served), (7, 3));
    }

    #[test]
    fn a_field_is_neither_torn_nor_a_formula() {
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_field("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(csv_field("+1+cmd|' /C calc'!A0"), "'+1+cmd|' /C calc'!A0");
        assert_eq!(csv_field("+46 70-174 06 05"), "+46 70-174 06 05");
    }
}
