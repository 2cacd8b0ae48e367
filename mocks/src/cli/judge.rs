//! `judge`: runs a command as the phone system, and gives its verdict as the exit code.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{ChildStdout, Command},
};

use super::{DONE, FAILED, NOTHING_CALLED, USAGE, WorldArguments, complain, tell};
use crate::{
    concealed, heard,
    journal::{Call, Event, Spoken},
    mock::{Mock, unmet},
    scenario::{Expectation, Scenario},
};

/// Time for the ends of the last connections to be seen.
const SETTLE: Duration = Duration::from_millis(60);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What the world holds; without it, tenant t1 and the magic numbers.
    scenario: Option<PathBuf>,
    #[command(flatten)]
    world: WorldArguments,
    /// The command and its arguments, after --.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) async fn run(arguments: Arguments) -> u8 {
    let built = arguments.world.builder(arguments.scenario.as_deref());
    let (builder, scenario) = match built {
        Ok(built) => built,
        Err(error) => {
            complain(error);
            return USAGE;
        }
    };
    let mock = match builder.start().await {
        Ok(mock) => Arc::new(mock),
        Err(error) => {
            complain(error);
            return FAILED;
        }
    };
    let ca = match arguments
        .world
        .tls
        .then(|| CaFile::write(&mock))
        .transpose()
    {
        Ok(ca) => ca,
        Err(error) => {
            complain(format!("the CA cannot be written down: {error}"));
            return FAILED;
        }
    };
    tell(&format!("seed {}", mock.seed()));
    if let Err(error) = call(&mock, &scenario, &arguments.command, ca.as_ref()).await {
        complain(format!("{} cannot be run: {error}", arguments.command[0]));
        return FAILED;
    }
    tokio::time::sleep(SETTLE).await;
    verdict(&mock, &scenario)
}

/// The mock's CA in a file, while the command runs.
struct CaFile(PathBuf);

