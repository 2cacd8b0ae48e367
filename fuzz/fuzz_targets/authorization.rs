//! Any bytes as an `Authorization` header.
#![no_main]

use callotp::client_auth::is_readable;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &[u8]| {
    is_readable(header);
});
