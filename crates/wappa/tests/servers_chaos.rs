//! Nothing is lost, whatever is killed, stopped and cut: see `chaos`.

mod chaos;
mod support;

use chaos::{Size, brokers, check};

#[test]
fn kafka() {
    check(&brokers::KAFKA, Size::asked());
}

#[test]
fn kafka_franz() {
    if !Size::is_set() {
        eprintln!("skipped: it takes minutes; `WAPPA_CHAOS_SECONDS=90` has it run");
        return;
    }
    check(&brokers::KAFKA_FRANZ, Size::asked());
}

#[test]
fn jetstream() {
    check(&brokers::JETSTREAM, Size::asked());
}

#[test]
fn redis_streams() {
    check(&brokers::REDIS_STREAMS, Size::asked());
}
