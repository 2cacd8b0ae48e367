//! What a server's result code means: for a password, and for a search.

use ldap3::{LdapResult, controls::Control};

use super::message::{Elements, unsigned};
use crate::directory::{PasswordCheck, WrongPassword};

/// The password policy control of OpenLDAP and others (draft-behera-ldap-password-policy
/// §6), asked for with every bind of a user.
pub(super) const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// The older word for "must change" (draft-vchu-ldap-pwd-policy), which 389 Directory
/// Server sends with a bind that succeeds.
const PASSWORD_EXPIRED: &str = "2.16.840.1.113730.3.4.4";

/// What a bind as a user said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BindOutcome {
    /// The directory's word on the password.
    Checked(PasswordCheck),
    /// The server is too busy or going down: another may do better.
    Unavailable(String),
    /// The server does not take part in this at all.
    Unusable(String),
}

/// Reads the answer to a simple bind with a name and a password.
pub(super) fn of_bind(result: &LdapResult) -> BindOutcome {
    use WrongPassword::{Disabled, Locked, Mismatch};
    let wrong = |reason| BindOutcome::Checked(PasswordCheck::Wrong(reason));
    let policy = policy_word(&result.ctrls);
    match result.rc {
        0 => match policy {
            Some(reason) => wrong(reason),
            None => BindOutcome::Checked(PasswordCheck::Right),
        },
        INVALID_CREDENTIALS => wrong(
            policy
                .or_else(|| active_directory_word(&result.text))
                .unwrap_or(Mismatch),
        ),
        // 389 Directory Server: too many tries, and an entry with `nsAccountLock`.
        CONSTRAINT_VIOLATION => wrong(policy.unwrap_or(Locked)),
        UNWILLING if result.text.to_ascii_lowercase().contains("inactivated") => wrong(Disabled),
        // The entry has no password, or is gone since it was found.
        INAPPROPRIATE_AUTHENTICATION | NO_SUCH_OBJECT => wrong(Mismatch),
        BUSY | UNAVAILABLE => BindOutcome::Unavailable(describe(result)),
        _ => BindOutcome::Unusable(describe(result)),
    }
}

/// What the end of a search said, other than success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SearchRefusal {
    /// There is more than the server gives at once.
    #[error("size limit exceeded: the service user may not read so many entries")]
    TooMany,
    /// The server is too busy or going down.
    #[error("{0}")]
    Unavailable(String),
    /// The server will not do such a search, though another might.
    #[error("{0}")]
    Unwilling(String),
    /// The base does not exist there.
    #[error("{0} (is base right, and may the service user read it?)")]
    NoSuchObject(String),
}

/// Reads the end of a search; `None` is success. A referral is not followed: another server
/// has the base, and nobody found here does not mean that there is nobody.
pub(super) fn of_search(result: &LdapResult) -> Option<SearchRefusal> {
    match result.rc {
        0 => None,
        SIZE_LIMIT => Some(SearchRefusal::TooMany),
        BUSY | UNAVAILABLE => Some(SearchRefusal::Unavailable(describe(result))),
        NO_SUCH_OBJECT | REFERRAL => Some(SearchRefusal::NoSuchObject(describe(result))),
        _ => Some(SearchRefusal::Unwilling(describe(result))),
    }
}

/// A result for the log: code, name, and what the server wrote, on one line and not too long.
pub(super) fn describe(result: &LdapResult) -> String {
    let name = match result.rc {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        SIZE_LIMIT => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required; use ldaps or start_tls",
        11 => "administrative limit exceeded",
        13 => "confidentiality required; use ldaps or start_tls",
        CONSTRAINT_VIOLATION => "constraint violation",
        NO_SUCH_OBJECT => "no such object",
        REFERRAL => "referral to another server",
        34 => "invalid DN",
        INVALID_CREDENTIALS => "invalid credentials",
        50 => "insufficient access rights",
        BUSY => "busy",
        UNAVAILABLE => "unavailable",
        UNWILLING => "unwilling to perform",
        _ => "refused",
    };
    let text: String = result
        .text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    match text.trim() {
        "" => format!("{name} ({})", result.rc),
        text => format!("{name} ({}): {text}", result.rc),
    }
}

const SIZE_LIMIT: u32 = 4;
const REFERRAL: u32 = 10;
const CONSTRAINT_VIOLATION: u32 = 19;
const NO_SUCH_OBJECT: u32 = 32;
const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
const INVALID_CREDENTIALS: u32 = 49;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;
const UNWILLING: u32 = 53;

/// What a password policy control says against the user, if anything. A bind that
/// succeeds with "must change" lets nobody in: the session is good for one thing only.
fn policy_word(controls: &[Control]) -> Option<WrongPassword> {
    controls
        .iter()
        .find_map(|Control(_, control)| match control.ctype.as_str() {
            PASSWORD_POLICY => policy_error(control.val.as_deref()?),
            PASSWORD_EXPIRED => Some(WrongPassword::MustChange),
            _ => None,
        })
}

