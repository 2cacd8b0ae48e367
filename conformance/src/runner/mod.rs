//! Runs the clauses of a selection against a target, and makes the report.

mod sandwich;
mod session;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

pub(crate) use sandwich::{Rule, accepted, refused};
pub(crate) use session::{Refusal, Session, basic, number_body};

use crate::{
    catalogue::{Clause, Level},
    clauses,
    clock::Origin,
    exchange::Evidence,
    mask::Mask,
    preflight::{self, Step},
    report::{ClauseReport, Report, Waived},
    selection::Selection,
    target::{Auth, Target},
    verdict::{Finding, Verdict},
};

/// So many controls lost one after the other, and the target has stopped answering.
const LOST: u32 = 2;

/// What is told while a run goes on.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// A step of the preflight is done.
    Preflight(&'a Step),
    /// So many clauses will be judged.
    Begin(usize),
    /// A clause is being judged.
    Judging(&'static Clause),
    /// A clause is judged.
    Judged(&'a ClauseReport),
}

/// Runs `selection` against `target` and reports.
pub async fn run(target: &Target, selection: &Selection) -> Report {
    let origin = Origin::now().unwrap_or(Origin {
        started: jiff::Timestamp::UNIX_EPOCH,
        key: [0; 32],
    });
    run_watched(
        target,
        selection,
        origin,
        &mut |_| {},
        std::future::pending(),
    )
    .await
}

/// The same with a given beginning, somebody who watches, and a way to stop: what is not
/// judged when `stop` is ready is untested, and the report is whole.
pub async fn run_watched(
    target: &Target,
    selection: &Selection,
    origin: Origin,
    watch: &mut (dyn FnMut(Event<'_>) + Send),
    stop: impl Future<Output = ()>,
) -> Report {
    let mask = Mask::new(origin.key);
    learn(&mask, target);
    let mut run = Run {
        target,
        selection,
        origin,
        mask: &mask,
        steps: Vec::new(),
        judged: Vec::new(),
        contradiction: false,
        issued: 0,
    };
    // What the session holds is dropped when the run is stopped; what is judged stays.
    let stopped = {
        let going = run.go(watch);
        tokio::pin!(going, stop);
        tokio::select! {
            () = &mut going => false,
            () = &mut stop => true,
        }
    };
    if stopped {
        run.leave("the run was interrupted", watch);
    }
    run.report()
}

/// Only the preflight.
pub async fn preflight(target: &Target, selection: &Selection, origin: Origin) -> Vec<Step> {
    let mask = Mask::new(origin.key);
    learn(&mask, target);
    match Session::new(target, selection, &mask, origin.started) {
        Ok(mut session) => preflight::check(&mut session).await,
        Err(trouble) => vec![unusable(&trouble)],
    }
}

fn unusable(trouble: &crate::exchange::Trouble) -> Step {
    Step {
        step: "tls".to_owned(),
        ok: false,
        detail: trouble.to_string(),
        advice: Some("check the certificates that were given".to_owned()),
    }
}

struct Run<'a> {
    target: &'a Target,
    selection: &'a Selection,
    origin: Origin,
    mask: &'a Mask,
    steps: Vec<Step>,
    judged: Vec<ClauseReport>,
    contradiction: bool,
    issued: u32,
}

impl Run<'_> {
    async fn go(&mut self, watch: &mut (dyn FnMut(Event<'_>) + Send)) {
        let mask = self.mask;
        let mut session = match Session::new(self.target, self.selection, mask, self.origin.started)
        {
            Ok(session) => session,
            Err(trouble) => {
                self.steps.push(unusable(&trouble));
                self.leave("the preflight failed", watch);
                return;
            }
        };
        self.steps = preflight::check(&mut session).await;
        self.issued = session.issued;
        for step in &self.steps {
            watch(Event::Preflight(step));
        }
        if self.steps.iter().any(|step| !step.ok) {
            self.leave("the preflight failed", watch);
            return;
        }
        let mut clauses = self.selection.clauses(self.target);
        // Stable: within a turn the order of the catalogue, so that a group stays together.
        clauses.sort_by_key(|clause| clauses::turn(clause));
        watch(Event::Begin(clauses.len()));
        for group in clauses.chunk_by(|a, b| group(a) == group(b)) {
            if session.lost >= LOST {
                break;
            }
            self.group(group, &mut session, watch).await;
        }
        let why = match session.is_spent() {
            true => format!(
                "the budget of {} OTPs is spent; raise --max-otp",
                self.selection.max_otp
            ),
            false => format!("the controls are lost: {}", session.why_lost),
        };
        self.leave(&why, watch);
    }

    /// Judges clauses that share their controls.
    async fn group(
        &mut self,
        clauses: &[&'static Clause],
        session: &mut Session<'_>,
        watch: &mut (dyn FnMut(Event<'_>) + Send),
    ) {
        session.opened = session.is_fresh();
        let mut findings = Vec::new();
        for clause in clauses {
            if session.lost >= LOST {
                break;
            }
            watch(Event::Judging(clause));
            let finding = self.judge(clause, session).await;
            self.issued = session.issued;
            findings.push((*clause, finding));
        }
        let provisional = findings.iter().any(|(_, finding)| finding.provisional);
        let lost = match provisional {
            true => session.control().await.err(),
            false => None,
        };
        self.issued = session.issued;
        for (clause, finding) in findings {
            let finding = match &lost {
                Some(why) => finding.without_control(why),
                None => finding,
            };
            self.settle(clause, finding, watch);
        }
    }

    async fn judge(&mut self, clause: &'static Clause, session: &mut Session<'_>) -> Finding {
        session.clause = clause.id;
        let begun = tokio::time::Instant::now();
        let judging = AssertUnwindSafe(clauses::judge(clause, session));
        let mut finding = match judging.catch_unwind().await {
            Ok(finding) => finding,
            Err(_) => {
                self.contradiction = true;
                Finding::error("the suite failed while judging this; please report it")
            }
        };
        finding.took = begun.elapsed();
        finding
    }

    fn settle(
        &mut self,
        clause: &'static Clause,
        finding: Finding,
        watch: &mut (dyn FnMut(Event<'_>) + Send),
    ) {
        let level = clause.level_in(self.selection.profile(self.target));
        let verdict = finding.verdict(level, self.selection.strict);
        let report = self.clause_report(clause, level, verdict, finding);
        watch(Event::Judged(&report));
        self.judged.push(report);
    }

    fn clause_report(
        &self,
        clause: &'static Clause,
        level: Level,
        verdict: Verdict,
        finding: Finding,
    ) -> ClauseReport {
        let mask = self.mask;
        let exchange = finding.exchange.as_ref();
        let answers: Vec<String> = finding.answers.into_iter().collect();
        ClauseReport {
            id: clause.id.to_owned(),
            level,
            profile: clause.profile,
            verdict,
            expected: finding.expected,
            got: finding.got,
            likely: finding.likely,
            milliseconds: u64::try_from(finding.took.as_millis()).unwrap_or(u64::MAX),
            waived: self.waiver(clause.id, verdict, &answers),
            exchange: exchange.map(|exchange| {
                let golden = session::golden(self.target).shown(mask);
                let shown = exchange.request.shown(mask);
                Evidence {
                    change: shown.difference(&golden),
                    request: shown.to_string(),
                    response: match &exchange.result {
                        Ok(answer) => answer.shown(mask),
                        Err(trouble) => format!("({trouble})"),
                    },
                }
            }),
            again: exchange.map(|exchange| {
                let certificate = matches!(self.target.auth, Auth::Certificate(_));
                let scheme = if self.target.url.tls { "https" } else { "http" };
                let origin = format!("{scheme}://{}", self.target.url.authority());
                exchange.request.curl(&origin, certificate)
            }),
        }
    }

    fn waiver(&self, clause: &str, verdict: Verdict, answers: &[String]) -> Option<Waived> {
        let url = self.target.url.to_string();
        let today = self
            .origin
            .started
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .date();
        self.selection
            .waivers
            .iter()
            .find(|waiver| {
                waiver.clause == clause
                    && waiver.concerns(&url)
                    && !waiver.expired(today)
                    && waiver.covers(verdict, answers)
            })
            .map(|waiver| Waived {
                reason: waiver.reason.clone(),
                until: waiver.until.to_string(),
            })
    }

    /// Everything that was selected and is not judged is untested.
    fn leave(&mut self, why: &str, watch: &mut (dyn FnMut(Event<'_>) + Send)) {
        for clause in self.selection.clauses(self.target) {
            if self.judged.iter().all(|judged| judged.id != clause.id) {
                let finding = match clauses::not_applicable(clause, self.target, self.selection) {
                    Some(why) => Finding::not_applicable(why),
                    None => Finding::untested(why),
                };
                self.settle(clause, finding, watch);
            }
        }
    }

    fn report(mut self) -> Report {
        let order: Vec<&str> = self
            .selection
            .clauses(self.target)
            .iter()
            .map(|clause| clause.id)
            .collect();
        self.judged
            .sort_by_key(|judged| order.iter().position(|id| *id == judged.id));
        Report::new(
            self.origin,
            self.target,
            self.selection,
            self.steps,
            self.judged,
            self.issued,
            self.contradiction,
        )
    }
}

/// Clauses of one group share what stands before the dot, and their turn.
fn group(clause: &Clause) -> (u8, &'static str) {
    let name = clause.id.split('.').next().unwrap_or(clause.id);
    (clauses::turn(clause), name)
}

/// Tells the mask what must never be written down.
fn learn(mask: &Mask, target: &Target) {
    let mut numbers = vec![&target.known, &target.unknown];
    numbers.extend(&target.spellings);
    numbers.extend(target.other_tenant.as_ref().map(|other| &other.known));
    for number in numbers {
        mask.learn("number", number.expose());
        let digits: String = number
            .expose()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        mask.learn("number", &digits);
    }
    match &target.auth {
        Auth::Basic { username, password } => {
            mask.learn(
                "credentials",
                &format!("{}:{}", username.expose(), password.expose()),
            );
            mask.learn("password", password.expose());
            learn_name(mask, username.expose());
        }
        Auth::Bearer(token) => mask.learn("token", token.expose()),
        Auth::Certificate(_) | Auth::Network => {}
    }
    if let Some(validate) = &target.validate {
        learn_name(mask, validate.username.expose());
        let mut passwords = vec![validate.password.as_ref()];
        if let Some((name, password)) = &validate.other {
            learn_name(mask, name.expose());
            passwords.push(password.as_ref());
        }
        for password in passwords.into_iter().flatten() {
            mask.learn("password", password.expose());
        }
    }
}

/// Short names are parts of ordinary words; they are masked where they are known to be
/// names, and not looked for everywhere.
fn learn_name(mask: &Mask, name: &str) {
    if name.len() >= 5 {
        mask.learn("name", name);
    }
}
