//! What looks like chance, and is the same in every run.

use callotp::otp::store::Claim;

use super::model::Asked;

/// SplitMix64's finalizer.
pub(crate) fn scatter(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

/// The `n`th decision of a user in a round: no two runs alike, and all known beforehand.
pub(crate) fn decision(round: u64, user: u64, n: u64, claim: Claim) -> Asked {
    let chance = scatter(round * 1_000_003 + user * 10_007 + n);
    let code = u8::try_from(chance >> 8 & 1).expect("a bit");
    match chance % 10 {
        0..=2 => Asked::Bind { user: 0, code },
        3..=6 => Asked::Try {
            user: 0,
            codes: vec![code],
        },
        7 => Asked::Fail { user: 0, claim },
        8 => Asked::Consume { user: 0, claim },
        _ if chance >> 9 & 3 == 0 => Asked::Unlock {
            user: 0,
            anywhere: false,
        },
        _ => Asked::Consume { user: 0, claim },
    }
}
