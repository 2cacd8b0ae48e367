//! Which phone system is calling, told by its User-Agent and its habits, and what
//! its own settings are called. What the systems can do is from their public documentation.

use callotp_conformance::{
    catalogue::{Clause, caller as c},
    contract,
};

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

const ASTERISK: &str = "Asterisk";
const FREESWITCH: &str = "FreeSWITCH";
const THREE_CX: &str = "3CX";
const TWILIO: &str = "Twilio";

/// Nobody we know; what holds for all systems is said instead.
pub(crate) static UNKNOWN: System = System {
    name: "unknown",
    agents: &[],
    settings: &[],
};

static SYSTEMS: [System; 17] = [
    System {
        name: ASTERISK,
        agents: &["asterisk", "freepbx", "wazo", "issabel"],
        settings: &[
            (
                &c::PUT,
                "CURL() sends GET, or POST when it is given data, and has no option for PUT: use SHELL(curl -X PUT ...), an AGI script or an ARI application; or let the server accept POST (accept_post = true)",
            ),
            (
                &c::PATH,
                "write the URL in CURL(https://host/api/authentication/getOTP,...) out; CURL() adds nothing to it",
            ),
            (
                &c::TENANT,
                "Set(CURLOPT(httpheader)=tenant: t1) once, before the loop: each further Set adds a line, and the lines stay for the whole channel",
            ),
            (
                &c::TYPE,
                "Set(CURLOPT(httpheader)=Content-Type: application/json): setting any httpheader takes curl's own form type away, and setting none leaves it",
            ),
            (
                &c::AUTH,
                "Set(CURLOPT(userpwd)=name:password), or one more CURLOPT(httpheader)=Authorization: Basic ...",
            ),
            (
                &c::BODY,
                "give CURL() the JSON as its second argument with the commas escaped as \\, : {\"phonenumber\":\"${CALLERID(num)}\"}",
            ),
            (
                &c::BODY_ONLY,
                "leave UNIQUEID and the like out of the JSON given to CURL()",
            ),
            (
                &c::NUMBER_PLAUSIBLE,
                "send ${FILTER(+0-9,${CALLERID(num)})}; CALLERID(all) holds the name too",
            ),
            (
                &c::NUMBER_WITHHELD,
                "look at ${CALLERID(num-pres)} and at an empty CALLERID(num) with GotoIf before calling CURL()",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "the text between ${ and } was not evaluated: inside SHELL() or an AGI argument quote it for the dialplan, not for the shell, and spell the variable as ${CALLERID(num)}",
            ),
            (
                &c::ONCE,
                "set CURLOPT(httpheader) once, before the loop: every Set adds a line to all later requests of the channel",
            ),
            (
                &c::NO_RETRY_AFTER_403,
                "do not loop on an empty CURL() result: with CURLOPT(failurecodes)=403 a refusal is empty too",
            ),
            (
                &c::RETRY_BOUNDED,
                "count the rounds in a variable, and Wait(1) before the second",
            ),
            (
                &c::TIMEOUT,
                "Set(CURLOPT(httptimeout)=5) and Set(CURLOPT(conntimeout)=2): the default is 180 s; in SHELL(), curl --max-time 5",
            ),
            (
                &c::TLS_VERIFIED,
                "Set(CURLOPT(ssl_verifypeer)=1) and, from Asterisk 18 on, CURLOPT(ssl_verifyhost)=2 with CURLOPT(ssl_cainfo)=/path/ca.pem",
            ),
            (
                &c::CHECKS_STATUS,
                "CURL() shows no status: set CURLOPT(failurecodes)=400,401,403,404,429,500,503 so that a refusal is empty, or use SHELL(curl -w ' %{http_code}' ...) and compare the end with 200",
            ),
            (
                &c::CHECKS_BODY,
                "GotoIf($[\"${JSON_DECODE(RESULT,otp)}\"=\"\"]?failed) before SayDigits",
            ),
            (
                &c::SPEAKS_DIGITS,
                "SayDigits(${OTP}), not SayNumber, and never through $[...] or MATH(), which make an integer of it",
            ),
        ],
    },
    System {
        name: FREESWITCH,
        agents: &["freeswitch"],
        settings: &[
            (
                &c::PUT,
                "the curl application takes the method as a word: curl https://... content-type application/json put {...}; httapi knows only GET and POST",
            ),
            (
                &c::TENANT,
                "append_headers tenant:t1 on the curl line, once",
            ),
            (
                &c::TYPE,
                "content-type application/json on the curl line: the default is application/x-www-form-urlencoded",
            ),
            (
                &c::AUTH,
                "append_headers 'Authorization:Basic ...' on the curl line, or name:password in the URL",
            ),
            (
                &c::BODY,
                "quote the JSON after put: '{\"phonenumber\":\"${caller_id_number}\"}'",
            ),
            (
                &c::NUMBER_PLAUSIBLE,
                "send ${caller_id_number}; sip_from_uri and sip_full_from hold a whole URI",
            ),
            (
                &c::NUMBER_WITHHELD,
                "look at ${privacy_hide_number} and at ${caller_id_number} with a condition before calling curl",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "${caller_id_number} is expanded in the dialplan only: in Lua or JavaScript read it with session:getVariable(\"caller_id_number\")",
            ),
            (
                &c::ONCE,
                "append_headers adds to every request of the channel: give it once",
            ),
            (
                &c::TIMEOUT,
                "connect-timeout 2 and timeout 5 on the curl line",
            ),
            (
                &c::TLS_VERIFIED,
                "validate-certs true on the curl line or in curl.conf.xml: it is off by default; give it the CA with the system's store",
            ),
            (
                &c::CHECKS_STATUS,
                "look at ${curl_response_code} before ${curl_response_data}",
            ),
            (
                &c::CHECKS_BODY,
                "test the value that was cut out of ${curl_response_data} for being empty before say",
            ),
            (
                &c::SPEAKS_DIGITS,
                "say en telephone_number pronounced or say en number iterated; pronounced numbers lose the zeros",
            ),
        ],
    },
    System {
        name: THREE_CX,
        agents: &["3cx"],
        settings: &[
            (
                &c::PUT,
                "in the Call Flow Designer set the HTTP Request component's RequestType to PUT",
            ),
            (
                &c::TENANT,
                "add tenant once under Headers of the HTTP Request component",
            ),
            (
                &c::TYPE,
                "set ContentType of the HTTP Request component to application/json",
            ),
            (
                &c::AUTH,
                "set AuthenticationType of the HTTP Request component to Basic User/Password, or put Authorization under Headers: then it goes with the first request",
            ),
            (
                &c::BODY,
                "build Content with CONCATENATE, the quotation marks included, around session.ani",
            ),
            (&c::NUMBER_PLAUSIBLE, "send session.ani"),
            (
                &c::NUMBER_WITHHELD,
                "put a Condition on session.ani before the HTTP Request component",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "the placeholder in square brackets stayed because its variable was empty: put a Condition before the request, and check the spelling",
            ),
            (
                &c::TIMEOUT,
                "set Timeout of the HTTP Request component to 5 s: samples carry 30",
            ),
            (
                &c::TLS_VERIFIED,
                "take a ServicePointManager.ServerCertificateValidationCallback that always says yes out of the custom code",
            ),
            (
                &c::CHECKS_STATUS,
                "branch on ResponseStatusCode of the HTTP Request component before the JSON Parser",
            ),
            (
                &c::CHECKS_BODY,
                "branch on the JSON Parser's value being empty before the Prompt Playback",
            ),
            (
                &c::SPEAKS_DIGITS,
                "use a Number prompt with the format Digits, from a String variable",
            ),
        ],
    },
    System {
        name: "Cisco",
        agents: &["cisco", "uccx", "cvp"],
        settings: &[
            (
                &c::PUT,
                "in UCCX set Method of the Make REST Call step to PUT; in CVP set it in Rest_Client",
            ),
            (
                &c::TENANT,
                "name tenant once in Headers of the Make REST Call step",
            ),
            (
                &c::TYPE,
                "set Content-Type of the Make REST Call step to application/json",
            ),
            (
                &c::AUTH,
                "put Authorization into Headers: the step's own user and password wait to be asked",
            ),
            (
                &c::NUMBER_PLAUSIBLE,
                "take the calling number from Get Call Contact Info (Calling Number); in CVP, Call.ANI",
            ),
            (
                &c::TIMEOUT,
                "set the time-out of the Make REST Call step to 5000 ms; in CVP, connect 3000 and read 5000 ms: beyond 10 s the caller is cut off",
            ),
            (
                &c::TLS_VERIFIED,
                "upload the server's CA to the tomcat-trust store, rather than taking every certificate",
            ),
            (
                &c::CHECKS_STATUS,
                "branch on the step's status code before Get JSON Document Data",
            ),
            (
                &c::SPEAKS_DIGITS,
                "Create Generated Prompt with the generator Telephone number or Spelling, from a String",
            ),
        ],
    },
    System {
        name: TWILIO,
        agents: &["twilio"],
        settings: &[
            (
                &c::PUT,
                "the HTTP widget of Studio sends GET or POST only: call a Function (Run Function) that sends the PUT",
            ),
            (
                &c::TYPE,
                "set Content Type of the widget to Application/JSON",
            ),
            (
                &c::TENANT,
                "send tenant from the Function; the widget sets no header of yours",
            ),
            (&c::AUTH, "set the Authorization header in the Function"),
            (&c::NUMBER_PLAUSIBLE, "send {{trigger.call.From}}"),
            (
                &c::NUMBER_WITHHELD,
                "compare From with anonymous, restricted and the old +266696687, +7378742833, +8656696, +2562533 and +86282452253 before the Function",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "the widget's Liquid variable has no value: for a call it is {{trigger.call.From}}",
            ),
            (
                &c::TIMEOUT,
                "give the request in the Function a time limit of 5 s; Twilio waits 15",
            ),
            (
                &c::CHECKS_STATUS,
                "branch on {{widgets.http_1.status_code}}",
            ),
            (
                &c::SPEAKS_DIGITS,
                "put a space between the digits in Say, or use say-as interpret-as=\"digits\": 053219 is spoken as a number otherwise",
            ),
        ],
    },
    System {
        name: "Yeastar",
        agents: &["yeastar"],
        settings: &[
            (&c::PUT, "set Method of the HTTP Request component to PUT"),
            (
                &c::TENANT,
                "add tenant once under Headers of the HTTP Request component",
            ),
            (
                &c::TYPE,
                "set Content-Type of the HTTP Request component to application/json",
            ),
            (
                &c::AUTH,
                "add Authorization under Headers of the HTTP Request component",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "pick the caller's number from the list of variables instead of typing it",
            ),
            (
                &c::TIMEOUT,
                "set Timeout of the HTTP Request component to 5 s",
            ),
            (
                &c::CHECKS_STATUS,
                "branch on the component's status code before Play Prompt",
            ),
            (
                &c::SPEAKS_DIGITS,
                "play the variable as digits, not as a number",
            ),
        ],
    },
    System {
        name: "Genesys",
        agents: &["genesys", "purecloud"],
        settings: &[
            (&c::PUT, "set requestType of the data action to PUT"),
            (
                &c::TIMEOUT,
                "set the time-out of Call Data Action to 5 s, and speak on its Timeout path",
            ),
            (&c::CHECKS_STATUS, "speak on the Success path only"),
            (
                &c::SPEAKS_DIGITS,
                "ToAudioTTS of a string with spaces, or the digits audio expression",
            ),
        ],
    },
    System {
        name: "Python requests",
        agents: &[
            "python-requests",
            "python-httpx",
            "aiohttp",
            "python-urllib",
        ],
        settings: &[
            (
                &c::PUT,
                "requests.put(url, json={\"phonenumber\": number}, headers={\"tenant\": \"t1\"}, auth=(name, password), timeout=5)",
            ),
            (
                &c::TYPE,
                "json={...} sets the Content-Type; data=json.dumps(...) does not",
            ),
            (&c::BODY, "json={\"phonenumber\": str(number)}"),
            (
                &c::AUTH,
                "auth=(name, password) with requests goes with the first request; urllib's HTTPBasicAuthHandler waits to be asked, so set the Authorization header yourself",
            ),
            (&c::TIMEOUT, "timeout=5: without it requests waits for ever"),
            (
                &c::TLS_VERIFIED,
                "take verify=False out, and give verify=\"ca.pem\"",
            ),
            (
                &c::RETRY_BOUNDED,
                "Retry(total=1, backoff_factor=0.5, status_forcelist=[502, 503, 504])",
            ),
            (&c::NO_RETRY_AFTER_403, "leave 403 out of status_forcelist"),
            (
                &c::CHECKS_STATUS,
                "response.status_code == 200 before response.json()",
            ),
            (&c::SPEAKS_DIGITS, "keep otp a str: int() loses the zeros"),
        ],
    },
    System {
        name: "Node.js",
        agents: &["node", "undici", "axios", "got (", "superagent"],
        settings: &[
            (
                &c::TYPE,
                "headers: {\"Content-Type\": \"application/json\"} with body: JSON.stringify(...)",
            ),
            (
                &c::TIMEOUT,
                "signal: AbortSignal.timeout(5000) with fetch; timeout: 5000 with axios",
            ),
            (
                &c::TLS_VERIFIED,
                "take rejectUnauthorized: false and NODE_TLS_REJECT_UNAUTHORIZED=0 out; NODE_EXTRA_CA_CERTS=ca.pem instead",
            ),
            (
                &c::CHECKS_STATUS,
                "fetch does not fail on a 403: look at response.ok",
            ),
            (
                &c::SPEAKS_DIGITS,
                "keep otp a string: Number() and + lose the zeros",
            ),
        ],
    },
    System {
        name: "Go",
        agents: &["go-http-client"],
        settings: &[
            (
                &c::TIMEOUT,
                "http.Client{Timeout: 5 * time.Second}: the default client has none",
            ),
            (
                &c::TLS_VERIFIED,
                "take InsecureSkipVerify out; RootCAs instead",
            ),
            (&c::AUTH, "req.SetBasicAuth(name, password)"),
            (
                &c::CHECKS_STATUS,
                "resp.StatusCode == http.StatusOK before decoding",
            ),
        ],
    },
    // Contact centres of Cisco and others run their scripts on Apache's client.
    System {
        name: "Java (as Cisco UCCX and CVP)",
        agents: &["apache-httpclient", "java/", "java-http-client", "okhttp"],
        settings: &[
            (
                &c::AUTH,
                "send the Authorization header yourself, or preemptively with an AuthCache: the credentials provider waits for a 401",
            ),
            (
                &c::TIMEOUT,
                "setConnectTimeout and setResponseTimeout; in Cisco's Make REST Call step, 5000 ms",
            ),
            (
                &c::TLS_VERIFIED,
                "take NoopHostnameVerifier and TrustAllStrategy out; add the CA to the trust store",
            ),
        ],
    },
    System {
        name: ".NET (as 3CX)",
        agents: &[".net", "restsharp", "microsoft"],
        settings: &[
            (
                &c::AUTH,
                "set DefaultRequestHeaders.Authorization: HttpClientHandler.Credentials wait for a 401",
            ),
            (
                &c::TIMEOUT,
                "HttpClient.Timeout = TimeSpan.FromSeconds(5): the default is 100 s",
            ),
            (
                &c::TLS_VERIFIED,
                "take ServerCertificateCustomValidationCallback out",
            ),
        ],
    },
    System {
        name: "PHP",
        agents: &["php", "guzzle"],
        settings: &[
            (&c::PUT, "CURLOPT_CUSTOMREQUEST => 'PUT'"),
            (
                &c::TIMEOUT,
                "CURLOPT_TIMEOUT => 5, CURLOPT_CONNECTTIMEOUT => 2",
            ),
            (
                &c::TLS_VERIFIED,
                "CURLOPT_SSL_VERIFYPEER => true, CURLOPT_SSL_VERIFYHOST => 2",
            ),
            (
                &c::SPEAKS_DIGITS,
                "keep $otp a string: (int) loses the zeros",
            ),
        ],
    },
    System {
        name: "Ruby",
        agents: &["ruby", "faraday"],
        settings: &[
            (
                &c::TIMEOUT,
                "open_timeout = 2, read_timeout = 5: the default is 60 s",
            ),
            (&c::TLS_VERIFIED, "take OpenSSL::SSL::VERIFY_NONE out"),
        ],
    },
    System {
        name: "PowerShell",
        agents: &["powershell"],
        settings: &[
            (&c::PUT, "Invoke-RestMethod -Method Put"),
            (&c::TYPE, "-ContentType application/json"),
            (
                &c::AUTH,
                "set the Authorization header with -Headers: -Credential waits for a 401",
            ),
            (&c::TIMEOUT, "-TimeoutSec 5"),
            (&c::TLS_VERIFIED, "take -SkipCertificateCheck out"),
        ],
    },
    System {
        name: "Wget",
        agents: &["wget"],
        settings: &[
            (&c::PUT, "--method=PUT --body-data='{...}'"),
            (
                &c::AUTH,
                "--auth-no-challenge, so that the credentials go with the first request",
            ),
            (&c::TIMEOUT, "--timeout=5 --tries=1"),
            (&c::RETRY_BOUNDED, "--tries=1: the default is 20"),
            (
                &c::TLS_VERIFIED,
                "take --no-check-certificate out; --ca-certificate=ca.pem",
            ),
        ],
    },
    // Also Asterisk's SHELL() and AGI scripts, which is how most dialplans call.
    System {
        name: "curl",
        agents: &["curl"],
        settings: &[
            (&c::PUT, "-X PUT: -d alone sends POST"),
            (&c::TENANT, "-H 'tenant: t1', once"),
            (
                &c::TYPE,
                "-H 'Content-Type: application/json': -d alone says application/x-www-form-urlencoded",
            ),
            (
                &c::AUTH,
                "-u name:password, without --anyauth or --digest, which ask first; a header made by hand wants base64 of printf, not echo",
            ),
            (
                &c::BODY,
                "-d '{\"phonenumber\":\"'\"$NUMBER\"'\"}': mind the shell's quotation marks, and the quotation marks around the number",
            ),
            (
                &c::NUMBER_TEMPLATE,
                "between single quotes the shell fills nothing in; from a dialplan pass the number as an argument",
            ),
            (
                &c::ONCE,
                "one curl gives both: -w ' %{http_code}' appends the status to the body",
            ),
            (
                &c::RETRY_BOUNDED,
                "--retry 1 --retry-delay 1 instead of --retry 3",
            ),
            (
                &c::NO_RETRY_AFTER_403,
                "leave --retry-all-errors out, which repeats after a 403 too",
            ),
            (&c::TIMEOUT, "--max-time 5 --connect-timeout 2"),
            (&c::TLS_VERIFIED, "take -k out; --cacert ca.pem instead"),
            (
                &c::CHECKS_STATUS,
                "-w ' %{http_code}' shows the status; -f hides the body of a 403, but || true hides the exit code again",
            ),
            (
                &c::CHECKS_BODY,
                "jq -e -r '.otp // empty' fails when there is none; jq -r .otp prints null",
            ),
            (
                &c::SPEAKS_DIGITS,
                "keep the digits text: $((...)) and printf %d lose the zeros. Asterisk: SayDigits, not SayNumber",
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
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
