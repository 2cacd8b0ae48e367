//! The reader of LDIF ends, and what it says of lines lies within the file.
#![no_main]

use callotp::directory::ldif::reader::{Entry, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64 + 1;
    let mut reader = Reader::new(bytes);
    let mut entry = Entry::default();
    loop {
        match reader.read(&mut entry) {
            Ok(true) => {
                assert!((1..=lines).contains(&entry.line()));
                assert!(entry.dn().len() + entry.attributes().count() <= bytes.len());
            }
            Ok(false) => return,
            Err(error) => {
                assert!((1..=lines).contains(&error.line));
                return;
            }
        }
    }
});
