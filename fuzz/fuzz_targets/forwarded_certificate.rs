//! Any bytes as the header in which a proxy passes a client's certificate on.
#![no_main]

use callotp::client_auth::forwarded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    if let Ok(Some(certificate)) = forwarded::read(value) {
        let _ = certificate.to_string();
    }
});
