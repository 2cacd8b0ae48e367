//! The directory switched off, by commands that the operator gave for it.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    exchange::{Exchange, Trouble},
    runner::Session,
    selection::DirectorySwitch,
    verdict::Finding,
};

/// How often the golden request is sent while the directory is off: the first may still
/// find an open connection.
const CALLS: u32 = 3;
/// The longest an answer may take.
const LIMIT: Duration = Duration::from_secs(3);
/// How long a command may run, and how long a target may take to find its directory again.
const COMMAND: Duration = Duration::from_secs(30);
const RECOVERY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(20);

pub(super) async fn down(session: &mut Session<'_>) -> Finding {
    const EXPECTED: &str = "no OTP, and an answer within 3 s";
    let Some(switch) = session.selection.directory.clone() else {
        return Finding::untested("the suite does not control the directory");
    };
    if let Err(why) = session.control().await {
        return Finding::untested(why).expecting(EXPECTED);
    }
    let off = match Off::switch(switch).await {
        Ok(off) => off,
        Err(why) => return Finding::error(why).expecting(EXPECTED),
    };
    let finding = while_off(session).await.expecting(EXPECTED);
    if let Err(why) = off.switch_on().await {
        return Finding::error(why).expecting(EXPECTED);
    }
    match recovered(session).await {
        true => finding.settled(),
        false => finding.without_control("with the directory on again there is still no OTP"),
    }
}

async fn while_off(session: &mut Session<'_>) -> Finding {
    let golden = session.golden();
    let mut finding = Finding::untested("nothing was sent");
    for _ in 0..CALLS {
        session.turn().await;
        let exchange = session.wire.exchange(&golden).await;
        session.note(&exchange);
        if let Some((got, likely)) = objection(&exchange) {
            let finding = Finding::broken(got).likely(likely).with(&exchange);
            return match session.otp_of(&exchange) {
                Some(_) => finding,
                None => finding.provisional(),
            };
        }
        let took = exchange.took.as_millis();
        finding = Finding::held(format!("{} in {took} ms", exchange.got()))
            .with(&exchange)
            .provisional();
    }
    finding
}

fn objection(exchange: &Exchange) -> Option<(String, &'static str)> {
    match &exchange.result {
        Ok(answer) if answer.any_otp().is_some() => Some((
            exchange.got(),
            "users are remembered, and whether they still may log in is not asked; \
             or the command does not reach this target's directory",
        )),
        Ok(_) if exchange.took <= LIMIT => None,
        Err(Trouble::Timeout(_)) | Ok(_) => Some((
            format!("no answer within 3 s: {}", exchange.got()),
            "the question to the directory has no deadline, or a longer one",
        )),
        Err(trouble) => Some((
            format!("no answer: {trouble}"),
            "the program that answers ended with an exception instead of a refusal",
        )),
    }
}

/// Does the golden request get its OTP again?
async fn recovered(session: &mut Session<'_>) -> bool {
    let end = Instant::now() + RECOVERY;
    loop {
        session.send_golden().await;
        if session.is_fresh() {
            return true;
        }
        if session.is_spent() || Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A directory that is off. Whatever ends the run switches it on again.
struct Off(Option<DirectorySwitch>);

impl Off {
    async fn switch(switch: DirectorySwitch) -> Result<Self, String> {
        let command = shell(&switch.off);
        // From here on it may be off.
        let off = Self(Some(switch));
        run("--directory-off", command).await.map(|()| off)
    }

    async fn switch_on(mut self) -> Result<(), String> {
        match self.0.take() {
            Some(switch) => run("--directory-on", shell(&switch.on)).await,
            None => Ok(()),
        }
    }
}

impl Drop for Off {
    fn drop(&mut self) {
        if let Some(switch) = self.0.take() {
            // Nobody is left to tell that it cannot be started.
            let _ = shell(&switch.on).spawn();
        }
    }
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null());
    // What it prints is no part of a report, which may go to the standard output.
    command.stdout(Stdio::null());
    command
}

async fn run(flag: &str, mut command: Command) -> Result<(), String> {
    let failed = |error| format!("the command of {flag} cannot be run: {error}");
    let mut child = command.spawn().map_err(failed)?;
    let end = Instant::now() + COMMAND;
    loop {
        match child.try_wait().map_err(failed)? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("the command of {flag} ended with {status}")),
            None if Instant::now() >= end => {
                child.kill().map_err(failed)?;
                let limit = COMMAND.as_secs();
                return Err(format!(
                    "the command of {flag} did not end within {limit} s"
                ));
            }
            None => tokio::time::sleep(POLL).await,
        }
    }
}
