//! Who may bind, and what a refusal says.

use std::sync::Arc;

use ldap3_proto::LdapResultCode;

use super::{Flavour, dn::Dn, entry::Entry, flavour::domain, schema, shared::Shared, tree::Tree};
use crate::people::Status;

/// The answer to a bind.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The result.
    pub(super) code: LdapResultCode,
    /// What it says.
    pub(super) text: String,
    /// The name of the entry bound as; absent for a refusal and for nobody.
    pub(super) bound: Option<String>,
    /// What the password policy control adds, for a client that asked for it.
    pub(super) policy: Option<PolicyError>,
}

/// Errors of the password policy control (draft-behera-ldap-password-policy-10 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PolicyError {
    /// `passwordExpired`
    PasswordExpired = 0,
    /// `accountLocked`
    AccountLocked = 1,
    /// `changeAfterReset`
    ChangeAfterReset = 2,
}

/// Answers a simple bind (RFC 4513 §5.1).
pub(super) async fn bind(shared: &Shared, name: &str, password: &[u8], encrypted: bool) -> Verdict {
    let flavour = shared.settings.flavour;
    if name.is_empty() && password.is_empty() {
        return Verdict::nobody();
    }
    if shared.settings.require_tls && !encrypted {
        return Verdict::refused(flavour.wants_tls(), None);
    }
    if password.is_empty() {
        return without_password(shared);
    }
    let entry = match resolve(&shared.tree(), name, &shared.settings.suffix) {
        Ok(entry) => entry,
        Err(code) => return Verdict::refused((code, "invalid DN".to_owned()), None),
    };
    let Some((entry, account)) =
        entry.and_then(|entry| Some((entry.clone(), entry.account.clone()?)))
    else {
        return Verdict::refused(flavour.refused_bind(None), None);
    };
    let candidate = password.to_vec();
    let right = if account.password.is_slow() {
        let password = account.password.clone();
        tokio::task::spawn_blocking(move || password.is(&candidate))
            .await
            .unwrap_or(false)
    } else {
        account.password.is(&candidate)
    };
    let shut = match flavour {
        Flavour::OpenLdap => matches!(account.status, Status::Locked | Status::Disabled),
        Flavour::Ad => account.status == Status::Locked,
    };
    if shut {
        let policy = Some(PolicyError::AccountLocked);
        return Verdict::refused(flavour.refused_bind(Some(account.status)), policy);
    }
    if !right {
        count_failure(shared, &entry);
        return Verdict::refused(flavour.refused_bind(None), None);
    }
    if account.failures > 0 {
        forget_failures(shared, &entry);
    }
    judge(flavour, account.status, &entry)
}

/// The password is right; what of the account?
fn judge(flavour: Flavour, status: Status, entry: &Entry) -> Verdict {
    let welcome = |policy| Verdict {
        code: LdapResultCode::Success,
        text: String::new(),
        bound: Some(entry.name.clone()),
        policy,
    };
    match (flavour, status) {
        (_, Status::Active) => welcome(None),
        // OpenLDAP lets in, and says only in the control that nothing but a new password is next.
        (Flavour::OpenLdap, Status::MustChangePassword) => {
            welcome(Some(PolicyError::ChangeAfterReset))
        }
        (Flavour::OpenLdap, Status::PasswordExpired) => {
            let policy = Some(PolicyError::PasswordExpired);
            Verdict::refused(flavour.refused_bind(Some(status)), policy)
        }
        _ => Verdict::refused(flavour.refused_bind(Some(status)), None),
    }
}

/// RFC 4513 §5.1.2: a name without a password is nobody, which a careless client takes for success.
fn without_password(shared: &Shared) -> Verdict {
    if shared.settings.unauthenticated_bind {
        return Verdict::nobody();
    }
    let refusal = match shared.settings.flavour {
        Flavour::OpenLdap => {
            let text = "unauthenticated bind (DN with no password) disallowed".to_owned();
            (LdapResultCode::UnwillingToPerform, text)
        }
        Flavour::Ad => Flavour::Ad.refused_bind(None),
    };
    Verdict::refused(refusal, None)
}

/// The entry that is meant. Active Directory takes three spellings of a name: the entry's own,
/// `user@domain` and `DOMAIN\user`.
fn resolve(tree: &Tree, name: &str, suffix: &str) -> Result<Option<Arc<Entry>>, LdapResultCode> {
    if tree.flavour() == Flavour::OpenLdap {
        let dn = Dn::parse(name).map_err(|_| LdapResultCode::InvalidDNSyntax)?;
        return Ok(tree.named(&dn).cloned());
    }
    let by = |key: &str, value: &str| {
        let place = tree
            .equal(key, schema::fold_text(value).as_bytes())
            .first()?;
        tree.at(*place).cloned()
    };
    if let Some((netbios, user)) = name.split_once('\\').filter(|_| !name.contains('=')) {
        let domain = domain(suffix);
        let ours = domain
            .split('.')
            .next()
            .is_some_and(|label| label.eq_ignore_ascii_case(netbios));
        return Ok(by("samaccountname", user).filter(|_| ours));
    }
    if name.contains('@') && !name.contains('=') {
        return Ok(by("userprincipalname", name));
    }
    Ok(Dn::parse(name).ok().and_then(|dn| tree.named(&dn).cloned()))
}

/// Active Directory keeps count in the entry, which is a change like any other; OpenLDAP does
/// so when it locks out.
fn count_failure(shared: &Shared, entry: &Entry) {
    let (flavour, limit) = (shared.settings.flavour, shared.settings.lockout_after);
    if flavour == Flavour::OpenLdap && limit.is_none() {
        return;
    }
    shared.change(&entry.dn, |entry| {
        let Some(account) = &mut entry.account else {
            return;
        };
        account.failures += 1;
        let failures = account.failures;
        let locks = limit.is_some_and(|limit| failures >= limit);
        if locks {
            account.status = Status::Locked;
            flavour.show_status(entry, Status::Locked);
        }
        if flavour == Flavour::Ad {
            entry.set(flavour, "badPwdCount", false, [failures.to_string()]);
        }
    });
}

fn forget_failures(shared: &Shared, entry: &Entry) {
    shared.change(&entry.dn, |entry| {
        if let Some(account) = &mut entry.account {
            account.failures = 0;
        }
        if shared.settings.flavour == Flavour::Ad {
            entry.set(Flavour::Ad, "badPwdCount", false, ["0"]);
        }
    });
}

impl Verdict {
    fn nobody() -> Self {
        Self {
            code: LdapResultCode::Success,
            text: String::new(),
            bound: None,
            policy: None,
        }
    }

    fn refused((code, text): (LdapResultCode, String), policy: Option<PolicyError>) -> Self {
        Self {
            code,
            text,
            bound: None,
            policy,
        }
    }
}
