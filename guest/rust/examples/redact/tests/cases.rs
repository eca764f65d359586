//! The cases that all SDKs share.

use redact::Redact;

#[test]
fn shared_cases() {
    wappa_guest_cases::check::<Redact>("redact");
}
