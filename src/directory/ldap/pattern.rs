//! What is asked of a directory when a number calls.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rlibphonenumber::PHONE_NUMBER_UTIL;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{dialect::Dialect, entry::Entry, filter::Filter};
use crate::{
    clock::{Clock, Deadline, Timestamp},
    directory::{DirectoryFault, Schema},
    phone_number::{NumberPlan, PhoneNumber},
};

/// Scans at once. Each may cost the directory as much as thousands of other questions.
const SCANS_AT_ONCE: usize = 2;

/// A scan that takes longer than this is not worth it at every call from a stranger.
const TOO_LONG: Duration = Duration::from_secs(1);

/// For how long scans are left out once the directory has shown that it cannot do them.
const LEAVE_OUT: Duration = Duration::from_secs(10 * 60);

/// Fewer digits than this are in too many numbers.
const FEWEST_DIGITS: usize = 5;

/// True if one of the phone attributes is written in a way worth asking for. Directories
/// answer this from an index if they have one.
pub(super) fn spelt(
    schema: &Schema,
    plan: &NumberPlan,
    number: &PhoneNumber,
    dialect: Option<&Dialect>,
) -> Filter {
    let spellings = plan.spellings(number, None);
    Filter::any(schema.phone_attributes.iter().flat_map(|attribute| {
        let mut asked = Vec::with_capacity(spellings.len());
        let ignores_spacing = dialect.is_some_and(|dialect| dialect.ignores_spacing(attribute));
        let mut filters = Vec::with_capacity(spellings.len());
        for spelling in &spellings {
            let as_compared = match ignores_spacing {
                true => spelling.replace([' ', '-'], ""),
                false => spelling.clone(),
            };
            if !asked.contains(&as_compared) {
                filters.push(Filter::equals(attribute, as_compared.as_bytes()));
                asked.push(as_compared);
            }
        }
        filters
    }))
}

/// True if one of the phone attributes has the number's digits in their order, whatever
/// stands between them. No index helps a directory to answer this. `None` if the number
/// has one spelling only, or too few digits.
pub(super) fn in_any_spelling(
    schema: &Schema,
    plan: &NumberPlan,
    number: &PhoneNumber,
) -> Option<Filter> {
    let digits = significant_digits(number);
    if digits.len() < FEWEST_DIGITS || plan.spellings(number, None).len() < 2 {
        return None;
    }
    let wide = |digit: char| {
        // U+FF10 FULLWIDTH DIGIT ZERO and its nine successors.
        char::from_u32(0xff10 + digit.to_digit(10).unwrap_or_default()).unwrap_or(digit)
    };
    Some(Filter::any(schema.phone_attributes.iter().flat_map(
        |attribute| {
            [
                Filter::contains_in_order(attribute, digits.chars()),
                Filter::contains_in_order(attribute, digits.chars().map(wide)),
            ]
        },
    )))
}

/// Keeps scans few, and leaves them out where the directory cannot do them.
pub(super) struct Scans {
    permits: Semaphore,
    left_out_until: AtomicU64,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(SCANS_AT_ONCE),
            left_out_until: AtomicU64::new(0),
        }
    }
}

impl Scans {
    /// Runs `scan`, or finds nobody if scans are left out at present.
    pub(super) async fn run(
        &self,
        scan: impl Future<Output = Result<Vec<Entry>, DirectoryFault>>,
        deadline: Deadline,
        clock: &dyn Clock,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        let left_out = |now: Timestamp| now.as_millis() < self.left_out_until.load(Relaxed);
        if left_out(clock.now()) {
            return Ok(Vec::new());
        }
        let _permit = timeout_at(deadline.instant(), self.permits.acquire())
            .await
            .map_err(|_| DirectoryFault::TimedOut)?;
        if left_out(clock.now()) {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let found = scan.await;
        let reason = match &found {
            Ok(_) if started.elapsed() <= TOO_LONG => return found,
            Ok(_) => "it takes long".to_owned(),
            Err(DirectoryFault::Unavailable(_)) => return found,
            Err(fault) => fault.to_string(),
        };
        tracing::warn!(
            %reason,
            "the directory cannot look for numbers in every spelling; for ten minutes only \
             the usual spellings are asked for (lookup = \"index\" knows all of them)"
        );
        let until = clock.now().after(LEAVE_OUT).as_millis();
        self.left_out_until.store(until, Relaxed);
        match found {
            Err(DirectoryFault::Unusable(_)) => Ok(Vec::new()),
            found => found,
        }
    }
}

/// The digits that every spelling has: without country code and trunk prefix.
fn significant_digits(number: &PhoneNumber) -> String {
    let text = number.as_str();
    let code = PHONE_NUMBER_UTIL
        .parse(text, None)
        .map_or(0, |parsed| parsed.country_code.to_string().len());
    text.chars()
        .filter(char::is_ascii_digit)
        .skip(code)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone_number::Matching;

    #[test]
    fn the_digits_of_every_spelling_are_asked_for() {
        let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
        let number = plan.read("070-174 06 05").expect("a number");
        let schema = Schema {
            base: "dc=example".into(),
            user_filter: "(objectClass=person)".into(),
            username_attribute: "uid".into(),
            user_id_attribute: "entryUUID".into(),
            phone_attributes: vec!["mobile".into()],
        };
        let filter = in_any_spelling(&schema, &plan, &number)
            .expect("a filter")
            .to_string();
        let ascii = "(mobile=*7*0*1*7*4*0*6*0*5*)";
        assert!(
            filter.starts_with(&format!("(|{ascii}(mobile=*\\ef\\bc\\97*")),
            "{filter}"
        );
        let spelt = spelt(&schema, &plan, &number, None).to_string();
        assert!(spelt.contains("(mobile=+46701740605)"), "{spelt}");
    }
}
