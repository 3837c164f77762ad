//! `netc bench`: how long a run takes.

use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::args::PlainFormat;
use super::progress::Progress;
use super::subject::SubjectArgs;
use super::terminal::{Stop, Terminal};
use super::{compile, phase};
use crate::codegen::machine::{self, Vectors};
use crate::plan::{Kernel, Part, Plan, Step};
use crate::program::Session;
use crate::report::{Report, bytes, counted, samples, shown, thousands};

/// Measure how long a run takes
///
/// Measures first what the machine could do at best, with the vectors that --cpu allows. Then runs a few times
/// unmeasured, and until both --runs and --seconds are reached. Look at the least time: the others are disturbed by
/// what else the machine does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc bench models/resnet.net --net ResNet50 --threads 1\n  \
    netc bench models/lenet5.net --runs 1000 --format json")]
pub(super) struct Bench {
    /// The least number of measured runs
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The least time to measure for
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Also measure each step alone, on one thread, and compare it with its limit: multiply-adds, or reading memory (the
    /// table says where the data lie in a cache)
    #[arg(long)]
    per_layer: bool,
    /// How the figures are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
    #[command(flatten)]
    subject: SubjectArgs,
}

/// The longest time to measure for: a day.
const SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|it| (0.0..=SECONDS_MAX).contains(it));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("write a number of seconds from 0 to {SECONDS_MAX}"))
}

impl Bench {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let fed = self.subject.feed(terminal)?;
        let net = &fed.built.net;
        let plan = self.subject.machine.plan();
        let vectors = Vectors::of(plan.processor, self.subject.machine.code().cpu);
        let (compiled, _) = self.subject.compile(terminal, &fed, plan)?;
        phase::enter("measuring");
        let threads = self.subject.machine.threads();
        let machine = Machine::measure(vectors, threads);
        let mut session = compiled.program.session(threads);
        let inputs = fed.data();
        let progress = terminal.progress("measuring", PARTS);
        let times = measure(&mut session, &inputs, self.runs, self.seconds, &progress);
        drop(progress);
        let nanoseconds = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let min = nanoseconds(times[0]);
        let median = nanoseconds(times[times.len() / 2]);
        let report = Report::of(&net.graph, Some(compiled.plan.arena_bytes as u64));
        let weight_bytes = compile::weight_bytes(&compiled.plan);
        let batch = fed.values.first().map_or(1, |it| it.shape.batch());
        let macs = report.totals.macs * samples(&net.graph);
        let layers = if self.per_layer {
            layers(&mut session, &inputs, &compiled.plan, self.runs, &machine)
        } else {
            Vec::new()
        };
        let speed = 2.0 * macs as f64 / min as f64;
        let peak = machine.flops[1];
        let printed = match self.format {
            PlainFormat::Json => terminal.print_json(&json!({
                "schema": 1, "net": net.graph.name, "threads": threads, "batch": batch,
                "runs": times.len(), "min_ns": min, "median_ns": median,
                "compile_ns": nanoseconds(compiled.took), "macs": macs,
                "arena_bytes": compiled.plan.arena_bytes, "weight_bytes": weight_bytes,
                "machine": machine.json(),
                "layers": layers.iter().map(Layer::json).collect::<Vec<_>>(),
            })),
            PlainFormat::Text => terminal.print(&format!(
                "{}{}: {}, {}, batch {}\n  min     {:>10.3} ms\n  median  {:>10.3} ms\n  \
                 speed   {speed:>10.1} GFLOP/s, {:.0} % of peak\n  compile {:>10.1} ms\n  \
                 memory  {} of values, {} of weights\n{}",
                if layers.is_empty() { String::new() } else { text(&layers) },
                net.graph.name,
                counted(times.len() as u64, "run"),
                counted(threads as u64, "thread"),
                batch,
                min as f64 / 1e6,
                median as f64 / 1e6,
                100.0 * speed / peak,
                compiled.took.as_secs_f64() * 1e3,
                bytes(compiled.plan.arena_bytes as u64),
                bytes(weight_bytes),
                machine.text(),
            )),
        };
        compiled.remember(terminal);
        printed
    }
}

