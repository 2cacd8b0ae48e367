//! The words of the contract, as inert data: what is sent, what is answered, and
//! the spellings a deployment must know. Nothing here decides anything.
//!
//! Sources are cited by name and line: GETOTP is the document "Using PhenixID HTTP
//! API to get OTP based on called-in phone number", MODULE and HTTPAPI its siblings.

/// The method of every operation (GETOTP L69; MODULE).
pub const METHOD: &str = "PUT";

/// What precedes the operation in every path (GETOTP L71; MODULE).
pub const PATH_PREFIX: &str = "/api/authentication/";

/// The operation that issues an OTP (GETOTP L71).
pub const GET_OTP: &str = "getOTP";

/// The path of [`GET_OTP`].
pub const GET_OTP_PATH: &str = "/api/authentication/getOTP";

/// The operation that checks an OTP and uses it up, under the name our server gives it.
pub const VALIDATE: &str = "validate";

/// The same without a password, for callers written to TOKEN.
pub const OTP_TOKEN_AUTH: &str = "otp_token_auth";

/// The mandatory header that names the tenant, in the document's spelling (GETOTP L78).
pub const TENANT_HEADER: &str = "tenant";

/// The mandatory header that names the body's type, in the document's spelling (GETOTP L77).
pub const CONTENT_TYPE_HEADER: &str = "Content-Type";

/// The header of Basic and Bearer credentials (GETOTP L79).
pub const AUTHORIZATION_HEADER: &str = "Authorization";

/// The only media type of requests and successful answers (GETOTP L77, L120).
pub const JSON: &str = "application/json";

/// The member of the request that carries the calling number (GETOTP L88).
pub const NUMBER_MEMBER: &str = "phonenumber";

/// The member of the answer that carries the one-time password (GETOTP L120).
pub const OTP_MEMBER: &str = "otp";

/// The members of a validate request.
pub const USERNAME_MEMBER: &str = "username";
/// See [`USERNAME_MEMBER`].
pub const PASSWORD_MEMBER: &str = "password";

/// The status of an answer that carries an OTP (GETOTP L43, L112).
pub const ISSUED: u16 = 200;

/// The only documented status of a refusal (GETOTP L45, L114).
pub const REFUSED: u16 = 403;

/// The number of the document's example request. It has one digit too many for a
/// Swedish mobile number, so no numbering plan calls it valid (GETOTP L100).
pub const EXAMPLE_NUMBER: &str = "+467012345678";

/// The headers of the document's example request beside the credentials, in its
/// order and spelling; the tenant's value is the example's (GETOTP L95-98).
pub const EXAMPLE_HEADERS: [(&str, &str); 3] = [
    ("tenant", "t1"),
    ("Content-Type", "application/json"),
    ("cache-control", "no-cache"),
];

/// How phone systems spell a caller who withheld the number. The five that start
/// with `+` are words on a telephone's keypad (ANONYMOUS, RESTRICTED, UNKNOWN,
/// BLOCKED, UNAVAILABLE) and look like telephone numbers.
pub const WITHHELD: [&str; 15] = [
    "anonymous",
    "Anonymous",
    "restricted",
    "unknown",
    "unavailable",
    "private",
    "blocked",
    "",
    "anonymous@anonymous.invalid",
    "0000000000",
    "+266696687",
    "+7378742833",
    "+8656696",
    "+2562533",
    "+86282452253",
];

/// What a phone system sends when it forgot to fill in its own template:
/// Asterisk's, 3CX's and the usual braces.
pub const TEMPLATES: [&str; 3] = ["${CALLERID(num)}", "[Number]", "{{from}}"];

/// The first and the last of the mobile numbers that Sweden's numbering authority
/// reserves for fiction; both ends belong to the range.
pub const FICTION_NUMBERS: (&str, &str) = ("+46701740605", "+46701740699");

/// The longest an answer may take, in milliseconds: at the 99th percentile, and ever.
/// Scripts of phone systems give up after 2 to 5 s.
pub const LATENCY_MS: (u64, u64) = (2_000, 3_000);

/// The number of digits an OTP should at least have.
pub const OTP_MIN_DIGITS: usize = 6;

/// Is this the spelling of a caller who withheld the number, in any case, with any
/// surrounding space, or as a run of zeros of any length?
pub fn is_withheld(number: &str) -> bool {
    let number = number.trim();
    let zeros = number.strip_prefix('+').unwrap_or(number);
    let bare = number.strip_prefix("sip:").unwrap_or(number);
    zeros.bytes().all(|byte| byte == b'0')
        || WITHHELD
            .iter()
            .any(|spelling| spelling.eq_ignore_ascii_case(number))
        || bare.to_ascii_lowercase().starts_with("anonymous@")
}

/// Does this look like a template that nobody filled in?
pub fn is_template(number: &str) -> bool {
    let number = number.trim();
    let enclosed = |open: &str, close: &str| {
        number.len() >= open.len() + close.len()
            && number.starts_with(open)
            && number.ends_with(close)
    };
    number.contains("${")
        || number.contains("{{")
        || enclosed("[", "]")
        || enclosed("{", "}")
        || enclosed("<", ">")
        || enclosed("%", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_spelling_is_recognised() {
        assert!(WITHHELD.iter().all(|number| is_withheld(number)));
        assert!(TEMPLATES.iter().all(|number| is_template(number)));
        assert!(is_withheld("000"), "a shorter run of zeros");
        assert!(is_withheld("ANONYMOUS"), "upper case");
        assert!(is_withheld("sip:anonymous@anonymous.invalid"), "as a URI");
    }

    #[test]
    fn telephone_numbers_are_neither_withheld_nor_templates() {
        for number in [
            "+46701740605",
            "070-174 06 05",
            "(070) 174 06 05",
            "1234",
            "+46000",
        ] {
            assert!(!is_withheld(number), "{number}");
            assert!(!is_template(number), "{number}");
        }
    }
}
