//! Whatever is written is read; whatever is broken is refused; nothing panics.

use std::fmt::Write as _;

use base64::prelude::*;
use callotp::directory::{Match, PasswordCheck};
use proptest::prelude::*;

use super::{File, check, schema, who_has, who_is};

/// A person as a file can hold one.
#[derive(Clone, Debug)]
struct Person {
    name: String,
    id: String,
    number: u32,
    password: String,
}

fn people() -> impl Strategy<Value = Vec<Person>> {
    let person = (
        "[a-zåäö. -]{1,12}",
        "[a-f0-9-]{4,12}",
        0..100_000_u32,
        "[^\0{]{1,12}",
    );
    let person = person.prop_map(|(name, id, number, password)| Person {
        name,
        id,
        number,
        password,
    });
    prop::collection::vec(person, 0..12).prop_map(|mut people: Vec<Person>| {
        for (at, person) in people.iter_mut().enumerate() {
            // Names and ids are each one's own, and so are some of the numbers.
            person.name = format!("{at}{}", person.name.trim());
            person.id = format!("{at}x{}", person.id);
        }
        people
    })
}

/// How the same thing can be written, by the bits of a number.
fn attribute(file: &mut String, name: &str, value: &str, style: u32) {
    let is_safe = !value.is_empty()
        && value.trim() == value
        && !value.starts_with([':', '<'])
        && !value.contains(char::is_control);
    let name = match style & 1 {
        0 => name.to_owned(),
        _ => name.to_uppercase(),
    };
    let line = match is_safe && style & 2 == 0 {
        true => format!("{name}: {value}"),
        false => format!("{name}:: {}", BASE64_STANDARD.encode(value)),
    };
    let end = if style & 4 == 0 { "\n" } else { "\r\n" };
    for (at, c) in line.chars().enumerate() {
        if style & 8 != 0 && at > 0 && at % 5 == 0 {
            write!(file, "{end} ").expect("memory");
        }
        file.push(c);
    }
    file.push_str(end);
    if style & 16 != 0 {
        write!(file, "# a comment{end}  that goes on{end}").expect("memory");
    }
}

fn number(index: u32) -> String {
    format!("+4670{:07}", index)
}

fn write(people: &[Person], styles: &[u32]) -> String {
    let mut styles = styles.iter().cycle().copied();
    let mut style = || styles.next().unwrap_or_default();
    let mut file = String::new();
    for person in people {
        let dn = format!("entryUUID={},dc=example,dc=org", person.id);
        attribute(&mut file, "dn", &dn, style());
        attribute(&mut file, "objectClass", "person", style());
        attribute(&mut file, "uid", &person.name, style());
        attribute(&mut file, "entryUUID", &person.id, style());
        attribute(&mut file, "mobile", &number(person.number), style());
        attribute(&mut file, "userPassword", &person.password, style());
        file.push('\n');
    }
    file
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_written_is_read(people in people(), styles in prop::collection::vec(0..32_u32, 1..8)) {
        let directory = File::with(write(&people, &styles)).open();
        prop_assert_eq!(directory.people(), people.len());
        for person in &people {
            let user = who_is(&directory, &person.name.to_uppercase());
            // Some letters have no way back from upper case.
            let user = user.or_else(|| who_is(&directory, &person.name)).expect("a user");
            prop_assert_eq!((&*user.name, &*user.id), (person.name.as_str(), person.id.as_str()));
            let holders = people.iter().filter(|other| other.number == person.number).count();
            let expected = if holders == 1 { Match::One(user.clone()) } else { Match::Several };
            prop_assert_eq!(who_has(&directory, &number(person.number)), Some(expected));
            prop_assert_eq!(check(&directory, Some(&user), &person.password), PasswordCheck::Right);
        }
    }

    #[test]
    fn a_broken_line_is_refused_by_its_number(people in people(), at in any::<prop::sample::Index>()) {
        prop_assume!(!people.is_empty());
        let mut lines: Vec<String> = write(&people, &[0]).lines().map(str::to_owned).collect();
        let at = at.index(lines.len());
        lines[at].insert(0, '?');
        let (line, _) = File::with(lines.join("\n")).refusal();
        prop_assert_eq!(line, at as u64 + 1);
    }

    #[test]
    fn no_file_makes_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "(dn|uid|mobile|version|changetype|#| |:|\n|\r\n|=|,|<|a|1|é){0,60}",
    ) {
        for content in [bytes, text.into_bytes()] {
            let _ = File::with(content).open_with(&schema());
        }
    }
}
