//! What is asked of a directory when a number calls.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rlibphonenumber::PHONE_NUMBER_UTIL;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{dialect::Dialect, entry::Entry};
use crate::{
    clock::{Clock, Deadline, Timestamp},
    directory::{
        DirectoryFault,
        filter::{Attribute, Filter},
    },
    phone_number::{NumberPlan, PhoneNumber},
};

/// Scans at once. Each may cost the directory as much as thousands of other questions.
const SCANS_AT_ONCE: usize = 2;

/// A scan that takes longer than this is not worth it at every call from a stranger; that
/// many in a row are no accident.
const TOO_LONG: Duration = Duration::from_secs(1);
const IN_A_ROW: u32 = 3;

/// For how long scans are left out once the directory has shown that it cannot do them. Then
/// one is tried again, and if it fails they are left out as long again.
const LEAVE_OUT: Duration = Duration::from_secs(60);

/// Where digits begin that people type for ours: full-width, Arabic-Indic, and its eastern
/// form.
const OTHER_ZEROS: [char; 3] = ['\u{ff10}', '\u{660}', '\u{6f0}'];

/// Fewer digits than this are in too many numbers.
const FEWEST_DIGITS: usize = 5;

/// True if one of the phone attributes is written in a way worth asking for. Directories
/// answer this from an index if they have one.
pub(super) fn spelt(
    phones: &[Attribute],
    spellings: &[String],
    dialect: Option<&Dialect>,
) -> Filter {
    let squeezed = squeezed(spellings);
    let mut filters = Vec::with_capacity(phones.len() * spellings.len());
    for phone in phones {
        let ignores_spacing = dialect.is_some_and(|d| d.ignores_spacing(phone.as_str()));
        let compared = match ignores_spacing {
            true => &squeezed,
            false => spellings,
        };
        filters.extend(
            compared
                .iter()
                .map(|text| Filter::equal(phone, text.as_str())),
        );
    }
    Filter::Or(filters)
}

/// True if a question made by [`spelt`] for `number` finds `text` in `attribute`. In doubt it
/// is not: attributes may be compared more leniently than is known here.
pub(super) fn is_usual(
    plan: &NumberPlan,
    attribute: &str,
    text: &str,
    number: &PhoneNumber,
    dialect: Option<&Dialect>,
) -> bool {
    let ignores_spacing = dialect.is_some_and(|dialect| dialect.ignores_spacing(attribute));
    let squeezed = |text: &str| match ignores_spacing {
        true => text.replace([' ', '-'], ""),
        false => text.to_owned(),
    };
    let text = squeezed(text);
    let spellings = || plan.spellings(number, None).into_iter();
    text == number.as_str() || spellings().any(|spelling| squeezed(&spelling) == text)
}

/// Spellings that differ in more than spaces and hyphens.
fn squeezed(spellings: &[String]) -> Vec<String> {
    let mut squeezed = Vec::with_capacity(spellings.len());
    for spelling in spellings {
        let text = spelling.replace([' ', '-'], "");
        if !squeezed.contains(&text) {
            squeezed.push(text);
        }
    }
    squeezed
}

/// True if one of the phone attributes has the number's digits in their order, whatever
/// stands between them. No index helps a directory to answer this. `None` if the number
/// has one spelling only, or too few digits.
pub(super) fn in_any_spelling(
    phones: &[Attribute],
    spellings: &[String],
    number: &PhoneNumber,
    dialect: Option<&Dialect>,
) -> Option<Filter> {
    let digits = significant_digits(number);
    if digits.len() < FEWEST_DIGITS || spellings.len() < 2 {
        return None;
    }
    let mut filters = Vec::new();
    for phone in phones {
        filters.push(in_order(phone, &digits));
        // The syntax that goes with comparing without spaces is ASCII (RFC 4517 §3.3.31),
        // which not every server enforces.
        let is_ascii = dialect.is_some_and(|dialect| dialect.ignores_spacing(phone.as_str()));
        let zeros = if is_ascii {
            &OTHER_ZEROS[..1]
        } else {
            &OTHER_ZEROS
        };
        filters.extend(
            zeros
                .iter()
                .map(|zero| in_order(phone, &with_zero(&digits, *zero))),
        );
    }
    Some(Filter::Or(filters))
}

/// The same digits in another script.
fn with_zero(digits: &str, zero: char) -> String {
    let other = |digit: char| char::from_u32(u32::from(zero) + digit.to_digit(10)?);
    digits.chars().filter_map(other).collect()
}

fn in_order(attribute: &Attribute, digits: &str) -> Filter {
    Filter::Parts {
        attribute: attribute.clone(),
        initial: Vec::new(),
        any: digits
            .chars()
            .map(|digit| digit.to_string().into_bytes())
            .collect(),
        last: Vec::new(),
    }
}

/// Keeps scans few, and leaves them out where the directory cannot do them.
pub(super) struct Scans {
    permits: Semaphore,
    failed: AtomicU32,
    left_out_until: AtomicU64,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(SCANS_AT_ONCE),
            failed: AtomicU32::new(0),
            left_out_until: AtomicU64::new(0),
        }
    }
}