/// What the machine could do at best with the vectors that the code uses, on one thread and on all.
struct Machine {
    threads: usize,
    /// Floating-point operations in a nanosecond.
    flops: [f64; 2],
    /// Bytes read from memory in a nanosecond.
    bytes: [f64; 2],
}

impl Machine {
    fn measure(vectors: Vectors, threads: usize) -> Machine {
        let each = |rate: &dyn Fn(usize) -> f64| {
            let one = rate(1);
            [one, if threads == 1 { one } else { rate(threads) }]
        };
        let flops = each(&|threads| machine::flops(vectors, threads));
        Machine { threads, flops, bytes: each(&machine::bytes) }
    }

    fn json(&self) -> Value {
        json!({"threads": [1, self.threads], "gflops": self.flops, "gbytes_per_s": self.bytes})
    }

    fn text(&self) -> String {
        let line = |what: &str, rates: [f64; 2], unit: &str| {
            let all = match self.threads {
                1 => String::new(),
                threads => format!(" on one thread, {:.1} on {threads}", rates[1]),
            };
            format!("  {what:7} {:>10.1} {unit}{all}\n", rates[0])
        };
        line("machine", self.flops, "GFLOP/s") + &line("reading", self.bytes, "GB/s")
    }
}

/// The parts in which a measurement is shown.
const PARTS: usize = 100;

/// The times of at least so many runs over at least so long, sorted.
fn measure(
    session: &mut Session,
    inputs: &[&[f32]],
    runs: u64,
    least: Duration,
    progress: &Progress,
) -> Vec<Duration> {
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
    let mut shown = 0;
    while (times.len() as u64) < runs || begun.elapsed() < least {
        times.push(once());
        // Drawing costs time between runs, none within them.
        let by_runs = times.len() as f64 / runs as f64;
        let by_time = begun.elapsed().as_secs_f64() / least.as_secs_f64();
        let done = if by_runs < by_time { by_runs } else { by_time };
        while shown < PARTS && shown as f64 <= done * PARTS as f64 {
            progress.step();
            shown += 1;
        }
    }
    times.sort_unstable();
    times
}

/// One step of a program, alone on one thread.
struct Layer {
    path: String,
    kernel: String,
    ns: u64,
    macs: u64,
    /// What it reads and writes at least: operands, parameters, its result.
    bytes: u64,
    /// The share of the measured rate of multiply-adds, 0..1, and of reading memory, which a cache may exceed.
    peak: f64,
    bandwidth: f64,
}

impl Layer {
    fn json(&self) -> Value {
        json!({"path": self.path, "kernel": self.kernel, "ns": self.ns, "macs": self.macs,
               "bytes": self.bytes, "peak_share": self.peak, "bandwidth_share": self.bandwidth})
    }

    /// What bounds it more tightly, and the share of that rate; what is faster than memory lies in a cache, whose rate
    /// was not measured.
    fn bound(&self) -> (&'static str, Option<f64>) {
        if self.bandwidth > 1.0 && self.bandwidth > self.peak {
            ("cache", None)
        } else if self.peak >= self.bandwidth {
            ("fma", Some(self.peak))
        } else {
            ("memory", Some(self.bandwidth))
        }
    }
}

/// The least time of each step over so many runs.
fn layers(
    session: &mut Session,
    inputs: &[&[f32]],
    plan: &Plan,
    runs: u64,
    machine: &Machine,
) -> Vec<Layer> {
    let mut least = vec![Duration::MAX; plan.steps.len()];
    for _ in 0..runs {
        let times = session.profile(inputs).expect("the inputs have the net's shapes");
        least.iter_mut().zip(times).for_each(|(least, it)| *least = (*least).min(it));
    }
    let layer = |(step, time): (&Step, Duration)| {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let (kernel, macs) = work(step);
        let values = step.inputs.iter().chain([&step.output]).map(|it| it.shape.elements());
        let params = step.params.iter().map(|it| plan.packed[it.0].elements);
        let bytes = 4 * values.chain(params).sum::<usize>() as u64;
        let peak = 2.0 * macs as f64 / ns as f64 / machine.flops[0];
        let bandwidth = bytes as f64 / ns as f64 / machine.bytes[0];
        Layer { path: step.path.clone(), kernel, ns, macs, bytes, peak, bandwidth }
    };
    plan.steps.iter().zip(least).map(layer).collect()
}