/// `SEQUENCE { [0] warning OPTIONAL, [1] error ENUMERATED OPTIONAL }`
fn policy_error(value: &[u8]) -> Option<WrongPassword> {
    let whole = Elements(value).next().ok()??;
    let mut parts = Elements(whole.content);
    while let Some(part) = parts.next().ok()? {
        if part.tag == 0x81 {
            return Some(match unsigned(part.content) {
                0 => WrongPassword::Expired,
                1 => WrongPassword::Locked,
                2 => WrongPassword::MustChange,
                // The others are about changing a password; here they make no sense.
                _ => WrongPassword::Restricted,
            });
        }
    }
    None
}

/// The Win32 error in Active Directory's text: `..., data 52e, v4563`.
fn active_directory_word(text: &str) -> Option<WrongPassword> {
    Some(match active_directory_code(text)? {
        0x52f..=0x531 => WrongPassword::Restricted,
        0x532 | 0x701 => WrongPassword::Expired,
        0x533 => WrongPassword::Disabled,
        0x773 => WrongPassword::MustChange,
        0x775 => WrongPassword::Locked,
        _ => WrongPassword::Mismatch,
    })
}

/// The code itself, for the log.
pub(super) fn active_directory_code(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("data ")?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use ldap3::controls::RawControl;

    use super::*;

    fn result(rc: u32, text: &str, controls: &[(&str, &[u8])]) -> LdapResult {
        let ctrls = controls.iter().map(|(oid, value)| {
            let (ctype, val) = ((*oid).to_owned(), Some(value.to_vec()));
            Control(
                None,
                RawControl {
                    ctype,
                    crit: false,
                    val,
                },
            )
        });
        LdapResult {
            rc,
            matched: String::new(),
            text: text.to_owned(),
            refs: Vec::new(),
            ctrls: ctrls.collect(),
        }
    }

    fn wrong(reason: WrongPassword) -> BindOutcome {
        BindOutcome::Checked(PasswordCheck::Wrong(reason))
    }

    #[test]
    fn every_code_of_active_directory_has_its_reason() {
        for (code, reason) in [
            ("52e", WrongPassword::Mismatch),
            ("525", WrongPassword::Mismatch),
            ("530", WrongPassword::Restricted),
            ("531", WrongPassword::Restricted),
            ("532", WrongPassword::Expired),
            ("533", WrongPassword::Disabled),
            ("701", WrongPassword::Expired),
            ("773", WrongPassword::MustChange),
            ("775", WrongPassword::Locked),
        ] {
            let text = format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code}, v1db1\0"
            );
            assert_eq!(of_bind(&result(49, &text, &[])), wrong(reason), "{code}");
        }
    }

    #[test]
    fn a_bind_that_succeeds_with_must_change_is_refused() {
        let must_change = (PASSWORD_POLICY, [0x30, 3, 0x81, 1, 2].as_slice());
        assert_eq!(
            of_bind(&result(0, "", &[must_change])),
            wrong(WrongPassword::MustChange)
        );
        let older = (PASSWORD_EXPIRED, b"0".as_slice());
        assert_eq!(
            of_bind(&result(0, "", &[older])),
            wrong(WrongPassword::MustChange)
        );
    }

    #[test]
    fn a_warning_of_the_policy_does_not_refuse() {
        let expires_soon = (PASSWORD_POLICY, [0x30, 5, 0xa0, 3, 0x80, 1, 9].as_slice());
        let empty = (PASSWORD_POLICY, [0x30, 0].as_slice());
        for control in [expires_soon, empty] {
            let right = BindOutcome::Checked(PasswordCheck::Right);
            assert_eq!(of_bind(&result(0, "", &[control])), right);
        }
    }

    #[test]
    fn the_policy_tells_locked_from_expired_from_wrong() {
        for (error, reason) in [(0, WrongPassword::Expired), (1, WrongPassword::Locked)] {
            let control = (
                PASSWORD_POLICY,
                [0x30, 3, 0x81, 1, error].as_slice().to_vec(),
            );
            let control = (control.0, control.1.as_slice());
            assert_eq!(of_bind(&result(49, "", &[control])), wrong(reason));
        }
        assert_eq!(
            of_bind(&result(49, "", &[])),
            wrong(WrongPassword::Mismatch)
        );
    }

    #[test]
    fn other_refusals_of_a_bind_are_not_the_users() {
        let inactivated = "Account inactivated. Contact system administrator.";
        assert_eq!(
            of_bind(&result(53, inactivated, &[])),
            wrong(WrongPassword::Disabled)
        );
        assert_eq!(
            of_bind(&result(19, "too many", &[])),
            wrong(WrongPassword::Locked)
        );
        assert!(matches!(
            of_bind(&result(51, "", &[])),
            BindOutcome::Unavailable(_)
        ));
        assert!(matches!(
            of_bind(&result(52, "", &[])),
            BindOutcome::Unavailable(_)
        ));
        for rc in [1, 2, 8, 10, 13, 50, 53, 80] {
            assert!(
                matches!(of_bind(&result(rc, "", &[])), BindOutcome::Unusable(_)),
                "{rc}"
            );
        }
    }
}
