//! `list` and `explain`.

use super::{DONE, Stop};
use crate::catalogue::{self, Clause, Consent, Level, Profile, Side, UNSEEN};

/// A clause as `list --json` writes it.
#[derive(serde::Serialize)]
struct Listed {
    id: &'static str,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    raised: Option<Raised>,
    profile: Profile,
    side: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent>,
    says: &'static str,
    source: &'static str,
}

#[derive(serde::Serialize)]
struct Raised {
    profile: Profile,
    level: Level,
}

impl From<&Clause> for Listed {
    fn from(clause: &Clause) -> Self {
        Self {
            id: clause.id,
            level: clause.level,
            raised: clause
                .raised
                .map(|(profile, level)| Raised { profile, level }),
            profile: clause.profile,
            side: clause.side,
            consent: clause.consent,
            says: clause.text,
            source: clause.source,
        }
    }
}

pub(super) fn list(json: bool) -> u8 {
    if json {
        let all: Vec<Listed> = catalogue::all().map(Listed::from).collect();
        let text = serde_json::to_string_pretty(&all).expect("the catalogue is plain data");
        say!("{text}");
        return DONE;
    }
    for clause in catalogue::all() {
        say!(
            "{:<26} {:<8} {:<9} {:<7} {}",
            clause.id,
            clause.level,
            clause.profile,
            clause.side,
            clause.text
        );
    }
    DONE
}

pub(super) fn explain(id: &str) -> Result<u8, Stop> {
    let Some(clause) = catalogue::clause(id) else {
        let nearest = catalogue::all()
            .map(|clause| (strsim::damerau_levenshtein(id, clause.id), clause.id))
            .min();
        let hint = nearest.map_or(String::new(), |(_, id)| format!("; did you mean {id}?"));
        return Err(Stop::usage(format!("there is no clause {id:?}{hint}")));
    };
    say!("{}\n  {}\n", clause.id, clause.text);
    let mut level = format!("{}, from the profile {}", clause.level, clause.profile);
    if let Some((profile, raised)) = clause.raised {
        level.push_str(&format!("; {raised} from {profile}"));
    }
    row("level", &level);
    row("binds", &format!("the {}", clause.side));
    row("source", clause.source);
    match clause.side {
        Side::Server => row("sent", clause.sent),
        Side::Caller => row("watched", clause.sent),
    }
    row("to do", clause.remedy);
    if let Some(consent) = clause.consent {
        let when = match consent {
            Consent::Authfail | Consent::Wait => "always",
            _ => "on a production target",
        };
        row("consent", &format!("--allow {consent}, {when}"));
    }
    match clause.side {
        Side::Caller => say!("\nThis suite cannot see callers; the mock judges them."),
        Side::Server => {
            say!("\nWhat no client can see through this API:");
            for unseen in UNSEEN {
                say!("  - {unseen}");
            }
        }
    }
    Ok(DONE)
}

fn row(name: &str, text: &str) {
    say!("  {name:<8} {text}");
}