impl CaFile {
    fn write(mock: &Mock) -> std::io::Result<Self> {
        let name = format!(
            "callotp-mock-{}-{}.pem",
            std::process::id(),
            mock.http_address().port()
        );
        let path = std::env::temp_dir().join(name);
        let mut options = std::fs::OpenOptions::new();
        // A file that is there already is somebody else's.
        let mut file = options.write(true).create_new(true).open(&path)?;
        std::io::Write::write_all(&mut file, mock.ca_pem().as_bytes())?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // What cannot be removed is a certificate, and no secret.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn call(
    mock: &Arc<Mock>,
    scenario: &Scenario,
    command: &[String],
    ca: Option<&CaFile>,
) -> std::io::Result<()> {
    let tenant = scenario.tenants.keys().next().cloned().unwrap_or_default();
    let mut child = Command::new(&command[0]);
    child
        .args(&command[1..])
        .env("CALLOTP_URL", mock.url())
        .env("CALLOTP_TENANT", tenant)
        .env("CALLOTP_LDAP_URL", mock.directory().url())
        .env("CALLOTP_ADMIN_URL", mock.admin_url())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if let Some(ca) = ca {
        child.env("CALLOTP_CA", ca.path());
    }
    let stopped = super::stopped();
    let mut child = child.spawn()?;
    let listening = child
        .stdout
        .take()
        .map(|out| tokio::spawn(listen(out, Arc::clone(mock))));
    let status = tokio::select! {
        status = child.wait() => status?,
        () = stopped => {
            child.start_kill()?;
            child.wait().await?
        }
    };
    if let Some(listening) = listening {
        // A grandchild may keep the pipe open: what the command itself said has been read by then.
        let _ = tokio::time::timeout(Duration::from_secs(1), listening).await;
    }
    if !status.success() {
        tell(&format!("the command ended with {status}"));
    }
    Ok(())
}

/// Passes on what the command prints, and takes lines of digits for what it speaks.
async fn listen(out: ChildStdout, mock: Arc<Mock>) {
    let mut lines = BufReader::new(out);
    let mut line = Vec::new();
    // Every call is asked once for what was said of it.
    let said: Mutex<Vec<u64>> = Mutex::default();
    while matches!(lines.read_until(b'\n', &mut line).await, Ok(1..)) {
        // Nobody may be reading what the command says; its calls count all the same.
        pass_on(&line);
        let text = String::from_utf8_lossy(&line).into_owned();
        hear(
            &text,
            &mock,
            &mut said.lock().unwrap_or_else(PoisonError::into_inner),
        );
        line.clear();
    }
}

fn pass_on(line: &[u8]) {
    let mut out = std::io::stdout().lock();
    // See above: a reader that is gone changes no verdict.
    let _ = out.write_all(line).and_then(|()| out.flush());
}

/// A line that holds nothing but digits, or their words, is speech: when it is the code of a
/// call, its decoy, or what is left of the code without its zeros, that call was heard so.
/// What is as long as a code and is none, or a number in words, was heard of the call before.
/// Everything else a command may print says nothing about a call.
fn hear(line: &str, mock: &Mock, said: &mut Vec<u64>) {
    let calls = mock.journal().calls();
    let Some(heard) = speech(line) else {
        return;
    };
    let codes = || calls.iter().filter_map(|call| code(&call.answer.spoken));
    let meant = |call: &&Arc<Call>| {
        let Some(code) = code(&call.answer.spoken) else {
            return false;
        };
        let without_zeros = code.trim_start_matches('0') == heard;
        code == heard || (code.starts_with('0') && without_zeros)
    };
    let unsaid = |call: &&Arc<Call>| !said.contains(&call.number);
    let mut latest = calls.iter().rev();
    let call = match calls.iter().rev().filter(unsaid).find(meant) {
        Some(call) => Some(call),
        // Read out once more.
        None if codes().any(|code| code == heard) => None,
        None => latest
            .find(|call| call.event == Event::Call && call.answer.status.is_some())
            .filter(|call| unsaid(call) && could_be_code(&heard, &call.answer.spoken)),
    };
    if let Some(call) = call {
        said.push(call.number);
        // The call was in the journal a moment ago; should it be gone, nothing can be said of it.
        let _ = heard::report(mock.journal(), call.number, &heard);
    }
}

fn code(spoken: &Spoken) -> Option<&str> {
    match spoken {
        Spoken::Digits(code) | Spoken::DigitsOrNothing(code) | Spoken::Decoy(code) => Some(code),
        Spoken::Nothing => None,
    }
}

/// Would a phone system that says this mean a code by it: is it as long as the one that was
/// issued, or as an ordinary one when none was?
fn could_be_code(heard: &str, spoken: &Spoken) -> bool {
    let length = code(spoken).map_or(DIGITS, str::len);
    let cut = heard.len() >= SHORTEST
        && code(spoken).is_some_and(|code| code.starts_with(heard) || code.ends_with(heard));
    heard::is_number(heard) || heard.len() == length || cut
}

/// How long an ordinary code is, and what is left of one that was cut.
const DIGITS: usize = 6;
const SHORTEST: usize = 4;

fn speech(line: &str) -> Option<String> {
    if heard::is_number(line) {
        return Some(line.trim().to_owned());
    }
    let words = line
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let digits: Vec<String> = words.map(heard::digits).collect();
    let whole = digits.iter().all(|digits| !digits.is_empty());
    let letters = line.chars().any(char::is_alphabetic);
    // Words are digits one by one; a word with letters and several digits is something else.
    let single = !letters || digits.iter().all(|digits| digits.len() == 1);
    (whole && single && !digits.is_empty() && line.len() < 200).then(|| digits.concat())
}

fn verdict(mock: &Mock, scenario: &Scenario) -> u8 {
    let journal = mock.journal();
    let calls = journal.calls();
    for call in calls
        .iter()
        .filter(|call| !call.passed() || call.note.is_some())
    {
        tell(&described(call));
    }
    let called = calls.iter().filter(|call| counts(call)).count();
    if called == 0 {
        tell("nothing was called: no verdict");
        return NOTHING_CALLED;
    }
    let failed = calls.iter().filter(|call| !call.passed()).count();
    let (dropped, dropped_failed) = (journal.dropped(), journal.dropped_failed());
    let unmet: Vec<String> = scenario
        .expect
        .iter()
        .filter_map(|expected| {
            unmet(
                expected,
                &journal.verify(expected, held_at(expected, &calls)),
            )
        })
        .collect();
    for unmet in &unmet {
        tell(unmet);
    }
    let all = calls.len() as u64 + dropped;
    let failed = failed as u64 + dropped_failed;
    match failed == 0 && unmet.is_empty() {
        true => {
            tell(&format!("verdict: pass, {all} entries"));
            DONE
        }
        false => {
            tell(&format!(
                "verdict: fail, {failed} of {all} entries, {} expectations unmet",
                unmet.len()
            ));
            FAILED
        }
    }
}

/// The moment at which `within` ends: so long after the first call that counts.
fn held_at(expected: &Expectation, calls: &[Arc<Call>]) -> u64 {
    let first = calls
        .iter()
        .find(|call| call.event == Event::Call && expected.is_about(call));
    match (first, expected.within) {
        (Some(first), Some(within)) => first.at + crate::clock::millis(within),
        _ => u64::MAX,
    }
}

/// A request, or a certificate that was rightly refused; not a request for something else.
fn counts(call: &Call) -> bool {
    match call.event {
        Event::Call | Event::Garbage | Event::Closed => true,
        Event::Other => true,
        Event::Tls => call
            .note
            .as_deref()
            .is_some_and(|note| note.ends_with("so that was right")),
    }
}

fn described(call: &Call) -> String {
    let (method, path) = call.request_line();
    let path = concealed::target(&path);
    let head = String::from_utf8_lossy(&call.head);
    let what = match call.event {
        Event::Call | Event::Other => format!("{method} {path}"),
        other => other.name().to_owned(),
    };
    let number = call.calling.as_deref().unwrap_or_default();
    let note = call.note.as_deref().unwrap_or_default();
    let mut text = format!("{} {} {what} {number} {note}", call.id(), call.verdict());
    for found in &call.findings {
        let level = found.clause.level;
        text.push_str(&format!(
            "\n  {} ({level}): {}\n    {}",
            found.clause.id,
            concealed::quoting(&found.says, &head),
            found.remedy
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_digits_is_speech() {
        for (line, digits) in [
            ("053219\n", Some("053219")),
            ("0 5 3 2 1 9", Some("053219")),
            ("zero five three two one nine\n", Some("053219")),
            ("fifty three thousand\n", Some("fifty three thousand")),
            ("{\"otp\":\"053219\"}", None),
            ("HTTP/1.1 200", None),
            ("call 1 of 2", None),
            ("", None),
            ("   \n", None),
        ] {
            assert_eq!(speech(line).as_deref(), digits, "{line:?}");
        }
    }
}
