//! What is wrong with a config, or has no effect, is said before anything connects.

mod support;

/// The lints of an input or output, a line each.
fn lint(component: &str) -> String {
    let is_output = component.contains("topic:");
    let (input, output) = match is_output {
        true => ("stdin: {}", component),
        false => (component, "drop: {}"),
    };
    support::lint(&format!("input: {{ {input} }}\noutput: {{ {output} }}\n"))
}

#[test]
fn what_is_sound_has_no_lints() {
    for component in [
        "kafka: { addresses: ['a:1,b:2'], topics: [x], consumer_group: g, target_version: 2.1.0 }",
        "kafka: { addresses: [a], topics: ['x:0-3'], sasl: { mechanism: PLAIN, user: u, password: p } }",
        "kafka_franz: { seed_brokers: [a], topics: ['x.*'], regexp_topics: true }",
        "kafka_franz: { seed_brokers: [a], topics: ['x:0:5'], group_balancers: [range, round_robin] }",
        "kafka: { addresses: [a], topic: t, partitioner: manual, partition: '${! @p }', compression: zstd }",
        "kafka_franz: { seed_brokers: [a], topic: '${! @t }', metadata: { include_patterns: ['^a'] } }",
    ] {
        assert_eq!(lint(component), "", "{component}");
    }
}

#[test]
fn a_mechanism_that_nobody_has_is_in_no_build() {
    let lints = lint("kafka: { addresses: [a], topic: t, sasl: { mechanism: GUESS } }");
    assert!(lints.contains("value GUESS is not a valid option"), "{lints}");
    assert!(!lints.contains("this build"), "{lints}");
}

#[test]
fn what_is_wrong_and_what_has_no_effect() {
    for (component, text) in [
        (
            "kafka: { addresses: [a], topics: [x] }",
            "a consumer group must be specified when consuming balanced topics",
        ),
        (
            "kafka: { addresses: [a], topics: [x, 'y:0'], consumer_group: g }",
            "it is not currently possible to include balanced and explicit partition topics in the same kafka input",
        ),
        ("kafka: { addresses: [''], topics: ['x:0'] }", "there is no address"),
        (
            "kafka: { addresses: ['a,http://b:9092'], topics: ['x:0'] }",
            "an address of a broker is `host:port`, without a scheme such as `http://`",
        ),
        (
            "kafka_franz: { seed_brokers: ['http://a:9092'], topic: t }",
            "an address of a broker is `host:port`, without a scheme such as `http://`",
        ),
        (
            "kafka: { addresses: [a], topics: ['x:0:1'] }",
            "topic 'x:0:1' is invalid, explicit offsets are not supported by this input",
        ),
        ("kafka: { addresses: [a], topics: ['x:0'], target_version: two }", "invalid version `two`"),
        (
            "kafka: { addresses: [a], topics: ['x:0'], max_processing_period: 1s }",
            "`max_processing_period` has no effect in Wappa",
        ),
        (
            "kafka: { addresses: [a], topics: ['x:0'], sasl: { mechanism: AWS_MSK_IAM } }",
            "Wappa does not have the mechanism `AWS_MSK_IAM`",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topics: ['x:0'], consumer_group: g }",
            "this input does not support both a consumer group and explicit topic partitions",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topics: ['x:0'], regexp_topics: true }",
            "this input does not support both regular expression topics and explicit topic partitions",
        ),
        ("kafka_franz: { seed_brokers: [a], topics: ['('], regexp_topics: true }", "topic '(' is no pattern"),
        ("kafka_franz: { seed_brokers: ['a,'], topics: [x] }", "seed broker address cannot be empty"),
        (
            "kafka_franz: { seed_brokers: [a], topics: [x], group_balancers: [sticky] }",
            "Wappa does not have the balancer `sticky`",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topics: [x], preferring_lag: 5 }",
            "`preferring_lag` has no effect in Wappa",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topics: [x], sasl: [ { mechanism: PLAIN }, { mechanism: PLAIN } ] }",
            "of several mechanisms Wappa uses the first, and tries no other",
        ),
        (
            "kafka: { addresses: [a], topic: t, partitioner: manual }",
            "partition field required for 'manual' partitioner",
        ),
        (
            "kafka: { addresses: [a], topic: t, partition: '1' }",
            "partition field can only be specified for 'manual' partitioner",
        ),
        (
            "kafka: { addresses: [a], topic: t, custom_topic_creation: { enabled: true, partitions: 1 } }",
            "topic_partitions must be greater than one, got 1",
        ),
        (
            "kafka: { addresses: [a], topic: t, backoff: { initial_interval: soon } }",
            "failed to parse duration string: time: invalid duration \"soon\"",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topic: t, partitioner: manual }",
            "a partition must be specified when the partitioner is set to manual",
        ),
        (
            "kafka_franz: { seed_brokers: [a], topic: t, partition: '1' }",
            "a partition cannot be specified unless the partitioner is set to manual",
        ),
        ("kafka_franz: { seed_brokers: [a], topic: t, max_message_bytes: 3GB }", "invalid max_message_bytes"),
        (
            "kafka_franz: { seed_brokers: [a], topic: t, metadata: { include_patterns: ['('] } }",
            "'(' is no pattern",
        ),
    ] {
        let lints = lint(component);
        assert!(lints.contains(text), "{component}: {lints}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn what_another_build_has_is_said() {
    for component in [
        "kafka: { addresses: [a], topics: ['x:0'], tls: { enabled: true } }",
        "kafka: { addresses: [a], topics: ['x:0'], sasl: { mechanism: SCRAM-SHA-256, user: u, password: geheim } }",
        "kafka_franz: { seed_brokers: [a], topic: t, tls: { enabled: true } }",
        "kafka_franz: { seed_brokers: [a], topic: t, sasl: [ { mechanism: OAUTHBEARER, token: geheim } ] }",
    ] {
        let lints = lint(component);
        assert!(lints.contains("this build of Wappa") && lints.contains("--features kafka-tls"), "{lints}");
        assert!(!lints.contains("geheim"), "{lints}");
    }
}
