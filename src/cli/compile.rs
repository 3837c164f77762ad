//! From a net and its weights to a program, within the machine's memory.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::terminal::{Stop, Terminal};
use super::{files, phase};
use crate::codegen::{self, Cpu};
use crate::graph::Graph;
use crate::passes;
use crate::plan::{self, Algorithms, Plan};
use crate::program::Program;
use crate::report::bytes;
use crate::weights::Weights;

/// What machine code is made and how it runs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Machine code")]
pub(super) struct MachineArgs {
    /// Threads (default: all cores)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// For which processor: this one, or any x86-64 (no AVX2 tiles)
    #[arg(long, value_enum, value_name = "CPU", default_value = "native")]
    cpu: CpuName,
    /// Nothing that reassociates sums, such as Winograd's algorithm
    #[arg(long)]
    exact: bool,
    /// Measure before choosing; where there is nothing to choose between, this changes nothing
    #[arg(long)]
    tune: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CpuName {
    /// This machine's, with all it can do
    #[default]
    Native,
    /// Any x86-64
    Baseline,
}

impl MachineArgs {
    /// How many threads to run on.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, |it| it.get()),
            usize::from,
        )
    }

    /// What the plan may do.
    pub(super) fn plan(&self) -> plan::Options {
        let algorithms = if self.exact { Algorithms::Exact } else { Algorithms::Fastest };
        plan::Options { algorithms, ..plan::Options::default() }
    }

    /// What the code may do.
    pub(super) fn code(&self) -> codegen::Options {
        let cpu = match self.cpu {
            CpuName::Native => Cpu::Native,
            CpuName::Baseline => Cpu::Baseline,
        };
        codegen::Options { cpu, ..codegen::Options::default() }
    }
}

/// A program and what it was made from.
pub(super) struct Compiled {
    /// The graph after all passes.
    pub(super) graph: Graph,
    /// How it is computed.
    pub(super) plan: Plan,
    /// The code.
    pub(super) program: Program,
    /// What optimising, planning and compiling took.
    pub(super) took: Duration,
}

/// Compiles a net.
pub(super) fn compile(
    terminal: &Terminal,
    graph: &Graph,
    weights: &Weights,
    plan: &plan::Options,
    code: &codegen::Options,
) -> Result<Compiled, Stop> {
    let begun = Instant::now();
    phase::enter("optimising");
    let graph = passes::optimise(graph.clone(), &mut |_, _| {});
    phase::enter("planning");
    let plan = plan::plan(&graph, plan);
    check_memory(terminal, &plan)?;
    phase::enter("compiling");
    let tensor = |id| weights.tensor(&graph, id);
    let program = Program::compile(&plan, &tensor, code);
    let took = begun.elapsed();
    terminal.chat(&format!("compiled in {:.1} ms", took.as_secs_f64() * 1e3));
    Ok(Compiled { graph, plan, program, took })
}

/// The bytes of a plan's packed parameters.
pub(super) fn weight_bytes(plan: &Plan) -> u64 {
    plan.packed.iter().map(|it| 4 * it.elements as u64).sum()
}

/// Whether the machine, or what the user allows of it, has room for a plan.
fn check_memory(terminal: &Terminal, plan: &Plan) -> Result<(), Stop> {
    let arena = plan.arena_bytes as u64;
    let outside: u64 =
        plan.inputs.iter().chain(&plan.outputs).map(|it| 4 * it.1.elements() as u64).sum();
    let needed = arena + outside + weight_bytes(plan);
    let allowed = terminal.max_memory.or_else(|| Some(machine_bytes()? / 4 * 3));
    match allowed {
        Some(allowed) if needed > allowed => Err(Stop::Command(format!(
            "the net needs {} ({} of values, {} of weights), {} are allowed; --max-memory changes that",
            bytes(needed),
            bytes(arena + outside),
            bytes(weight_bytes(plan)),
            bytes(allowed)
        ))),
        _ => Ok(()),
    }
}

/// The machine's memory, where the system says.
fn machine_bytes() -> Option<u64> {
    let about = files::bytes(Path::new("/proc/meminfo")).ok()?;
    let about = String::from_utf8(about).ok()?;
    let line = about.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|it| it * 1024)
}
