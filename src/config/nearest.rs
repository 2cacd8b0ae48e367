//! What somebody probably meant.

use super::catalogue;

/// Why `name` cannot stand in the table at `path`, and what could.
pub(super) fn unknown_key(path: &str, name: &str) -> String {
    let known = catalogue::names(path);
    let table = match path {
        "" => "at the top".to_owned(),
        path => format!("in `{path}`"),
    };
    if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
        return format!("there is no such key {table} (did you mean `{near}`?)");
    }
    if let Some(key) = catalogue::all().find(|key| key.name() == name) {
        return match key.table() {
            "" => format!("there is no such key {table} (it belongs at the top)"),
            home => format!("there is no such key {table} (it belongs in `{home}`)"),
        };
    }
    format!(
        "there is no such key {table} (known are {})",
        known.join(", ")
    )
}

/// "; did you mean ...?" if one of `words` is near to `written`.
pub(super) fn hint<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, words).map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

/// The word that differs least from `written`, if it is the same but for a third of its letters.
pub(super) fn nearest<'a>(
    written: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Names are shorter; comparing takes the product of both lengths.
    const LONGEST: usize = 256;
    if written.len() > LONGEST {
        return None;
    }
    let folded = |text: &str| text.to_lowercase().replace('-', "_");
    let written = folded(written);
    words
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&written, &folded(word)), word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
