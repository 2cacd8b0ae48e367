//! `run` and `preflight`.

use std::io::{IsTerminal as _, Write as _};

use super::{
    DONE, NO_VERDICT, Stop, UNSAFE,
    args::{PreflightArgs, RunArgs},
    dry, say_as_is, style,
};
use crate::{
    clock::Origin,
    report::{self, Report, Sink, Style},
    runner::{self, Event},
    selection::Selection,
    target::Target,
    verdict::Verdict,
};

pub(super) async fn run(args: RunArgs) -> Result<u8, Stop> {
    let target = args.target.check()?;
    let selection = args.selection.check()?;
    let style = style(args.output.colour, args.output.quiet);
    check_prefixes(&selection, &target)?;
    let sinks = args.output.report;
    if sinks.iter().filter(|sink| sink.is_stdout()).count() > 1 {
        return Err(Stop::usage(
            "--report: only one report fits the standard output",
        ));
    }
    is_safe(&target, &selection)?;
    if args.dry_run {
        return dry_run(&target, &selection).await;
    }
    if target.production {
        within_budget(&target, &selection).await?;
    }
    for sink in &sinks {
        sink.prepare()
            .map_err(|error| Stop::usage(format!("--report {}: {error}", sink.path.display())))?;
    }
    let origin = Origin::now().map_err(Stop::failed)?;
    let mut screen = Screen::new(style, &sinks);
    let report = runner::run_watched(
        &target,
        &selection,
        origin,
        &mut |event| screen.show(event),
        stop(),
    )
    .await;
    screen.finish(&report)?;
    for sink in &sinks {
        sink.finish(&report)
            .map_err(|error| Stop::failed(format!("--report {}: {error}", sink.path.display())))?;
    }
    Ok(report.summary.exit)
}

/// One misspelt prefix among others would silently test less than was meant; when all of
/// them select nothing, the run itself says so.
fn check_prefixes(selection: &Selection, target: &Target) -> Result<(), Stop> {
    match selection.unknown_prefix() {
        Some(prefix) if !selection.clauses(target).is_empty() => Err(Stop::usage(format!(
            "--only, --skip: no clause begins with {prefix:?}; see the list command"
        ))),
        _ => Ok(()),
    }
}

/// Whoever names a risky clause for a production target has to name its consent too.
fn is_safe(target: &Target, selection: &Selection) -> Result<(), Stop> {
    if !target.production {
        return Ok(());
    }
    let risky = selection.clauses(target).into_iter().find_map(|clause| {
        let consent = clause.consent?;
        let named = selection.only.iter().any(|only| only == clause.id);
        (named && !selection.permits(consent, target)).then_some((clause.id, consent))
    });
    match risky {
        Some((id, consent)) => Err(Stop {
            code: UNSAFE,
            message: format!(
                "{id} is not run against a production target without --allow {consent}"
            ),
        }),
        None => Ok(()),
    }
}

async fn within_budget(target: &Target, selection: &Selection) -> Result<(), Stop> {
    let cost = dry::rehearse(target, selection).await?;
    match cost.otps > selection.max_otp {
        true => Err(Stop {
            code: UNSAFE,
            message: format!(
                "this would have about {} OTPs issued by a production target, and --max-otp allows {}",
                cost.otps, selection.max_otp
            ),
        }),
        false => Ok(()),
    }
}

async fn dry_run(target: &Target, selection: &Selection) -> Result<u8, Stop> {
    let cost = dry::rehearse(target, selection).await?;
    say!("A run against {} would judge:", target.url);
    let mut judged = 0;
    for clause in &cost.report.clauses {
        match clause.verdict {
            Verdict::NotApplicable => {
                say!(
                    "  {} {:<26} not run: {}",
                    clause.verdict.symbol(),
                    clause.id,
                    clause.got
                );
            }
            _ => {
                judged += 1;
                say!("    {:<26} {}", clause.id, clause.level);
            }
        }
    }
    say!(
        "{judged} clauses; about {} OTPs would be issued for the known number (--max-otp {}). Nothing was sent.",
        cost.otps,
        selection.max_otp
    );
    if cost.otps > selection.max_otp {
        let message = "the budget does not suffice; raise --max-otp".to_owned();
        return Err(Stop {
            code: if target.production {
                UNSAFE
            } else {
                NO_VERDICT
            },
            message,
        });
    }
    match judged {
        0 => Err(Stop {
            code: NO_VERDICT,
            message: "nothing was selected".to_owned(),
        }),
        _ => Ok(DONE),
    }
}

pub(super) async fn preflight(args: PreflightArgs) -> Result<u8, Stop> {
    let target = args.target.check()?;
    let style = style(args.colour, args.quiet);
    let selection = Selection {
        timeout: args.timeout,
        ..Selection::default()
    };
    let origin = Origin::now().map_err(Stop::failed)?;
    let steps = runner::preflight(&target, &selection, origin).await;
    let ok = steps.iter().all(|step| step.ok);
    for step in &steps {
        if !style.quiet || !step.ok {
            say_as_is(&report::step(step, style));
        }
    }
    Ok(if ok { DONE } else { NO_VERDICT })
}

/// Ready when somebody asks the program to end.
pub(super) async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// What the person at the terminal sees.
struct Screen<'a> {
    style: Style,
    sinks: &'a [Sink],
    /// When a report goes to the standard output, everything else goes to the other.
    to_stderr: bool,
    bar: bool,
    total: usize,
    done: usize,
    trouble: Option<String>,
}

impl<'a> Screen<'a> {
    fn new(style: Style, sinks: &'a [Sink]) -> Self {
        Self {
            style,
            sinks,
            to_stderr: sinks.iter().any(Sink::is_stdout),
            bar: std::io::stderr().is_terminal() && !style.quiet,
            total: 0,
            done: 0,
            trouble: None,
        }
    }

    fn show(&mut self, event: Event<'_>) {
        match event {
            Event::Preflight(step) => {
                if !self.style.quiet || !step.ok {
                    self.print(&report::step(step, self.style));
                }
            }
            Event::Begin(total) => self.total = total,
            Event::Judging(clause) => self.draw(clause.id),
            Event::Judged(clause) => {
                self.done += 1;
                for sink in self.sinks {
                    if let Err(error) = sink.judged(clause) {
                        let text = format!("--report {}: {error}", sink.path.display());
                        self.trouble.get_or_insert(text);
                    }
                }
                // After a preflight that failed, the same line fifty times says nothing.
                if !self.style.quiet && self.total > 0 {
                    self.print(&report::line(clause, self.style));
                }
            }
        }
    }

    fn finish(&mut self, report: &Report) -> Result<(), Stop> {
        self.print(&report.terminal(self.style));
        match self.trouble.take() {
            Some(trouble) => Err(Stop::failed(trouble)),
            None => Ok(()),
        }
    }

    /// Prints above the bar. A terminal that is gone is no reason to stop the run.
    fn print(&self, text: &str) {
        if self.bar {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
        let _ = match self.to_stderr {
            true => std::io::stderr().write_all(text.as_bytes()),
            false => std::io::stdout().write_all(text.as_bytes()),
        };
    }

    fn draw(&self, id: &str) {
        if !self.bar || self.total == 0 {
            return;
        }
        let full = (self.done * 20 / self.total).min(20);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(20 - full));
        let _ = write!(
            std::io::stderr(),
            "\r\u{1b}[K{bar} {}/{} {id}",
            self.done,
            self.total
        );
        let _ = std::io::stderr().flush();
    }
}
