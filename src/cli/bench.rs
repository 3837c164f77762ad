//! `netc bench`: how long a run takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::args::{NetArgs, PlainFormat, WeightArgs};
use super::compile::{self, MachineArgs};
use super::input::{self, InputArgs};
use super::terminal::{Stop, Terminal};
use super::{peak, phase, weigh};
use crate::plan::{Kernel, Step};
use crate::program::Session;
use crate::report::{Report, bytes, shown, thousands};

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
    /// Also measure each step alone, on one thread
    #[arg(long)]
    per_layer: bool,
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
        let least = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        let times = measure(&mut session, &inputs, self.runs, least);
        let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let min = nanoseconds(times[0]);
        let median = nanoseconds(times[times.len() / 2]);
        let report = Report::of(&net.graph, Some(compiled.plan.arena_bytes as u64));
        let weight_bytes = compile::weight_bytes(&compiled.plan);
        let batch = fed.values.first().map_or(1, |it| it.shape.batch());
        let macs = report.totals.macs * batch as u64;
        let layers = if self.per_layer {
            layers(&mut session, &inputs, &compiled.plan.steps, self.runs)
        } else {
            Vec::new()
        };
        match self.format {
            PlainFormat::Json => terminal.print_json(&json!({
                "schema": 1, "net": net.graph.name, "threads": threads, "batch": batch,
                "runs": times.len(), "min_ns": min, "median_ns": median,
                "compile_ns": nanoseconds(compiled.took), "macs": macs,
                "arena_bytes": compiled.plan.arena_bytes, "weight_bytes": weight_bytes,
                "layers": layers.iter().map(Layer::json).collect::<Vec<_>>(),
            })),
            PlainFormat::Text => terminal.print(&format!(
                "{}{}: {} runs, {threads} {}, batch {}\n  min     {:>10.3} ms\n  median  {:>10.3} ms\n  \
                 speed   {:>10.1} GFLOP/s\n  compile {:>10.1} ms\n  memory  {} of values, {} of weights\n",
                if layers.is_empty() { String::new() } else { text(&layers) },
                net.graph.name,
                times.len(),
                if threads == 1 { "thread" } else { "threads" },
                batch,
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

/// The times of at least so many runs over at least so long, sorted.
fn measure(session: &mut Session, inputs: &[&[f32]], runs: u64, least: Duration) -> Vec<Duration> {
    let mut once = || {
        let begun = Instant::now();
        session.run(inputs).expect("the inputs have the net's shapes");
        begun.elapsed()
    };
    let mut warm = Duration::ZERO;
    for _ in 0..3 {
        warm += once();
        if warm > least {
            break;
        }
    }
    let mut times = Vec::new();
    let begun = Instant::now();
    while (times.len() as u64) < runs || begun.elapsed() < least {
        times.push(once());
    }
    times.sort_unstable();
    times
}

/// One step of a program.
struct Layer {
    path: String,
    kernel: &'static str,
    ns: u64,
    macs: u64,
    /// Of what one core could do, 0..1.
    share: f64,
}

impl Layer {
    fn json(&self) -> Value {
        json!({"path": self.path, "kernel": self.kernel, "ns": self.ns, "macs": self.macs,
               "peak_share": self.share})
    }
}

/// The least time of each step over so many runs.
fn layers(session: &mut Session, inputs: &[&[f32]], steps: &[Step], runs: u64) -> Vec<Layer> {
    let mut least = vec![Duration::MAX; steps.len()];
    for _ in 0..runs {
        let times = session.profile(inputs).expect("the inputs have the net's shapes");
        least.iter_mut().zip(times).for_each(|(least, it)| *least = (*least).min(it));
    }
    let peak = peak::flops_per_nanosecond();
    let layer = |(step, time): (&Step, Duration)| {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let (kernel, macs) = work(step);
        let share = 2.0 * macs as f64 / ns as f64 / peak;
        Layer { path: step.path.clone(), kernel, ns, macs, share }
    };
    steps.iter().zip(least).map(layer).collect()
}

/// What a step runs, and its multiply-accumulate operations.
fn work(step: &Step) -> (&'static str, u64) {
    let outputs = step.output.shape.elements() as u64;
    let taps = |windows: &[crate::shape::Window]| -> u64 {
        windows.iter().map(|it| it.kernel as u64).product()
    };
    match &step.kernel {
        Kernel::Loops(_) => ("loops", 0),
        Kernel::Pool(_) => ("pool", 0),
        Kernel::Contract(it) => ("contract", outputs * it.in_channels as u64 * taps(&it.windows)),
        Kernel::Winograd(it) => ("winograd", outputs * (9 * it.in_channels) as u64),
        Kernel::Depthwise(it) => ("depthwise", outputs * taps(&it.windows)),
        Kernel::Suppress(_) => ("suppress", 0),
    }
}

fn text(layers: &[Layer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let heads = ["us", "share", "MACs", "GFLOP/s", "of peak"].map(|it| right(it.to_owned()));
    table.set_header([Cell::new("step"), Cell::new("kernel")].into_iter().chain(heads));
    let total: u64 = layers.iter().map(|it| it.ns).sum();
    for it in layers {
        let rate = |text: String| if it.macs == 0 { String::new() } else { text };
        table.add_row([
            Cell::new(shown(&it.path)),
            Cell::new(it.kernel),
            right(format!("{:.1}", it.ns as f64 / 1e3)),
            right(format!("{:.1} %", 100.0 * it.ns as f64 / total as f64)),
            right(rate(thousands(it.macs))),
            right(rate(format!("{:.1}", 2.0 * it.macs as f64 / it.ns as f64))),
            right(rate(format!("{:.0} %", 100.0 * it.share))),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|it| format!("{}\n", it.trim_end())).collect();
    format!("{}\n", lines.concat())
}
