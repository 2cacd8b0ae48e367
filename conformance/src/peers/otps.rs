//! The OTPs an endpoint has issued.

use std::time::Duration;

use rand::{TryRng as _, rngs::SysRng};
use tokio::time::Instant;

use super::Defect;

struct Live {
    username: &'static str,
    otp: String,
    until: Instant,
    attempts: u8,
}

/// Issued and not yet used.
#[derive(Default)]
pub(super) struct Otps {
    live: Vec<Live>,
    issued: u64,
}

/// How often an OTP may be tried.
const ATTEMPTS: u8 = 3;

impl Otps {
    /// A new OTP for a user, in place of the older one.
    pub(super) fn issue(
        &mut self,
        username: &'static str,
        digits: (usize, usize),
        lifetime: Duration,
        defect: Option<Defect>,
    ) -> String {
        self.issued += 1;
        let otp = match defect {
            Some(Defect::SameOtp) => "532190".to_owned(),
            Some(Defect::CountsUp) => format!("{:06}", 532_190 + self.issued),
            Some(Defect::FourDigits) => random(4),
            // A number has no leading zero to lose here: that is another defect.
            Some(Defect::OtpAsNumber) => match random(6) {
                otp if otp.starts_with('0') => format!("1{}", &otp[1..]),
                otp => otp,
            },
            // Certain, so that a short run sees it: every third begins with a zero.
            Some(Defect::LosesLeadingZeros) if self.issued.is_multiple_of(3) => {
                random(5).replacen('0', "7", 1)
            }
            Some(Defect::LosesLeadingZeros) => format!("7{}", random(5)),
            _ => random(length(digits)),
        };
        let keep = defect == Some(Defect::AcceptsOlder);
        self.live.retain(|live| keep || live.username != username);
        self.live.push(Live {
            username,
            otp: otp.clone(),
            until: Instant::now() + lifetime,
            attempts: 0,
        });
        otp
    }

    /// Is this the user's OTP? A wrong one counts as an attempt.
    pub(super) fn is_right(&mut self, username: &str, otp: &str, defect: Option<Defect>) -> bool {
        let now = Instant::now();
        let for_anybody = defect == Some(Defect::AcceptsForOtherUser);
        let as_number = defect == Some(Defect::ComparesOtpAsNumber);
        let in_part = defect == Some(Defect::ComparesOtpInPart);
        self.live
            .retain(|live| defect == Some(Defect::NeverExpires) || live.until > now);
        for live in &mut self.live {
            if !for_anybody && live.username != username {
                continue;
            }
            if live.otp == otp
                || (as_number && value(&live.otp) == value(otp))
                || (in_part
                    && otp
                        .get(..3)
                        .is_some_and(|start| live.otp.starts_with(start)))
            {
                return true;
            }
            live.attempts += 1;
        }
        self.live.retain(|live| live.attempts < ATTEMPTS);
        false
    }

    /// Uses an OTP up; true once.
    pub(super) fn consume(&mut self, otp: &str) -> bool {
        let before = self.live.len();
        self.live.retain(|live| value(&live.otp) != value(otp));
        self.live.len() < before
    }
}

/// An OTP without the zeros in front.
fn value(otp: &str) -> &str {
    otp.trim_start_matches('0')
}

fn length((shortest, longest): (usize, usize)) -> usize {
    let beyond = usize::from(byte()) % (longest - shortest + 1);
    shortest + beyond
}

fn random(digits: usize) -> String {
    (0..digits)
        .map(|_| {
            loop {
                // 250 is the largest multiple of ten in a byte: no digit is favoured.
                let byte = byte();
                if byte < 250 {
                    break char::from(b'0' + byte % 10);
                }
            }
        })
        .collect()
}

fn byte() -> u8 {
    let mut bytes = [0];
    SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the system has random bytes");
    bytes[0]
}
