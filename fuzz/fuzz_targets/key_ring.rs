//! Any text as a key ring: whatever is read is written again as a ring that says the same, and can sign.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sprag::clock::Timestamp;
use sprag::keys::KeyRing;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fuzz_target!(|text: &str| {
    match KeyRing::from_json(text) {
        Ok(ring) => {
            let written = ring.to_json();
            let again = KeyRing::from_json(&written).expect("what was written is read");
            assert_eq!(again.entries(), ring.entries());
            assert_eq!(*again.to_json(), *written);
            for now in [Timestamp(i64::MIN), NOW, Timestamp(i64::MAX)] {
                let _ = ring.algorithm(now);
                let (id, tag) = ring.audit_tag(None, now, b"x");
                assert!(ring.audit_verify(id, b"x", &tag));
            }
        }
        Err(error) => assert!(error.to_string().len() < 400, "an error repeats what was read"),
    }
});
