//! `getOTP`: the phone system asks for an OTP on behalf of the caller.

use serde::Deserialize;

use super::{Known, body, record::LastDigits, refusal::Refusal};
use crate::{
    clock::Deadline,
    otp::{Authority, issue::NotIssued},
};

/// What the document calls `phonenumber` is the calling number (GETOTP, Request).
#[derive(Deserialize)]
struct Asked {
    phonenumber: String,
}

/// Issues an OTP and puts it into the body of a 200.
pub(super) async fn get_otp(
    authority: &Authority,
    body: &[u8],
    deadline: Deadline,
    known: &mut Known<'_>,
) -> Result<String, Refusal> {
    let asked: Asked = body::parse(body)?;
    let number = authority
        .read_number(&asked.phonenumber)
        .map_err(Refusal::NotIssued)?;
    known.number = LastDigits::of(number.as_str());
    match authority.issue(&number, deadline).await {
        Ok(issued) => {
            known.user = Some(issued.user.name);
            // Digits need no escaping.
            Ok(format!("{{\"otp\":\"{}\"}}", issued.otp.expose()))
        }
        Err(why) => {
            if let NotIssued::Locked(user) = &why {
                known.user = Some(user.name.clone());
            }
            Err(Refusal::NotIssued(why))
        }
    }
}
