//! The phone systems and what their own settings are called, from their public
//! documentation. One entry is one system; a clause without an entry has the remedy of the catalogue.

use callotp_conformance::catalogue::caller as c;

use super::System;

pub(super) const ASTERISK: &str = "Asterisk";
pub(super) const FREESWITCH: &str = "FreeSWITCH";
pub(super) const THREE_CX: &str = "3CX";
pub(super) const TWILIO: &str = "Twilio";

pub(super) static SYSTEMS: [System; 17] = [
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
                "append_headers 'Authorization:Basic ...' on the curl line; name and password in the URL are sent after a 401 only, since mod_curl waits to be told the scheme",
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
                "append_headers once for each header on the curl line; each curl application in the dialplan is a request of its own",
            ),
            (
                &c::TIMEOUT,
                "set curl_connect_timeout=2 and curl_timeout=5 before the curl application; only the API command takes connect-timeout and timeout as words",
            ),
            (
                &c::TLS_VERIFIED,
                "the word secure on the curl line, or validate-certs in curl.conf.xml: it is off by default; the CA goes into cacert.pem in the certs folder",
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
