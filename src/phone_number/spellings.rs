//! The ways in which directories write a number.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

use super::{Matching, NumberPlan, PhoneNumber};

/// Spellings that one question to a directory may hold.
const MOST: usize = 24;

impl NumberPlan {
    /// The spellings worth asking a directory for that compares texts, the
    /// likeliest first, at most 24, none twice; `written` is what the caller's
    /// phone system sent. A directory can hold others: what it answers still has to
    /// be read under this plan, and what it does not answer need not be absent.
    pub fn spellings(&self, number: &PhoneNumber, written: Option<&str>) -> Vec<String> {
        let mut spellings = Spellings(Vec::with_capacity(MOST));
        spellings.add(number.as_str());
        if let Some(written) = written {
            spellings.add(written.trim());
        }
        if self.matching == Matching::Normalised {
            for rule in &self.rules {
                if let Some(text) = rule.undo(number.as_str()) {
                    spellings.add(&text);
                }
            }
            self.grouped(number, &mut spellings);
        }
        spellings.0
    }

    fn grouped(&self, number: &PhoneNumber, spellings: &mut Spellings) {
        let Ok(parsed) = PHONE_NUMBER_UTIL.parse(number.as_str(), None) else {
            return;
        };
        if parsed.extension.is_some() {
            return;
        }
        let code = parsed.country_code;
        let international = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::International);
        let national = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::National);
        let e164 = number.as_str();
        let plus_code = format!("+{code}");
        let significant = e164.strip_prefix(&plus_code).unwrap_or_default();
        let groups: Vec<&str> = international
            .strip_prefix(&plus_code)
            .unwrap_or_default()
            .split([' ', '-'])
            .filter(|group| !group.is_empty())
            .collect();
        let (area, local) = groups.split_first().unwrap_or((&significant, &[]));
        let (spaced, joined) = (local.join(" "), local.concat());
        let is_ours = PHONE_NUMBER_UTIL.get_country_code_for_region(self.region) == Some(code);
        let all_digits: String = national.chars().filter(char::is_ascii_digit).collect();
        let trunk = all_digits.strip_suffix(significant).unwrap_or_default();

        let reads_back = |text: &str| self.read(text).as_ref() == Ok(number);
        if reads_back(&e164[1..]) {
            spellings.add(&e164[1..]);
        }
        spellings.add(&format!("00{}", &e164[1..]));
        if is_ours {
            spellings.add(&all_digits);
        }
        spellings.add(&international);
        spellings.add(&format!("+{code} {significant}"));
        if is_ours {
            spellings.add(&national);
            spellings.add(&format!("{trunk}{area}-{spaced}"));
            spellings.add(&format!("{trunk}{area} {spaced}"));
        }
        spellings.add(&format!("+{code} {area}-{spaced}"));
        spellings.add(&format!("+{code}-{area}-{}", local.join("-")));
        if !trunk.is_empty() {
            spellings.add(&format!("+{code} ({trunk}){area} {spaced}"));
            spellings.add(&format!("+{code} ({trunk}){area}-{spaced}"));
            spellings.add(&format!("+{code}({trunk}){significant}"));
        }
        if is_ours {
            spellings.add(&format!("{trunk}{area}-{joined}"));
            spellings.add(&format!("({trunk}{area}) {spaced}"));
        }
        spellings.add(&format!("+{code} {area} {joined}"));
        spellings.add(&format!("+{code}-{area}-{joined}"));
        spellings.add(&format!("+{code} ({area}) {spaced}"));
        spellings.add(&format!("tel:{e164}"));
        if is_ours && reads_back(significant) {
            spellings.add(significant);
        }
    }
}

struct Spellings(Vec<String>);

impl Spellings {
    fn add(&mut self, spelling: &str) {
        let is_new = !self.0.iter().any(|known| known == spelling);
        if is_new && !spelling.is_empty() && self.0.len() < MOST {
            self.0.push(spelling.to_owned());
        }
    }
}
