//! The nearest known name for an unknown one.

/// The known name that `unknown` was most likely meant to be.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min()
        .map(|(_, name)| name)
}

/// A deserialiser's message, with the nearest known name where it complains of an unknown one.
///
/// serde writes ``unknown field `x`, expected one of `a`, `b` `` and the same for variants.
pub(crate) fn explained(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return message.to_owned();
    }
    let nearest = names.next().and_then(|unknown| nearest(unknown, names));
    match nearest {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_its_nearest() {
        let message = "unknown field `peple`, expected one of `auth`, `otp`, `people`";
        assert!(explained(message).ends_with("did you mean `people`?"));
        assert_eq!(explained("a comma is missing"), "a comma is missing");
    }
}
