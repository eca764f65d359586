//! From one stream of JetStream through a guest into another: `wappa` beside a plain program with the same client, which does
//! the same without a guest.
//!
//! `cargo build --release`, then `cargo bench -p wappa-nats --bench jetstream -- [--quick]`. Needs `nats-server`. Each row
//! is the median of the runs: messages a second, and seconds of CPU for a million messages.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::{
    env, fs,
    future::IntoFuture,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, Context, consumer::pull, stream};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::{Builder, Runtime};
use wait4::Wait4;
use wappa_servers::{Dir, Server, nats::Nats};

/// How many messages are on their way at most; the default of the output.
const IN_FLIGHT: usize = 1_024;

fn main() {
    let args: Vec<String> = env::args().collect();
    if let [_, flag, address, n_messages] = args.as_slice()
        && flag == "--plain"
    {
        return plain(address, n_messages.parse().expect("it is a number"));
    }
    if !args.iter().any(|it| it == "--bench") {
        // `cargo test --all-targets` starts benchmarks as well, to see that they do.
        return;
    }
    let is_quick = args.iter().any(|it| it == "--quick");
    let (n_messages, n_runs) = if is_quick { (20_000, 1) } else { (300_000, 5) };
    let nats = match Nats::find() {
        Ok(nats) => nats,
        Err(missing) => return println!("{missing}"),
    };
    let own = env::current_exe().expect("it runs");
    let wappa: PathBuf = own.ancestors().nth(2).expect("it is in the target directory").join("wappa");
    if !wappa.exists() {
        return println!("{} is not there: `cargo build --release` makes it", wappa.display());
    }
    let server = nats.start();
    println!("{:>6} {:>14} {:>14} {:>10} {:>10}", "bytes", "who", "messages/s", "CPU s/1M", "ratio");
    for size in [100, 1_024] {
        let mut best: Option<f64> = None;
        for who in ["plain", "wappa"] {
            let mut runs: Vec<(f64, f64)> =
                (0..n_runs).map(|_| measure(&server, who, &own, &wappa, n_messages, size)).collect();
            runs.sort_by(|one, other| one.0.total_cmp(&other.0));
            let (rate, cpu) = runs[runs.len() / 2];
            let ratio = rate / *best.get_or_insert(rate);
            println!("{size:>6} {who:>14} {rate:>14.0} {cpu:>10.2} {ratio:>10.2}");
        }
    }
}

fn outside(server: &Server) -> (Runtime, Context) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("it can be started");
    let client = runtime.block_on(async_nats::connect(server.address())).expect("the server is there");
    let api = runtime.block_on(async { jetstream::new(client) });
    (runtime, api)
}

/// Messages a second, and seconds of CPU for a million.
fn measure(server: &Server, who: &str, own: &Path, wappa: &Path, n: usize, size: usize) -> (f64, f64) {
    let (runtime, api) = outside(server);
    let dir = Dir::new();
    runtime.block_on(async {
        for name in ["in", "out"] {
            let _ = api.delete_stream(name).await;
            let config = stream::Config {
                name: name.to_string(),
                subjects: vec![format!("{name}.>")],
                storage: stream::StorageType::Memory,
                ..Default::default()
            };
            api.create_stream(config).await.expect("it can be made");
        }
        let payload = Bytes::from(vec![b'x'; size]);
        let mut acks = FuturesOrdered::new();
        for _ in 0..n {
            acks.push_back(api.publish("in.all", payload.clone()).await.expect("it is sent").into_future());
            if IN_FLIGHT <= acks.len() {
                acks.next().await.expect("there is one").expect("it is stored");
            }
        }
        while let Some(ack) = acks.next().await {
            ack.expect("it is stored");
        }
    });
    let mut command = match who {
        "plain" => {
            let mut command = Command::new(own);
            command.args(["--plain", &server.address(), &n.to_string()]);
            command
        }
        _ => {
            let guest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/upper.wat");
            let url = format!("urls: ['nats://{}']", server.address());
            let config = format!(
                "input: {{nats_jetstream: {{{url}, subject: in.>, durable: d, pull: true}}}}\n\
                 pipeline: {{threads: 1, processors: [{{wasm: {{module_path: {guest:?}}}}}]}}\n\
                 output: {{nats_jetstream: {{{url}, subject: out.all}}}}\n"
            );
            fs::write(dir.at("a.yaml"), config).expect("it can be written");
            let mut command = Command::new(wappa);
            command.args(["-c", &dir.at("a.yaml")]);
            command
        }
    };
    let began = Instant::now();
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it can be started");
    let count = || {
        runtime
            .block_on(async { api.get_stream("out").await.map_or(0, |it| it.cached_info().state.messages) })
    };
    while (count() as usize) < n {
        thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64();
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let used = child.wait4().expect("it is our child").rusage;
    let cpu = (used.utime + used.stime).as_secs_f64();
    (n as f64 / seconds, cpu * 1e6 / n as f64)
}

/// The plain program.
fn plain(address: &str, n_messages: usize) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("it can be started");
    runtime.block_on(async {
        let api = jetstream::new(async_nats::connect(address).await.expect("the server is there"));
        let stream = api.get_stream("in").await.expect("it is there");
        let config = pull::Config {
            durable_name: Some("d".to_string()),
            max_ack_pending: IN_FLIGHT as i64,
            ..Default::default()
        };
        let consumer = stream.create_consumer(config).await.expect("it can be made");
        let mut messages = consumer.messages().await.expect("it can be read");
        let mut acks = FuturesOrdered::new();
        let mut n_done = 0;
        while n_done < n_messages {
            tokio::select! {
                message = messages.next(), if acks.len() < IN_FLIGHT => {
                    let message = message.expect("there is more").expect("it can be read");
                    let louder = message.payload.to_ascii_uppercase().into();
                    let ack = api.publish("out.all", louder).await.expect("it is sent").into_future();
                    acks.push_back(async move {
                        ack.await.expect("it is stored");
                        message.ack().await.expect("it can be answered");
                    });
                }
                Some(()) = acks.next() => n_done += 1,
            }
        }
        api.client().flush().await.expect("it is sent");
    });
}
