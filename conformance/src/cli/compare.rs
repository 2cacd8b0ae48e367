//! `replay` and `diff`: a report beside the present, and beside another report.

use std::path::Path;

use super::{DONE, FAILED, Stop, args::ReplayArgs, run, say_as_is, style};
use crate::{
    clock::Origin,
    report::{self, ClauseReport, Report},
    runner,
    selection::Selection,
    verdict::Verdict,
};

pub(super) async fn replay(args: ReplayArgs) -> Result<u8, Stop> {
    let before = read(&args.report)?;
    let Some(clause) = before.clause(&args.clause) else {
        return Err(Stop::usage(format!(
            "{}: {:?} is not in this report",
            args.report.display(),
            args.clause
        )));
    };
    let mut target = args.target;
    // The report names the file of its target, or its address; numbers and secrets are in
    // no report and come from the file or from flags.
    let from_file = before
        .target
        .file
        .clone()
        .filter(|file| Path::new(file).exists());
    if target.target.is_none() {
        target.target = from_file.or_else(|| Some(before.target.url.clone()));
    }
    let named_a_file = target.names_a_file();
    let mut target = target
        .check_with_tenant(&before.target.tenant)
        .map_err(|stop| Stop {
            message: match named_a_file {
                true => stop.message,
                false => format!(
                    "{} (a report holds neither numbers nor secrets; give them again)",
                    stop.message
                ),
            },
            ..stop
        })?;
    target.profile = before.target.profile;
    let style = style(args.colour, false);
    let selection = Selection {
        profile: Some(before.target.profile),
        only: vec![args.clause.clone()],
        skip: Vec::new(),
        strict: before.strict,
        ..args.selection.check()?
    };
    let origin = Origin::now().map_err(Stop::failed)?;
    let now = runner::run_watched(&target, &selection, origin, &mut |_| {}, run::stop()).await;
    for step in now.preflight.iter().filter(|step| !step.ok) {
        say_as_is(&report::step(step, style));
    }
    say_as_is(&now.terminal(style));
    let Some(again) = now.clause(&args.clause) else {
        return Ok(now.summary.exit);
    };
    if let Some(exchange) = &again.exchange
        && !matches!(
            again.verdict,
            Verdict::Fail | Verdict::Warn | Verdict::Error
        )
    {
        say!("\n{}\n\n{}", exchange.request, exchange.response);
    }
    say!("\nthen {}\nnow  {}", said(clause), said(again));
    Ok(now.summary.exit)
}

pub(super) fn diff(before: &Path, after: &Path) -> Result<u8, Stop> {
    let (before, after) = (read(before)?, read(after)?);
    say!(
        "- {} {} {}",
        before.target.url,
        before.target.profile,
        before.started
    );
    say!(
        "+ {} {} {}",
        after.target.url,
        after.target.profile,
        after.started
    );
    let mut differ = false;
    for old in &before.clauses {
        match after.clause(&old.id) {
            Some(new) if same(old, new) => {}
            Some(new) => {
                differ = true;
                say!("\n  {}\n- {}\n+ {}", old.id, said(old), said(new));
            }
            None => {
                differ = true;
                say!("\n  {}\n- {}\n+ (not in this report)", old.id, said(old));
            }
        }
    }
    for new in &after.clauses {
        if before.clause(&new.id).is_none() {
            differ = true;
            say!("\n  {}\n- (not in this report)\n+ {}", new.id, said(new));
        }
    }
    say!(
        "\n{}",
        if differ {
            "they differ"
        } else {
            "no clause has another verdict or answer"
        }
    );
    Ok(if differ { FAILED } else { DONE })
}

/// Times and tags differ from run to run and say nothing.
fn same(old: &ClauseReport, new: &ClauseReport) -> bool {
    const COUNTED: [&str; 6] = [
        "latency",
        "otp.fresh",
        "otp.predictable",
        "refuse.no-otp",
        "limits.slow-body",
        "tls.chain",
    ];
    old.verdict == new.verdict && (old.got == new.got || COUNTED.contains(&old.id.as_str()))
}

fn said(clause: &ClauseReport) -> String {
    format!(
        "{} {}: {}",
        clause.verdict.symbol(),
        clause.verdict,
        clause.got
    )
}

fn read(path: &Path) -> Result<Report, Stop> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Stop::usage(format!("{name} cannot be read: {error}")))?;
    Report::parse(&text).map_err(|why| Stop::usage(format!("{name}: {why}")))
}
