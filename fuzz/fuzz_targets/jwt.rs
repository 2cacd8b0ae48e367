//! Any bytes as an access token, and any two texts as the parts of one.
#![no_main]

use callotp::client_auth::is_readable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &str, &str)| {
    let (token, header, claims) = input;
    is_readable(&[b"Bearer ", token].concat());
    // Encoded as they have to be, so that what is in them is looked at.
    let encoded = format!("Bearer {}.{}.AAAA", base64url(header), base64url(claims));
    is_readable(encoded.as_bytes());
});

fn base64url(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for position in 0..=chunk.len() {
            let six = bits >> (18 - 6 * position) & 63;
            encoded.push(char::from(ALPHABET[six]));
        }
    }
    encoded
}
