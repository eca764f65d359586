//! The cases that all SDKs share.

use split::Split;

#[test]
fn shared_cases() {
    wappa_guest_cases::check::<Split>("split");
}
