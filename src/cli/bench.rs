//! `netc bench`: how long a run takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use super::args::{NetArgs, PlainFormat, WeightArgs};
use super::compile::{self, MachineArgs};
use super::input::{self, InputArgs};
use super::terminal::{Stop, Terminal};
use super::{phase, weigh};
use crate::report::{Report, bytes};

/// Measure how long a run takes
///
/// Runs a few times unmeasured, then until both --runs and --seconds are reached. Look at the least time: the
/// others are disturbed by what else the machine does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc bench models/resnet.net --net ResNet50 --threads 1\n  \
    netc bench models/lenet5.net --runs 1000 --format json")]
pub(super) struct Bench {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    weights: WeightArgs,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    machine: MachineArgs,
    /// The least number of measured runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The least time to measure for
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    seconds: f64,
    /// How the figures are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
}

impl Bench {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let fed = input::feed(terminal, &self.file, &self.net, &self.inputs)?;
        let net = &fed.built.net;
        let weights = weigh::weigh(terminal, &fed.built, &self.weights)?;
        let (plan, code) = (self.machine.plan(), self.machine.code());
        let compiled = compile::compile(terminal, &net.graph, &weights, &plan, &code)?;
        drop(weights);
        phase::enter("measuring");
        let threads = self.machine.threads();
        let mut session = compiled.program.session(threads);
        let inputs: Vec<&[f32]> = fed.values.iter().map(|it| it.data.as_slice()).collect();
        let mut once = || {
            let begun = Instant::now();
            session.run(&inputs).expect("the inputs have the net's shapes");
            begun.elapsed()
        };
        let least = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        let mut warm = Duration::ZERO;
        for _ in 0..3 {
            warm += once();
            if warm > least {
                break;
            }
        }
        let mut times = Vec::new();
        let begun = Instant::now();
        while (times.len() as u64) < self.runs || begun.elapsed() < least {
            times.push(once());
        }
        times.sort_unstable();
        let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let min = nanoseconds(times[0]);
        let median = nanoseconds(times[times.len() / 2]);
        let report = Report::of(&net.graph, Some(compiled.plan.arena_bytes as u64));
        let weight_bytes = compile::weight_bytes(&compiled.plan);
        let macs = report.totals.macs * self.net.batch as u64;
        match self.format {
            PlainFormat::Json => terminal.print_json(&json!({
                "schema": 1, "net": net.graph.name, "threads": threads, "batch": self.net.batch,
                "runs": times.len(), "min_ns": min, "median_ns": median,
                "compile_ns": nanoseconds(compiled.took), "macs": macs,
                "arena_bytes": compiled.plan.arena_bytes, "weight_bytes": weight_bytes,
            })),
            PlainFormat::Text => terminal.print(&format!(
                "{}: {} runs, {threads} {}, batch {}\n  min     {:>10.3} ms\n  median  {:>10.3} ms\n  \
                 speed   {:>10.1} GFLOP/s\n  compile {:>10.1} ms\n  memory  {} of values, {} of weights\n",
                net.graph.name,
                times.len(),
                if threads == 1 { "thread" } else { "threads" },
                self.net.batch,
                min as f64 / 1e6,
                median as f64 / 1e6,
                2.0 * macs as f64 / min as f64,
                compiled.took.as_secs_f64() * 1e3,
                bytes(compiled.plan.arena_bytes as u64),
                bytes(weight_bytes),
            )),
        }
    }
}
