//! The flags.

use std::{path::PathBuf, time::Duration};

use clap::{Args as Flags, Parser, Subcommand, ValueEnum};

use super::Stop;
use crate::{
    catalogue::{Consent, Profile},
    report::Sink,
    selection::{DirectorySwitch, Rate, Selection},
    target::{Target, Written, WrittenAuth, WrittenBasic, WrittenOther, WrittenValidate, duration},
    waiver,
};

/// A verdict per clause of the getOTP contract, with evidence, on any deployment.
#[derive(Parser)]
#[command(
    name = "callotp-conformance",
    version,
    after_help = "Exit codes of run: 0 conformant, 1 not conformant, 2 flags or files wrong, \
                  3 no verdict, 4 refused for safety, 70 the suite contradicted itself."
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Preflight, then the clauses of the profile.
    Run(Box<RunArgs>),
    /// Only the way to the target: is it there, and is it described right?
    Preflight(Box<PreflightArgs>),
    /// The catalogue.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// What a clause says, where from, what is sent, and what to do when it fails.
    Explain {
        /// Its name.
        clause: String,
    },
    /// Sends exactly that again.
    Replay(Box<ReplayArgs>),
    /// How two reports differ. Exit code 1 when they do.
    Diff {
        /// A report in JSON.
        before: PathBuf,
        /// Another.
        after: PathBuf,
    },
    /// The suite against its own good variants, mutants and hostile peers.
    Selftest {
        /// When to colour.
        #[arg(long = "color", visible_alias = "colour", value_enum, default_value_t)]
        colour: Colour,
    },
    /// Writes a commented target.toml.
    Init {
        /// Where to; - is the standard output.
        #[arg(default_value = "target.toml")]
        path: PathBuf,
    },
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Flags)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    /// Says what would be sent and what it would cost, and sends nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Flags)]
pub(super) struct PreflightArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// The longest to wait for an answer.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub(super) timeout: Duration,
    /// When to colour.
    #[arg(long = "color", visible_alias = "colour", value_enum, default_value_t)]
    pub(super) colour: Colour,
    /// Says nothing when all is well.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

#[derive(Flags)]
pub(super) struct ReplayArgs {
    /// A report in JSON.
    pub(super) report: PathBuf,
    /// The clause.
    pub(super) clause: String,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// When to colour.
    #[arg(long = "color", visible_alias = "colour", value_enum, default_value_t)]
    pub(super) colour: Colour,
}

/// The target, in a file or as flags; a flag replaces what the file says.
#[derive(Flags)]
#[command(next_help_heading = "Target")]
pub(super) struct TargetArgs {
    /// A target.toml, or the address of the deployment.
    #[arg(value_name = "target.toml | URL")]
    pub(super) target: Option<String>,
    /// The address of the deployment.
    #[arg(long)]
    url: Option<String>,
    /// The value of the tenant header.
    #[arg(long)]
    tenant: Option<String>,
    /// A number of a test user: its pending OTP will be replaced.
    #[arg(long, allow_hyphen_values = true)]
    phone: Option<String>,
    /// A number nobody has.
    #[arg(long, allow_hyphen_values = true)]
    unknown_phone: Option<String>,
    /// Another tenant and a number that is known there.
    #[arg(long, value_name = "ID=PHONE")]
    other_tenant: Option<String>,
    /// An operation outside the tenant's list.
    #[arg(long, value_name = "NAME")]
    other_operation: Option<String>,
    /// Basic credentials, as USER:env:NAME or USER:file:PATH.
    #[arg(long, value_name = "USER:ENV_OR_FILE", group = "auth")]
    basic: Option<String>,
    /// A bearer token, as env:NAME or file:PATH.
    #[arg(long, value_name = "ENV_OR_FILE", group = "auth")]
    bearer: Option<String>,
    /// A client certificate in PEM.
    #[arg(long, value_name = "PEM", group = "auth", requires = "key")]
    cert: Option<String>,
    /// The key of the client certificate, in PEM.
    #[arg(long, value_name = "PEM", requires = "cert")]
    key: Option<String>,
    /// The authorities of the deployment's certificate, in PEM.
    #[arg(long, value_name = "PEM")]
    ca: Option<String>,
    /// The user whose number is --phone: unlocks the validate clauses.
    #[arg(long)]
    username: Option<String>,
    /// That user's password, as env:NAME or file:PATH.
    #[arg(long, value_name = "ENV_OR_FILE")]
    password: Option<String>,
    /// Another test user, who must not get in with an OTP of the first.
    #[arg(long, value_name = "NAME")]
    other_username: Option<String>,
    /// That user's password, as env:NAME or file:PATH.
    #[arg(long, value_name = "ENV_OR_FILE")]
    other_password: Option<String>,
    /// How long an OTP lives: up to 10s, or with --allow wait, unlocks validate.expired.
    #[arg(long, value_name = "5s")]
    otp_lifetime: Option<String>,
    /// The operation that validates; none when there is none.
    #[arg(long, value_name = "NAME")]
    validate_operation: Option<String>,
    /// It is in production: at most one request a second, nothing risky without --allow.
    #[arg(long)]
    production: bool,
}

