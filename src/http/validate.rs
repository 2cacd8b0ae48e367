//! `validate` and `otp_token_auth`: a person logs in.

use serde::{Deserialize, Serialize};

use super::{Known, body, refusal::Refusal};
use crate::{
    clock::Deadline,
    otp::{
        Authority,
        validate::{Attempt, NotValidated, PasswordRule},
    },
    secret::Secret,
};

#[derive(Deserialize)]
struct Asked {
    username: String,
    #[serde(default)]
    password: Option<Secret>,
    otp: Secret,
}

#[derive(Serialize)]
struct Validated<'a> {
    username: &'a str,
}

/// Lets a person in, and answers with the name as the directory spells it.
pub(super) async fn validate(
    authority: &Authority,
    rule: PasswordRule,
    body: &[u8],
    deadline: Deadline,
    known: &mut Known<'_>,
) -> Result<String, Refusal> {
    let Asked {
        username,
        password,
        otp,
    } = body::parse(body)?;
    let attempt = Attempt {
        username,
        password,
        otp,
    };
    match authority.validate(&attempt, rule, deadline).await {
        Ok(user) => {
            let body = serde_json::to_string(&Validated {
                username: &user.name,
            });
            known.user = Some(user.name);
            Ok(body.expect("a structure of one text is always JSON"))
        }
        Err(NotValidated { reason, user }) => {
            known.user = user.map(|user| user.name);
            Err(Refusal::NotValidated(reason))
        }
    }
}