/// What a step runs, and its multiply-accumulate operations.
fn work(step: &Step) -> (String, u64) {
    let outputs = |parts: &[Part]| step.output.parts(parts).shape.elements() as u64;
    let taps = |windows: &[crate::shape::Window]| -> u64 {
        windows.iter().map(|it| it.kernel as u64).product()
    };
    let (kernel, macs) = match &step.kernel {
        Kernel::Loops(_) => ("loops", 0),
        Kernel::Pool(_) => ("pool", 0),
        Kernel::Contract(it) => {
            ("contract", outputs(&it.parts) * it.in_channels as u64 * taps(&it.windows))
        }
        Kernel::Winograd(it) => {
            ("winograd", outputs(&[]) * (taps(&it.windows) * it.in_channels as u64))
        }
        Kernel::Depthwise(it) => ("depthwise", outputs(&it.parts) * taps(&it.windows)),
        Kernel::Suppress(_) => ("suppress", 0),
    };
    match &step.choice {
        Some(choice) if choice.taken().name.starts_with(kernel) => {
            (choice.taken().name.clone(), macs)
        }
        Some(choice) => (format!("{kernel} {}", choice.taken().name), macs),
        None => (kernel.to_owned(), macs),
    }
}

/// Cells of a bar for a whole.
const BAR: usize = 10;

/// A bar of eighths of cells; what is above the whole does not show.
fn bar(share: f64) -> String {
    let eighths = (share.clamp(0.0, 1.0) * (8 * BAR) as f64).round() as usize;
    let part =
        ["", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}"];
    format!("{}{}", "\u{2588}".repeat(eighths / 8), part[eighths % 8])
}

fn text(layers: &[Layer]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let heads = ["us", "share", "MACs", "GFLOP/s", "bound", "of it"];
    let heads = heads.map(|it| right(it.to_owned())).into_iter().chain([Cell::new("")]);
    table.set_header([Cell::new("step"), Cell::new("kernel")].into_iter().chain(heads));
    let total: u64 = layers.iter().map(|it| it.ns).sum();
    for it in layers {
        let (bound, share) = it.bound();
        let rate = |text: String| if it.macs == 0 { String::new() } else { text };
        table.add_row([
            Cell::new(shown(&it.path)),
            Cell::new(&it.kernel),
            right(format!("{:.1}", it.ns as f64 / 1e3)),
            right(format!("{:.1} %", 100.0 * it.ns as f64 / total as f64)),
            right(rate(thousands(it.macs))),
            right(rate(format!("{:.1}", 2.0 * it.macs as f64 / it.ns as f64))),
            right(bound.to_owned()),
            right(share.map_or_else(String::new, |it| format!("{:.0} %", 100.0 * it))),
            Cell::new(share.map_or_else(String::new, bar)),
        ]);
    }
    let lines: Vec<String> = table.lines().map(|it| format!("{}\n", it.trim_end())).collect();
    format!("{}\n", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_outruns_memory_is_bound_by_a_cache() {
        let bound = |peak, bandwidth| {
            let (path, kernel) = (String::new(), String::new());
            Layer { path, kernel, ns: 1, macs: 1, bytes: 1, peak, bandwidth }.bound()
        };
        assert_eq!(bound(0.4, 0.2), ("fma", Some(0.4)));
        assert_eq!(bound(0.1, 0.9), ("memory", Some(0.9)));
        assert_eq!(bound(0.3, 3.19), ("cache", None));
    }
}
