//! Telephone numbers as the mock compares them: Sweden's way of writing them, so
//! that one number is found in every spelling a phone system may deliver.

/// A calling number after normalising: `+` and digits where that can be told,
/// otherwise the digits as they came (an extension).
///
/// ```
/// use callotp_mock::number::normalise;
/// assert_eq!(normalise("070-174 06 05").as_deref(), Some("+46701740605"));
/// assert_eq!(normalise("sip:+46701740605@trunk;user=phone").as_deref(), Some("+46701740605"));
/// assert_eq!(normalise("anonymous"), None);
/// ```
pub fn normalise(text: &str) -> Option<String> {
    let text = user_part(text.trim());
    // The trunk zero that people print for domestic readers: +46 (0)70 ...
    let text = match text.starts_with('+') || text.starts_with('＋') || text.starts_with("00") {
        true => text.replacen("(0)", "", 1),
        false => text.to_owned(),
    };
    let mut digits = String::with_capacity(text.len());
    let mut plus = false;
    for character in text.chars() {
        match character {
            '+' | '＋' if digits.is_empty() && !plus => plus = true,
            '0'..='9' => digits.push(character),
            '０'..='９' => digits.push(narrow(character)),
            _ if is_separator(character) => {}
            _ => return None,
        }
    }
    if digits.is_empty() {
        return None;
    }
    Some(international(&digits, plus))
}

fn international(digits: &str, plus: bool) -> String {
    if plus {
        return format!("+{digits}");
    }
    if let Some(rest) = digits.strip_prefix("00").filter(|rest| rest.len() > 4) {
        return format!("+{rest}");
    }
    if let Some(rest) = digits.strip_prefix('0').filter(|rest| rest.len() > 4) {
        return format!("+46{rest}");
    }
    // E.164 without its plus, as many trunks deliver it.
    if digits.starts_with("46") && digits.len() >= 10 {
        return format!("+{digits}");
    }
    digits.to_owned()
}

/// What is left of `sip:user@host;parameters` and `tel:number;parameters`.
fn user_part(text: &str) -> &str {
    let mut rest = text;
    if let (Some(start), Some(end)) = (rest.find('<'), rest.rfind('>'))
        && start < end
    {
        rest = &rest[start + 1..end];
    }
    for scheme in ["sips:", "sip:", "tel:"] {
        if rest
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        {
            let user = &rest[scheme.len()..];
            let user = user.split(['@', ';', '?']).next().unwrap_or(user);
            return user;
        }
    }
    rest.split(";ext=").next().unwrap_or(rest)
}

fn narrow(wide: char) -> char {
    char::from_u32(u32::from(wide) - u32::from('０') + u32::from('0')).unwrap_or('0')
}

fn is_separator(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '-' | '.' | '/' | '(' | ')' | '\u{2010}'
                ..='\u{2015}' | '\u{2212}' | '\u{ad}' | '\u{200b}'
        )
}

/// A number with all but its ends covered, for pages that are passed on.
pub(crate) fn masked(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let digits = characters.iter().filter(|c| c.is_ascii_digit()).count();
    if digits < 5 {
        return text.to_owned();
    }
    let keep = if characters.first() == Some(&'+') {
        5
    } else {
        3
    };
    let covered = characters.len().saturating_sub(keep + 2);
    let end: String = characters[characters.len().saturating_sub(2)..]
        .iter()
        .collect();
    let start: String = characters
        .iter()
        .take(keep.min(characters.len() - 2))
        .collect();
    format!("{start}{}{end}", "•".repeat(covered))
}

/// The last two digits of a number that Sweden keeps for fiction, 070-174 06 05 to 99.
pub(crate) fn fiction(normalised: &str) -> Option<u8> {
    let end = normalised.strip_prefix("+467017406")?;
    (end.len() == 2).then(|| end.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_number_is_found_in_every_spelling() {
        for spelling in [
            "+46701740605",
            "+46 70-174 06 05",
            "0046701740605",
            "070-174 06 05",
            "(070) 174 06 05",
            "+46 (0)70 174 06 05",
            "46701740605",
            "tel:+46701740605",
            "sip:+46701740605@trunk;user=phone",
            "<sip:0701740605@10.0.0.1>",
            "+46\u{a0}70\u{2011}174\u{a0}06\u{a0}05",
            "＋４６７０１７４０６０５",
        ] {
            let found = normalise(spelling);
            assert_eq!(found.as_deref(), Some("+46701740605"), "{spelling}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "anonymous",
            "${CALLERID(num)}",
            "+",
            "46+70",
            "*)(uid=*",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }

    #[test]
    fn an_extension_stays_what_it_is() {
        assert_eq!(normalise("1234").as_deref(), Some("1234"));
    }

    #[test]
    fn a_masked_number_shows_its_ends_only() {
        assert_eq!(masked("+46701740605"), "+4670•••••05");
        assert_eq!(masked("anonymous"), "anonymous");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,30}") {
            if let Some(once) = normalise(&text) {
                prop_assert_eq!(normalise(&once), Some(once.clone()));
            }
            let _ = masked(&text);
        }
    }
}