/// Which clauses, and how.
#[derive(Flags)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// How deep to look; each profile contains the ones before.
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Only clauses that begin so; repeatable.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    only: Vec<String>,
    /// No clauses that begin so; repeatable.
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    skip: Vec<String>,
    /// A should counts like a must.
    #[arg(long)]
    strict: bool,
    /// A file of known failures.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// The most OTPs to have issued.
    #[arg(long, value_name = "N", default_value_t = 60)]
    max_otp: u32,
    /// How fast requests may follow one another; 0 for no limit.
    #[arg(long, default_value = "5/s")]
    rate: Rate,
    /// The longest to wait for an answer.
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    timeout: Duration,
    /// Consents: authfail (wrong credentials) and wait are always asked for, raw, load and
    /// inject on a production target only.
    #[arg(long, value_enum, value_delimiter = ',')]
    allow: Vec<Consent>,
    /// A shell command that makes the target's directory unreachable: unlocks backend.down.
    #[arg(long, value_name = "COMMAND", requires = "directory_on")]
    directory_off: Option<String>,
    /// A shell command that makes it reachable again; run also when the run is interrupted.
    #[arg(long, value_name = "COMMAND", requires = "directory_off")]
    directory_on: Option<String>,
}

#[derive(Flags)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Writes a report: json, junit, html, md or ndjson; repeatable.
    #[arg(long, value_name = "KIND=PATH")]
    pub(super) report: Vec<Sink>,
    /// Says the outcome only.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// When to colour.
    #[arg(long = "color", visible_alias = "colour", value_enum, default_value_t)]
    pub(super) colour: Colour,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    duration(text)
}

impl TargetArgs {
    /// Is any of it given?
    pub(super) fn names_a_file(&self) -> bool {
        self.target
            .as_deref()
            .is_some_and(|target| !target.contains("://"))
    }

    /// The file, with the flags on top, checked.
    pub(super) fn check(self) -> Result<Target, Stop> {
        let mut written = match &self.target {
            Some(target) if target.contains("://") => Written {
                url: Some(target.clone()),
                ..Written::default()
            },
            Some(path) => Written::read(path.as_ref()).map_err(Stop::usage)?,
            None => Written::default(),
        };
        self.apply(&mut written)?;
        written.check().map_err(Stop::usage)
    }

    /// The same, with a tenant for when neither file nor flag names one.
    pub(super) fn check_with_tenant(mut self, tenant: &str) -> Result<Target, Stop> {
        if !self.names_a_file() {
            self.tenant.get_or_insert_with(|| tenant.to_owned());
        }
        self.check()
    }

    fn apply(self, written: &mut Written) -> Result<(), Stop> {
        // Flags are relative to where the person is, the file's paths to the file.
        let here = |path: String| match std::env::current_dir() {
            Ok(folder) => folder.join(&path).display().to_string(),
            Err(_) => path,
        };
        let reference = |text: String| match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => format!("file:{}", here(path.to_owned())),
            _ => text,
        };
        replace(&mut written.url, self.url);
        replace(&mut written.tenant, self.tenant);
        replace(&mut written.numbers.known, self.phone);
        replace(&mut written.numbers.unknown, self.unknown_phone);
        replace(&mut written.other_operation, self.other_operation);
        replace(&mut written.ca, self.ca.map(here));
        if let Some(other) = self.other_tenant {
            let (id, known) = other
                .split_once('=')
                .ok_or_else(|| Stop::usage("--other-tenant: write ID=PHONE"))?;
            written.other_tenant = Some(WrittenOther {
                id: id.to_owned(),
                known: known.to_owned(),
            });
        }
        if let Some(basic) = self.basic {
            let (username, password) = basic
                .split_once(':')
                .ok_or_else(|| Stop::usage("--basic: write USER:env:NAME or USER:file:PATH"))?;
            written.auth = Some(WrittenAuth::Basic {
                basic: WrittenBasic {
                    username: username.to_owned(),
                    password: reference(password.to_owned()),
                },
            });
        }
        if let Some(bearer) = self.bearer {
            written.auth = Some(WrittenAuth::Bearer {
                bearer: reference(bearer),
            });
        }
        if let (Some(certificate), Some(key)) = (self.cert, self.key) {
            let key = match key.starts_with("env:") || key.starts_with("file:") {
                true => reference(key),
                false => format!("file:{}", here(key)),
            };
            written.auth = Some(WrittenAuth::Certificate {
                certificate: here(certificate),
                key,
            });
        }
        let validate_flags = self.username.is_some()
            || self.password.is_some()
            || self.other_username.is_some()
            || self.other_password.is_some()
            || self.otp_lifetime.is_some()
            || self.validate_operation.is_some();
        let names_none = self.validate_operation.as_deref() == Some("none");
        if validate_flags && (written.validate.is_some() || self.username.is_some() || !names_none)
        {
            let validate = written
                .validate
                .get_or_insert_with(WrittenValidate::default);
            replace(&mut validate.username, self.username);
            replace(&mut validate.password, self.password.map(reference));
            replace(&mut validate.other_username, self.other_username);
            replace(
                &mut validate.other_password,
                self.other_password.map(reference),
            );
            replace(&mut validate.lifetime, self.otp_lifetime);
            replace(&mut validate.operation, self.validate_operation);
        }
        if self.production {
            written.production = Some(true);
        }
        Ok(())
    }
}

impl SelectionArgs {
    pub(super) fn check(self) -> Result<Selection, Stop> {
        let waivers = match &self.waivers {
            Some(path) => waiver::read(path).map_err(Stop::usage)?,
            None => Vec::new(),
        };
        Ok(Selection {
            profile: self.profile,
            only: self.only,
            skip: self.skip,
            strict: self.strict,
            waivers,
            max_otp: self.max_otp,
            rate: self.rate,
            timeout: self.timeout,
            allow: self.allow.into_iter().collect(),
            directory: self
                .directory_off
                .zip(self.directory_on)
                .map(|(off, on)| DirectorySwitch { off, on }),
            ..Selection::default()
        })
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_one_another() {
        Args::command().debug_assert();
    }
}
