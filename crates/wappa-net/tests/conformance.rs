//! Every input and output of this crate, and those of its pages, do what such a one has to.

mod support;

use support::{
    asking, far, leased,
    peers::{Answers, Leases, Sender, Server, Takes, Values, Visitor},
    streams,
};
use wappa_conformance::{check_cache_at, check_input_from, check_output_to};

#[test]
fn every_input() {
    for network in ["tcp", "unix"] {
        check_input_from(streams(&[]).components(), || Sender::new(network));
        check_input_from(streams(&[]).components(), || Visitor::new(network));
    }
}

#[test]
fn every_output() {
    for network in ["tcp", "unix"] {
        check_output_to(streams(&[]).components(), || Server::<Takes>::new(network, "socket: {PLACE}"));
    }
}

#[test]
fn the_components_of_the_pages() {
    let asking = "asking: {ADDRESS, max_in_flight: 8}";
    check_output_to(streams(&[&asking::COMPONENT]).components(), || Server::<Answers>::new("tcp", asking));
    check_input_from(streams(&[&leased::COMPONENT]).components(), || {
        Server::<Leases>::new("tcp", "leased: {ADDRESS}")
    });
    check_cache_at(streams(&[&far::COMPONENT]).components(), || {
        Server::<Values>::new("tcp", "far: {ADDRESS}")
    });
}
