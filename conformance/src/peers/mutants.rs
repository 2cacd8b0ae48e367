//! The mutants, and for each exactly what a run of `hardened` must say about it.

use super::{Credentials, Defect, Manner, Tls};

/// A correct endpoint with one defect.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What it does, in words.
    pub name: &'static str,
    /// Its defect, when it is one of decisions.
    pub defect: Option<Defect>,
    /// Its TLS, when that is the defect.
    pub tls: Option<Tls>,
    /// The clauses that fail, or warn where they are a should.
    pub fails: &'static [&'static str],
    /// Can whatever else was selected no longer be tested?
    pub untestable: bool,
    /// Only these clauses are run, by their prefixes; all when empty.
    pub only: &'static [&'static str],
    /// The exit code of the run.
    pub exit: u8,
}

impl Mutant {
    /// The manner it answers in.
    pub fn manner(&self) -> Manner {
        Manner {
            tls: self.tls,
            credentials: match self.tls {
                Some(Tls::UnaskedCertificate) => Credentials::None,
                _ => Credentials::Basic,
            },
            ..Manner::default()
        }
    }
}

const fn fails(name: &'static str, defect: Defect, fails: &'static [&'static str]) -> Mutant {
    Mutant {
        name,
        defect: Some(defect),
        tls: None,
        fails,
        untestable: false,
        only: &[],
        exit: 1,
    }
}

const fn warns(name: &'static str, defect: Defect, warns: &'static [&'static str]) -> Mutant {
    Mutant {
        exit: 0,
        ..fails(name, defect, warns)
    }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        untestable: true,
        exit: 3,
        ..fails("always 403", Defect::RefusesEverything, &[])
    },
    // always-200
    Mutant {
        untestable: true,
        ..fails(
            "always 200",
            Defect::IssuesToEverything,
            &[
                "tenant.required",
                "tenant.unknown",
                "tenant.empty",
                "tenant.isolated",
                "tenant.duplicate",
                "auth.required",
                "auth.wrong",
                "body.array",
                "body.empty",
                "body.missing-number",
                "body.not-json",
                "body.wrong-type",
                "method.put-only",
                "number.injection",
                "number.unknown",
                "number.withheld",
                "operation.other",
                "refuse.uniform",
                "type.required",
                "type.wrong",
                "validate.expired",
                "validate.once",
                "validate.other-user",
                "validate.race",
                "validate.replaced",
                "validate.wrong-otp",
                "validate.wrong-password",
            ],
        )
    },
    fails("answers 201", Defect::AnswersCreated, &["golden.ok"]),
    fails(
        "falls back to a default tenant",
        Defect::DefaultTenant,
        &["tenant.required"],
    ),
    fails(
        "takes an empty tenant for the default one",
        Defect::EmptyTenantIsDefault,
        &["tenant.empty"],
    ),
    fails(
        "ignores the tenant",
        Defect::IgnoresTenant,
        &[
            "tenant.required",
            "tenant.unknown",
            "tenant.empty",
            "tenant.isolated",
            "tenant.duplicate",
        ],
    ),
    fails(
        "folds the tenant's case",
        Defect::FoldsTenantCase,
        &["tenant.unknown"],
    ),
    fails(
        "serves another tenant's users",
        Defect::ServesOtherTenants,
        &["tenant.isolated"],
    ),
    warns(
        "joins doubled headers",
        Defect::JoinsDoubledHeaders,
        &["tenant.duplicate"],
    ),
    warns(
        "picks the first of two tenants",
        Defect::PicksFirstTenant,
        &["tenant.duplicate"],
    ),
    fails(
        "ignores credentials",
        Defect::IgnoresCredentials,
        &["auth.required", "auth.wrong"],
    ),
    fails(
        "checks credentials only when sent",
        Defect::ChecksCredentialsOnlyWhenSent,
        &["auth.required"],
    ),
    fails(
        "compares the client's name only",
        Defect::ComparesUsernameOnly,
        &["auth.wrong"],
    ),
    warns(
        "compares the scheme with case",
        Defect::SchemeWithCase,
        &["auth.scheme-case"],
    ),
    warns(
        "accepts POST and every other method",
        Defect::AcceptsAnyMethod,
        &["method.put-only"],
    ),
    warns(
        "answers 405 without Allow",
        Defect::MethodNotAllowedWithoutAllow,
        &["method.allow", "refuse.status"],
    ),
    fails(
        "any path",
        Defect::AcceptsAnyOperation,
        &["operation.other"],
    ),
    warns(
        "refuses a slash at the end",
        Defect::RefusesTrailingSlash,
        &["path.trailing-slash"],
    ),
    fails(
        "refuses the example's cache-control",
        Defect::RefusesCacheControl,
        &["golden.example-headers"],
    ),
    fails("otp a number", Defect::OtpAsNumber, &["golden.body"]),
    fails(
        "OTP in upper case",
        Defect::OtpInUpperCase,
        &["golden.body"],
    ),
    Mutant {
        untestable: true,
        ..fails("an empty otp", Defect::OtpEmpty, &["golden.body"])
    },
    fails(
        "200 with an error body",
        Defect::ErrorInSuccess,
        &["number.unknown", "refuse.status", "refuse.uniform"],
    ),
    warns("text/plain", Defect::PlainText, &["golden.type"]),
    fails(
        "an OTP inside a 403",
        Defect::OtpInsideRefusal,
        &[
            "number.unknown",
            "number.injection",
            "tenant.isolated",
            "refuse.no-otp",
            "refuse.uniform",
        ],
    ),
    fails(
        "404 for unknown",
        Defect::UnknownIs404,
        &[
            "number.unknown",
            "number.document-example",
            "refuse.status",
            "refuse.uniform",
        ],
    ),
    fails(
        "500 for unknown",
        Defect::UnknownIs500,
        &[
            "number.unknown",
            "number.document-example",
            "number.injection",
            "refuse.status",
            "refuse.uniform",
        ],
    ),
    fails(
        "an HTML error page for what it cannot parse",
        Defect::MalformedIsPage500,
        &["body.not-json", "body.empty", "body.array", "refuse.status"],
    ),
    fails(
        "drops what it cannot parse",
        Defect::DropsMalformed,
        &["body.not-json", "body.empty", "body.array"],
    ),
    warns(
        "accepts a missing type",
        Defect::AcceptsMissingType,
        &["type.required"],
    ),
    warns("accepts any type", Defect::AcceptsAnyType, &["type.wrong"]),
    fails(
        "refuses a charset",
        Defect::RefusesCharset,
        &["type.charset"],
    ),
    fails(
        "header names case-sensitive",
        Defect::HeaderNamesWithCase,
        &["headers.case"],
    ),
    warns(
        "refuses the document's example as invalid",
        Defect::RefusesExample,
        &["number.document-example"],
    ),
    fails(
        "injects into the directory's filter",
        Defect::InjectsFilter,
        &["number.injection"],
    ),
    fails(
        "fails on a filter's characters",
        Defect::CrashesOnFilter,
        &["number.injection", "refuse.status"],
    ),
    fails(
        "withheld callers match a user",
        Defect::WithheldMatchesUser,
        &["number.withheld", "refuse.uniform"],
    ),
    fails(
        "trims the number wrongly",
        Defect::TrimsNumber,
        &["number.unknown"],
    ),
    warns(
        "compares numbers as text",
        Defect::ComparesText,
        &["number.spellings"],
    ),
    warns("tells the reason", Defect::TellsReason, &["refuse.uniform"]),
    warns(
        "tells the reason in a header",
        Defect::ReasonInHeader,
        &["refuse.uniform"],
    ),
    warns(
        "echoes credentials",
        Defect::EchoesCredentials,
        &["refuse.uniform"],
    ),
    fails(
        "takes a missing number for the first user's",
        Defect::MissingNumberIsEverybody,
        &["body.missing-number"],
    ),
    fails(
        "accepts a number that is no string",
        Defect::AcceptsNumberAsNumber,
        &["body.wrong-type"],
    ),
    fails("accepts a form", Defect::AcceptsForm, &["body.not-json"]),
    fails(
        "takes an empty body for the first user's",
        Defect::EmptyBodyIsEverybody,
        &["body.empty"],
    ),
    fails("accepts an array", Defect::AcceptsArray, &["body.array"]),
    warns(
        "refuses further members",
        Defect::RefusesExtraMembers,
        &["body.extra-members"],
    ),
    Mutant {
        untestable: true,
        exit: 3,
        ..fails("rate-limits after three", Defect::ThrottlesAfterThree, &[])
    },
    Mutant {
        only: &["golden", "latency", "number.unknown"],
        ..warns(
            "answers after 3.5 s",
            Defect::AnswersAfterFourSeconds,
            &["latency"],
        )
    },
    warns(
        "loses leading zeros",
        Defect::LosesLeadingZeros,
        &["otp.shape"],
    ),
    warns("four digits", Defect::FourDigits, &["otp.shape"]),
    warns("the same OTP every time", Defect::SameOtp, &["otp.fresh"]),
    warns(
        "a counter for an OTP",
        Defect::CountsUp,
        &["otp.predictable"],
    ),
    warns("cacheable", Defect::Cacheable, &["cache.no-store"]),
    warns(
        "breaks keep-alive",
        Defect::LeavesBodyOnConnection,
        &["http.keep-alive"],
    ),
    warns(
        "ignores chunks",
        Defect::IgnoresChunks,
        &["http.chunked-request"],
    ),
    warns(
        "refuses Expect",
        Defect::RefusesExpectation,
        &["http.expect-continue"],
    ),
    Mutant {
        only: &["golden", "limits.big-body"],
        ..warns("takes any body", Defect::TakesAnyBody, &["limits.big-body"])
    },
    warns(
        "waits for a body for ever",
        Defect::WaitsForBody,
        &["limits.slow-body"],
    ),
    Mutant {
        untestable: true,
        ..fails(
            "validates nothing",
            Defect::ValidatesNothing,
            &["validate.ok"],
        )
    },
    fails(
        "accepts an OTP twice",
        Defect::AcceptsTwice,
        &["validate.once", "validate.race"],
    ),
    fails(
        "accepts an OTP for another user",
        Defect::AcceptsForOtherUser,
        &["validate.other-user"],
    ),
    fails(
        "accepts an OTP after a newer one",
        Defect::AcceptsOlder,
        &["validate.replaced"],
    ),
    fails(
        "accepts any password",
        Defect::AcceptsAnyPassword,
        &["validate.wrong-password"],
    ),
    fails(
        "accepts an empty password",
        Defect::AcceptsEmptyPassword,
        &["validate.wrong-password"],
    ),
    fails(
        "compares an OTP in part",
        Defect::ComparesOtpInPart,
        &["validate.wrong-otp", "validate.once", "validate.race"],
    ),
    fails(
        "never lets an OTP expire",
        Defect::NeverExpires,
        &["validate.expired"],
    ),
    fails(
        "compares passwords without case",
        Defect::FoldsPassword,
        &["validate.wrong-password"],
    ),
    fails(
        "compares OTPs as numbers",
        Defect::ComparesOtpAsNumber,
        &["validate.wrong-otp"],
    ),
    fails(
        "validates for anybody who calls",
        Defect::ValidatesForAnyClient,
        &["auth.required"],
    ),
    fails(
        "validates under any tenant",
        Defect::ValidatesUnderAnyTenant,
        &["tenant.isolated"],
    ),
    fails("races", Defect::Races, &["validate.race"]),
    Mutant {
        defect: None,
        tls: Some(Tls::Old),
        ..warns(
            "speaks TLS 1.0",
            Defect::RefusesEverything,
            &["tls.version"],
        )
    },
    Mutant {
        defect: None,
        tls: Some(Tls::UnaskedCertificate),
        ..fails(
            "asks for no client certificate",
            Defect::RefusesEverything,
            &["auth.required", "auth.wrong"],
        )
    },
    Mutant {
        defect: None,
        tls: Some(Tls::EndsSoon),
        ..warns(
            "a certificate that ends soon",
            Defect::RefusesEverything,
            &["tls.chain"],
        )
    },
];
