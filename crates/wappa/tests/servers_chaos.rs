//! Nothing is lost, whatever is killed, stopped and cut: see `chaos`.

mod chaos;
mod support;

use chaos::{Size, brokers, check};

#[test]
fn kafka() {
    check(&brokers::KAFKA, Size::asked());
}
