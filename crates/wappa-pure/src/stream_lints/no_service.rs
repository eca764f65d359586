//! A lint over a whole stream: components that the HTTP service is to serve, which is off.

use wappa_spec::{Lint, Node, Rule, StreamConfig};

/// Warns of each `http_server` without an address where `http.enabled` is `false`: nobody can reach it.
pub(super) fn lint(config: &StreamConfig) -> Vec<Lint> {
    let mut lints = Vec::new();
    if config.http.enabled {
        return lints;
    }
    let resources = config.resources.inputs.iter().chain(&config.resources.outputs);
    for component in [&config.input, &config.output].into_iter().chain(resources) {
        super::bodies_of(component, &["http_server"], &mut |body| {
            let address = body.get("address").and_then(Node::as_str).unwrap_or_default();
            if address.is_empty() {
                let text = "this http_server has no address, and the HTTP service that would serve it is off \
                            (`http.enabled: false`): nobody can reach it";
                let hint = "give it an `address`, or have the service listen";
                lints.push(Lint::warning(Rule::Custom, body.pos, text).on(body).hint(hint));
            }
        });
    }
    lints
}
