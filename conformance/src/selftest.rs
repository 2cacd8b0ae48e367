//! The suite against its own peers: is every mutant caught by exactly the clauses that
//! should catch it, does every variant pass untouched, is every hostile peer left again?

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt as _, stream};

use crate::{
    catalogue::{Consent, Profile},
    clock::Origin,
    peers::{HOSTILE, Hostile, MUTANTS, Mutant, Peer, VARIANTS, Variant},
    report::Report,
    runner::run_watched,
    selection::{Rate, Selection},
    target::Target,
    verdict::Verdict,
};

/// How many peers are run at once: they mostly wait.
const AT_ONCE: usize = 20;

/// One line of the matrix.
#[derive(Clone, Debug)]
pub struct Row {
    /// `mutant`, `variant` or `hostile`.
    pub kind: &'static str,
    /// The peer.
    pub name: String,
    /// What had to come, in words.
    pub expected: String,
    /// What came.
    pub got: String,
    /// How long it took.
    pub took: Duration,
}

impl Row {
    /// Did what had to come?
    pub fn holds(&self) -> bool {
        self.expected == self.got
    }
}

/// Runs the whole matrix; `watch` is told every line as it is done.
pub async fn matrix(mut watch: impl FnMut(&Row)) -> Vec<Row> {
    let mutants = MUTANTS.iter().map(|mutant| Case::Mutant(*mutant));
    let variants = VARIANTS.iter().map(|variant| Case::Variant(*variant));
    let hostile = HOSTILE.iter().map(|hostile| Case::Hostile(*hostile));
    let cases = variants.chain(hostile).chain(mutants);
    // Those that are about time are run when the others are through.
    let (timed, others): (Vec<Case>, Vec<Case>) = cases.partition(Case::is_timed);
    let mut rows = Vec::new();
    for cases in [others, timed] {
        let mut done = stream::iter(cases).map(Case::row).buffer_unordered(AT_ONCE);
        while let Some(row) = done.next().await {
            watch(&row);
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| (row.kind, row.name.clone()));
    rows
}

#[derive(Clone, Copy)]
enum Case {
    Mutant(Mutant),
    Variant(Variant),
    Hostile(Hostile),
}

impl Case {
    fn is_timed(&self) -> bool {
        match self {
            Self::Mutant(mutant) => mutant.fails.contains(&"latency"),
            Self::Variant(variant) => variant.manner.delay > Duration::ZERO,
            Self::Hostile(_) => false,
        }
    }

    async fn row(self) -> Row {
        let begun = tokio::time::Instant::now();
        let (kind, name) = match self {
            Self::Mutant(mutant) => ("mutant", mutant.name.to_owned()),
            Self::Variant(variant) => ("variant", variant.name.to_owned()),
            Self::Hostile(hostile) => ("hostile", format!("{hostile:?}")),
        };
        let (expected, got) = match self.run().await {
            Ok(report) => (self.expected(), self.got(&report)),
            Err(error) => (self.expected(), format!("the peer does not start: {error}")),
        };
        Row {
            kind,
            name,
            expected,
            got,
            took: begun.elapsed(),
        }
    }

    async fn run(self) -> std::io::Result<Report> {
        let peer = match self {
            Self::Mutant(mutant) => Peer::start(mutant.manner(), mutant.defect).await?,
            Self::Variant(variant) => Peer::start(variant.manner, None).await?,
            Self::Hostile(hostile) => Peer::hostile(hostile).await?,
        };
        let (only, timeout) = match self {
            Self::Mutant(mutant) => (mutant.only, Duration::from_secs(5)),
            Self::Variant(variant) => (variant.only, Duration::from_secs(5)),
            Self::Hostile(_) => (&[][..], Duration::from_secs(1)),
        };
        Ok(judge(&peer.target(), only, timeout).await)
    }

    fn expected(self) -> String {
        match self {
            Self::Mutant(mutant) => {
                line(mutant.exit, mutant.fails.iter().copied(), mutant.untestable)
            }
            Self::Variant(variant) => line(0, variant.warns.iter().copied(), false),
            Self::Hostile(_) => line(3, [], true),
        }
    }

    fn got(self, report: &Report) -> String {
        let of = |verdicts: &[Verdict]| -> BTreeSet<&str> {
            report
                .clauses
                .iter()
                .filter(|clause| verdicts.contains(&clause.verdict))
                .map(|clause| clause.id.as_str())
                .collect()
        };
        let wrong = of(&[Verdict::Fail, Verdict::Warn]);
        let open = of(&[Verdict::Untested, Verdict::Error]);
        let passed = of(&[Verdict::Pass]);
        let expects_open = match self {
            Self::Mutant(mutant) => mutant.untestable,
            Self::Variant(_) => false,
            Self::Hostile(_) => true,
        };
        let mut got = line(report.summary.exit, wrong, expects_open && !open.is_empty());
        if !expects_open && !open.is_empty() {
            got.push_str(&format!(", untested: {}", join(open)));
        }
        if matches!(self, Self::Hostile(_)) && !passed.is_empty() {
            got.push_str(&format!(", passed: {}", join(passed)));
        }
        got
    }
}

/// A run of `hardened` as this matrix does it.
async fn judge(target: &Target, only: &[&str], timeout: Duration) -> Report {
    let selection = Selection {
        profile: Some(Profile::Hardened),
        only: only.iter().map(|prefix| (*prefix).to_owned()).collect(),
        rate: Rate::UNLIMITED,
        allow: [Consent::Authfail].into(),
        max_otp: 200,
        timeout,
        patience: Duration::from_secs(3),
        ..Selection::default()
    };
    let origin = Origin {
        started: jiff::Timestamp::now(),
        key: [7; 32],
    };
    run_watched(
        target,
        &selection,
        origin,
        &mut |_| {},
        std::future::pending(),
    )
    .await
}

fn line<'a>(exit: u8, wrong: impl IntoIterator<Item = &'a str>, untestable: bool) -> String {
    let wrong: BTreeSet<&str> = wrong.into_iter().collect();
    let wrong = match wrong.is_empty() {
        true => "nothing fails".to_owned(),
        false => join(wrong),
    };
    let rest = if untestable {
        ", the rest untested"
    } else {
        ""
    };
    format!("exit {exit}: {wrong}{rest}")
}

fn join(ids: BTreeSet<&str>) -> String {
    ids.into_iter().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