impl Scans {
    /// Runs `scan`. While scans are left out it is a fault: what has not been looked for is
    /// not known to be missing.
    pub(super) async fn run(
        &self,
        scan: impl Future<Output = Result<Vec<Entry>, DirectoryFault>>,
        deadline: Deadline,
        clock: &dyn Clock,
    ) -> Result<Vec<Entry>, DirectoryFault> {
        self.are_done(clock.now())?;
        let _permit = timeout_at(deadline.instant(), self.permits.acquire())
            .await
            .map_err(|_| DirectoryFault::TimedOut)?;
        self.are_done(clock.now())?;
        let started = Instant::now();
        let found = scan.await;
        match &found {
            Ok(_) if started.elapsed() <= TOO_LONG => self.failed.store(0, Relaxed),
            Ok(_) => self.fail("it takes too long", clock.now()),
            // A scan that began late had no chance.
            Err(DirectoryFault::TimedOut) if started.elapsed() > TOO_LONG => {
                self.fail("it takes too long", clock.now());
            }
            Err(DirectoryFault::TimedOut) => {}
            Err(DirectoryFault::Unusable(reason)) => self.fail(reason, clock.now()),
            // An outage says nothing of what the directory can do.
            Err(DirectoryFault::Unavailable(_)) => {}
        }
        found
    }

    fn are_done(&self, now: Timestamp) -> Result<(), DirectoryFault> {
        match now.as_millis() < self.left_out_until.load(Relaxed) {
            true => Err(DirectoryFault::Unusable(LEFT_OUT.into())),
            false => Ok(()),
        }
    }

    fn fail(&self, reason: &str, now: Timestamp) {
        if self.failed.fetch_add(1, Relaxed) + 1 < IN_A_ROW {
            return;
        }
        tracing::warn!(
            %reason,
            "the directory cannot look for numbers in every spelling; for a minute a number that \
             nobody has in a usual spelling is refused as a fault (lookup = \"index\" knows all of them)"
        );
        self.left_out_until
            .store(now.after(LEAVE_OUT).as_millis(), Relaxed);
    }
}

const LEFT_OUT: &str = "nobody has the number in a usual spelling, and the directory cannot look \
                        for others";

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
    use crate::{clock::ManualClock, phone_number::Matching};

    fn nobody() -> Result<Vec<Entry>, DirectoryFault> {
        Ok(Vec::new())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_looked_for_is_a_fault_until_looking_works_again() {
        let (scans, clock) = (Scans::default(), ManualClock::at(Timestamp::from_millis(1)));
        let run = async |found: Result<Vec<Entry>, DirectoryFault>| {
            let deadline = Deadline::within(Duration::from_secs(3));
            scans.run(async { found }, deadline, &clock).await
        };
        let limit = || Err(DirectoryFault::Unusable("time limit exceeded".into()));
        let outage = || Err(DirectoryFault::Unavailable("refused".into()));
        let left_out = Err(DirectoryFault::Unusable(LEFT_OUT.into()));
        for fault in [limit(), limit(), outage(), outage(), outage(), outage()] {
            assert_eq!(run(fault.clone()).await, fault);
        }
        assert_eq!(
            run(nobody()).await,
            nobody(),
            "two limits are not three in a row"
        );
        for _ in 0..IN_A_ROW {
            assert_eq!(run(limit()).await, limit());
        }
        assert_eq!(run(nobody()).await, left_out, "nobody is asked");
        clock.advance(LEAVE_OUT);
        assert_eq!(run(limit()).await, limit(), "one is tried again");
        assert_eq!(run(nobody()).await, left_out, "and was enough");
        clock.advance(LEAVE_OUT);
        assert_eq!(run(nobody()).await, nobody());
        assert_eq!(run(limit()).await, limit());
        assert_eq!(run(nobody()).await, nobody(), "all is well again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_scan_that_takes_long_is_believed_but_not_made_at_every_call() {
        let (scans, clock) = (Scans::default(), ManualClock::at(Timestamp::from_millis(1)));
        let deadline = Deadline::within(Duration::from_secs(30));
        let slow = async || {
            let scan = async {
                tokio::time::sleep(TOO_LONG * 2).await;
                nobody()
            };
            scans.run(scan, deadline, &clock).await
        };
        for _ in 0..IN_A_ROW {
            assert_eq!(slow().await, nobody());
        }
        assert_eq!(slow().await, Err(DirectoryFault::Unusable(LEFT_OUT.into())));
    }

    #[test]
    fn a_spelling_is_usual_if_the_directory_finds_it_by_comparing() {
        let rule = ("^([0-9]{4})$".to_owned(), "+4687001$1".to_owned());
        let plan = NumberPlan::new("SE", Matching::Normalised, [rule]).expect("a plan");
        for (text, expected) in [
            ("+46701740605", true),
            ("0701740605", true),
            ("+46 70 174 06 05", true),
            ("070.174.06.05", false),
            ("+46(0)70/1740605", false),
            ("4711", true),
        ] {
            let number = plan.read(text).expect("a number");
            assert_eq!(
                is_usual(&plan, "mobile", text, &number, None),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn the_digits_of_every_spelling_are_asked_for() {
        let plan = NumberPlan::new("SE", Matching::Normalised, []).expect("a plan");
        let number = plan.read("070-174 06 05").expect("a number");
        let phones = [Attribute::new("mobile").expect("a name")];
        let spellings = plan.spellings(&number, None);
        let filter = in_any_spelling(&phones, &spellings, &number, None).expect("a filter");
        let (ascii, wide) = ("(mobile=*7*0*1*7*4*0*6*0*5*)", "(mobile=*\\ef\\bc\\97*");
        assert!(
            filter.to_string().starts_with(&format!("(|{ascii}{wide}")),
            "{filter}"
        );
        let spelt = spelt(&phones, &spellings, None).to_string();
        assert!(spelt.contains("(mobile=+46701740605)"), "{spelt}");
    }

    #[test]
    fn what_is_compared_without_spaces_is_asked_for_once() {
        let spellings = ["070-174 06 05", "0701740605", "070 1740605"].map(str::to_owned);
        assert_eq!(squeezed(&spellings), ["0701740605"]);
    }
}
