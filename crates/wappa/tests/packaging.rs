//! What a release has beside the program knows the program it is for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

mod support;

use support::Program;

/// The folder `packaging` of the repository.
fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").canonicalize().expect("it is there")
}

fn text(path: &str) -> String {
    let path = packaging().join(path);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// All that a pattern's first group finds.
fn all<'t>(pattern: &str, text: &'t str) -> BTreeSet<&'t str> {
    let pattern = Regex::new(pattern).expect("the pattern is sound");
    pattern.captures_iter(text).map(|it| it.get(1).expect("it has a group").as_str()).collect()
}

#[test]
fn alerts_and_dashboard_name_metrics_that_there_are() {
    let reference = text("../docs/reference/metrics.md");
    let known = all(r"(?m)^\| `([a-z0-9_]+)`", &reference);
    let of_process = text("../crates/wappa-http-server/src/metrics/process.rs");
    let of_process = all(r#""(process_[a-z_]+)""#, &of_process);
    for file in ["prometheus/alerts.yaml", "prometheus/alerts.test.yaml", "grafana/wappa.json"] {
        let content = text(file);
        let named =
            all(r"\b((?:input|buffer|processor|output|wasm|process|cache|http)_[a-z0-9_]+)\b", &content);
        assert!(4 < named.len(), "{file}: {named:?}");
        for name in named.into_iter().filter(|it| *it != "input_series") {
            let series = ["_sum", "_count", "_bucket"].iter().find_map(|it| name.strip_suffix(it));
            let is_known = [Some(name), series].into_iter().flatten().any(|it| known.contains(it));
            assert!(is_known || of_process.contains(name), "{file}: {name}");
        }
    }
}

#[test]
fn all_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = text("helm/wappa/Chart.yaml");
    assert!(chart.contains(&format!("\nversion: {version}\nappVersion: \"{version}\"\n")), "{chart}");
    assert!(text("kubernetes/wappa.yaml").contains(&format!("image: wappa:{version}\n")));
    assert!(text("../docs/installing.md").contains(&format!("wappa-{version}-image.tar")));
}

#[test]
fn flags_and_configs_are_those_of_the_program() {
    let program = Program::new("packaging");
    let help = program.run(&["--help"]).stdout;
    let unit = text("systemd/wappa@.service");
    let chart = text("helm/wappa/templates/deployment.yaml");
    let started = Regex::new(r"(?m)^ExecStart=(.*)$").expect("it is sound");
    let started = started.captures(&unit).expect("the unit starts it").get(1).expect("it has one").as_str();
    for (what, flags) in
        [("unit", all(r"\s(--[a-z-]+)", started)), ("chart", all(r"- (--[a-z-]+)\n", &chart))]
    {
        assert!(!flags.is_empty(), "{what}");
        for flag in flags {
            assert!(help.contains(flag), "{what}: {flag}");
        }
    }
    let image = text("image.yaml");
    let values = text("helm/wappa/values.yaml");
    let block = values.split_once("\nconfig: |\n").expect("it has one").1;
    let config: String =
        block.lines().take_while(|it| it.starts_with("  ")).map(|it| format!("{}\n", &it[2..])).collect();
    let of_image: String =
        image.lines().filter(|it| !it.starts_with('#')).map(|it| format!("{it}\n")).collect();
    assert_eq!(config, of_image, "the chart and the image have the same stream by default");
    let program = program.file("wappa.yaml", &image);
    let ended = program.run(&["lint", "wappa.yaml"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}
