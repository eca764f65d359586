//! Every input and output of this crate does what such a one has to.

mod support;

use support::{
    asking,
    peers::{Sender, Taker, Visitor},
    table,
};
use wappa_conformance::{check_input_from, check_output_to};

#[test]
fn every_input() {
    for network in ["tcp", "unix"] {
        check_input_from(table(&[]), || Sender::new(network));
        check_input_from(table(&[]), || Visitor::new(network));
    }
}

#[test]
fn every_output() {
    for network in ["tcp", "unix"] {
        check_output_to(table(&[]), || Taker::new(network, "socket: {PLACE}", false));
    }
    let asking = "asking: {ADDRESS, max_in_flight: 8}";
    check_output_to(table(&[&asking::COMPONENT]), || Taker::new("tcp", asking, true));
}
