//! What a release has beside the program is accepted by the tools that it is for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use wappa_servers::{find, or_skip};

mod support;

use support::Program;

/// The folder `packaging` of the repository.
fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").canonicalize().expect("it is there")
}

/// Runs a tool in the folder `packaging`, and has what it prints.
fn accepts(tool: &Path, arguments: &[&str]) -> String {
    let ended = Command::new(tool).args(arguments).current_dir(packaging()).output().expect("it can be run");
    let told =
        format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{} {arguments:?}: {told}", tool.display());
    told
}

#[test]
fn promtool_accepts_the_alerts_and_what_they_tell_of_a_bad_night() {
    let Some(promtool) = or_skip(find("promtool")) else { return };
    accepts(&promtool, &["check", "config", "prometheus/scrape.yaml"]);
    accepts(&promtool, &["test", "rules", "prometheus/alerts.test.yaml"]);
}

/// All of it is read, and nothing is complained of but Bento's way of naming: counters without `_total`, and nanoseconds.
#[test]
fn promtool_reads_the_metrics() {
    let Some(promtool) = or_skip(find("promtool")) else { return };
    for timings in ["false", "true"] {
        let config = format!(
            "http: {{ enabled: false }}
metrics:
  prometheus:
    use_histogram_timing: {timings}
    add_process_metrics: true
    file_output_path: metrics.txt
input: {{ generate: {{ count: 10, interval: '', mapping: 'root = {{}}' }} }}
pipeline:
  processors:
    - label: \"a_guest\"
      wasm: {{ module_path: guest.wat, reload: true }}
    - catch: [{{ mapping: root = deleted() }}]
output: {{ drop: {{}} }}
"
        );
        let program = Program::new("promtool").file("a.yaml", config);
        let program = program.file("guest.wat", r#"(module (func (export "process") (unreachable)))"#);
        let ended = program.run(&["-c", "a.yaml"]);
        assert_eq!(ended.code, Some(0), "{ended}");
        let metrics = fs::File::open(program.dir().join("metrics.txt")).expect("it was written");
        let checked = Command::new(&promtool).args(["check", "metrics"]).stdin(metrics).output();
        let checked = checked.expect("it can be run");
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&checked.stdout),
            String::from_utf8_lossy(&checked.stderr)
        );
        // 3: it was read, and there are complaints.
        assert_eq!(checked.status.code(), Some(3), "{told}");
        let is_of_bento = |line: &str| {
            line.ends_with(r#"counter metrics should have "_total" suffix"#)
                || line.ends_with("_ns metric names should not contain abbreviated units")
        };
        let others: Vec<&str> = told.lines().filter(|it| !it.is_empty() && !is_of_bento(it)).collect();
        assert!(others.is_empty() && told.contains("wasm_failed"), "{told}");
    }
}

#[test]
fn amtool_accepts_who_is_called() {
    let Some(amtool) = or_skip(find("amtool")) else { return };
    accepts(&amtool, &["check-config", "prometheus/alertmanager.yaml"]);
}

#[test]
fn helm_accepts_the_chart() {
    let Some(helm) = or_skip(find("helm")) else { return };
    accepts(&helm, &["lint", "--strict", "helm/wappa"]);
    let plain = accepts(&helm, &["template", "orders", "helm/wappa"]);
    assert!(!plain.contains("PodDisruptionBudget") && !plain.contains("mountPath: /modules"), "{plain}");
    let settings = "replicas=3,modules.configMap=guests,podMonitor.enabled=true,prometheusRule.enabled=true,extraArgs={--chilled},probes.scheme=HTTPS";
    let whole = accepts(&helm, &["template", "orders", "helm/wappa", "--set", settings]);
    for part in [
        "PodDisruptionBudget",
        "PodMonitor",
        "configMap: { name: guests }",
        "- --chilled",
        "replicas: 3",
        "scheme: HTTPS",
        "alert: WappaDown",
        "{{ $labels.instance }}",
    ] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
    for (mistake, told) in [
        ("modules.configMap=a,modules.image=b", "give one of them"),
        ("replica=3", "replica"),
        ("probes.shceme=HTTPS", "shceme"),
        ("config.input.stdin=", "config"),
        ("config=http: { address: 127.0.0.1:4990 }", "neither the probes nor the service reach"),
        ("config=http: { address: localhost:4195 }", "neither the probes nor the service reach"),
    ] {
        let arguments = ["template", "orders", "helm/wappa", "--set", mistake];
        let refused =
            Command::new(&helm).args(arguments).current_dir(packaging()).output().expect("it can be run");
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && stderr.contains(told), "{mistake}: {stderr}");
    }
    for config in
        ["http: { address: 0.0.0.0:4195 }", "http: { address: \"${HOST}:4195\" }", "input: { stdin: {} }"]
    {
        accepts(&helm, &["template", "orders", "helm/wappa", "--set", &format!("config={config}")]);
    }
}

#[test]
fn systemd_accepts_the_unit() {
    let Some(analyze) = or_skip(find("systemd-analyze")) else { return };
    // What it runs has to be there, so it is another program that is.
    let dir = Program::new("unit");
    let unit = fs::read_to_string(packaging().join("systemd/wappa@.service")).expect("it can be read");
    let unit = unit.replace("/usr/bin/wappa", "/bin/true");
    let unit = unit.replace("Documentation=man:wappa(1)\n", "");
    let dir = dir.file("wappa@orders.service", unit);
    let file = dir.dir().join("wappa@orders.service").display().to_string();
    let told = accepts(&analyze, &["verify", "--man=no", &file]);
    assert_eq!(told, "");
}
