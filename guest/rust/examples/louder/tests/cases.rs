//! The cases that all SDKs share.

use louder::Louder;

#[test]
fn shared_cases() {
    wappa_guest_cases::check::<Louder>("louder");
}
