//! The cases that all SDKs share.

use route::Route;

#[test]
fn shared_cases() {
    wappa_guest_cases::check::<Route>("route");
}
