//! The catalogue as a page for people: the greater part of `docs/configuration.md`.

use super::{
    catalogue::{self, Absent, Form, Key},
    problem::any_of,
    unit,
};

/// Every key with what is written for it, its default, its meaning and the reason, in Markdown.
pub fn reference() -> String {
    let tables = catalogue::all().filter(|key| key.form.is_table());
    tables.map(section).collect::<Vec<_>>().join("\n")
}

fn section(table: &Key) -> String {
    let brackets = match table.form {
        Form::Tables => format!("[[{}]]", table.path),
        _ => format!("[{}]", table.path),
    };
    let mut page = format!("## `{brackets}`\n\n{} {}\n", table.meaning, absence(table));
    let keys: Vec<&Key> = catalogue::in_table(table.path)
        .filter(|key| !key.form.is_table())
        .collect();
    if !keys.is_empty() {
        page.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    }
    for key in keys {
        page.push_str(&row(key));
    }
    page
}

fn absence(table: &Key) -> String {
    match table.absent {
        Absent::Means(what) => format!("Absent: {what}."),
        Absent::Refused => "Required.".to_owned(),
        Absent::Is(_) => String::new(),
    }
}

fn row(key: &Key) -> String {
    let name = match key.form.is_secret() {
        true => format!("`{0}` or `{0}_file`", key.name()),
        false => format!("`{}`", key.name()),
    };
    let default = match key.absent {
        Absent::Is(toml) => format!("`{toml}`"),
        Absent::Means(what) => what.to_owned(),
        Absent::Refused => "required".to_owned(),
    };
    let only = key.only.map_or_else(String::new, |(by, word)| {
        format!(" Only with `{by} = \"{word}\"`.")
    });
    let why = match key.why {
        "" => String::new(),
        why => format!(" *{why}*"),
    };
    let cells = [
        name,
        value(&key.form),
        default,
        format!("{}{only}{why}", key.meaning),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

fn value(form: &Form) -> String {
    let quoted = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
        any_of(words.iter().map(String::as_str))
    };
    match form {
        Form::Text => "text".to_owned(),
        Form::Secret => "secret".to_owned(),
        Form::Flag => "`true` or `false`".to_owned(),
        Form::Whole(from, to, because) => format!("number, {from} to {to} ({because})"),
        Form::Duration(from, to, because) => {
            let [from, to] = [*from, *to].map(unit::duration_text);
            format!("duration, {from} to {to} ({because})")
        }
        Form::Size(from, to, because) => {
            let [from, to] = [*from, *to].map(unit::size_text);
            format!("size, {from} to {to} ({because})")
        }
        Form::Address => "address and port".to_owned(),
        Form::AddressOrOff => "address and port, or `\"off\"`".to_owned(),
        Form::Word(words) => quoted(words),
        Form::Words(words) => format!("list of {}", quoted(words)),
        Form::Texts => "text, or list of texts".to_owned(),
        Form::SecretUrls => "secret URL, or list of them".to_owned(),
        Form::Networks => "list of address ranges".to_owned(),
        Form::Path => "file".to_owned(),
        Form::Paths => "file, or list of files".to_owned(),
        Form::Table | Form::Tables => "table".to_owned(),
    }
}
