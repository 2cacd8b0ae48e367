//! Which phone system is calling, told by its User-Agent and its habits.

mod settings;

use callotp_conformance::{catalogue::Clause, contract};

use self::settings::{ASTERISK, FREESWITCH, SYSTEMS, THREE_CX, TWILIO};
use super::request::Request;

/// A phone system, or a library that one is scripted with.
#[derive(Debug)]
pub(crate) struct System {
    /// Its name.
    pub(crate) name: &'static str,
    /// Marks in a User-Agent, in lower case.
    agents: &'static [&'static str],
    /// What to do about a clause, in its own words.
    settings: &'static [(&'static Clause, &'static str)],
}

impl System {
    /// What to do about a clause: this system's own setting, or what holds for all.
    pub(crate) fn remedy(&self, clause: &Clause) -> String {
        let own = self.settings.iter().find(|(of, _)| of.id == clause.id);
        match own {
            Some((_, setting)) => format!("{}: {setting}", self.name),
            None => clause.remedy.to_owned(),
        }
    }
}

/// Recognises the caller. `number` is what it sent as the calling number.
pub(crate) fn recognise(request: &Request, number: Option<&str>) -> &'static System {
    let agent = request.value("user-agent").unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    let by_agent = SYSTEMS
        .iter()
        .find(|system| system.agents.iter().any(|mark| agent.contains(mark)));
    by_agent
        .or_else(|| by_habit(request, number.unwrap_or_default()))
        .unwrap_or(&UNKNOWN)
}

/// Every system leaves its own traces where it does not give its name.
fn by_habit(request: &Request, number: &str) -> Option<&'static System> {
    let has = |name: &str| request.value(name).is_some();
    let body = String::from_utf8_lossy(&request.body);
    if has("x-twilio-signature") || has("i-twilio-idempotency-token") || body.contains("CallSid=") {
        return Some(named(TWILIO));
    }
    if number.contains("CALLERID(") || number.contains("${EXTEN") {
        return Some(named(ASTERISK));
    }
    if number.contains("${caller_id_number") || number.contains("${effective_caller_id") {
        return Some(named(FREESWITCH));
    }
    // A placeholder in square brackets is what 3CX leaves of a variable without a value.
    if number.starts_with('[') && number.ends_with(']') {
        return Some(named(THREE_CX));
    }
    let tenants = request.values(contract::TENANT_HEADER).count();
    let form = request
        .value("content-type")
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    // libcurl without a User-Agent that stacks headers, or posts JSON as a form: CURL() of the dialplan.
    if tenants > 1 || (form && request.method == "POST" && body.trim_start().starts_with('{')) {
        return Some(named(ASTERISK));
    }
    None
}

/// The system of this name.
pub(crate) fn named(name: &str) -> &'static System {
    let known = SYSTEMS.iter().find(|system| system.name == name);
    known.unwrap_or(&UNKNOWN)
}

/// Nobody we know; what holds for all systems is said instead.
pub(crate) static UNKNOWN: System = System {
    name: "unknown",
    agents: &[],
    settings: &[],
};

#[cfg(test)]
mod tests {
    use callotp_conformance::catalogue::caller as c;

    use super::*;

    fn request(headers: &[(&str, &str)], body: &'static str) -> Request {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Request {
            method: "POST".to_owned(),
            headers: headers.iter().map(owned).collect(),
            body: bytes::Bytes::from_static(body.as_bytes()),
            ..Request::default()
        }
    }

    #[test]
    fn systems_are_known_by_their_name() {
        for (agent, name) in [
            ("asterisk-libcurl-agent/1.0", "Asterisk"),
            ("freeswitch-curl/1.0", "FreeSWITCH"),
            ("curl/8.5.0", "curl"),
            ("3CXPhoneSystem/20.0", "3CX"),
            ("TwilioProxy/1.1", "Twilio"),
            ("Yeastar/1.0", "Yeastar"),
            ("Cisco-UCCX/12.5", "Cisco"),
            ("python-requests/2.31.0", "Python requests"),
            ("something/1", "unknown"),
        ] {
            let request = request(&[("User-Agent", agent)], "");
            assert_eq!(recognise(&request, None).name, name, "{agent}");
        }
    }

    #[test]
    fn systems_without_a_name_are_known_by_their_habits() {
        let stacked = request(&[("tenant", "t1"), ("tenant", "t1")], "");
        assert_eq!(recognise(&stacked, None).name, "Asterisk");
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        assert_eq!(
            recognise(&request(&form, "{\"a\":1}"), None).name,
            "Asterisk"
        );
        assert_eq!(
            recognise(&request(&form, "CallSid=1&From=2"), None).name,
            "Twilio"
        );
        let nothing = request(&[], "");
        assert_eq!(recognise(&nothing, Some("[Number]")).name, "3CX");
        assert_eq!(
            recognise(&nothing, Some("${CALLERID(num)}")).name,
            "Asterisk"
        );
        assert_eq!(recognise(&nothing, Some("+46701740605")).name, "unknown");
    }

    #[test]
    fn a_remedy_names_the_systems_own_setting_or_what_holds_for_all() {
        let asterisk = &SYSTEMS[0];
        assert!(
            asterisk
                .remedy(&c::ONCE)
                .starts_with("Asterisk: set CURLOPT(httpheader) once, before the loop")
        );
        assert_eq!(UNKNOWN.remedy(&c::ONCE), c::ONCE.remedy);
    }
}
