//! From a net and its weights to a program, within the machine's memory.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::cache::{self, Cached};
use super::terminal::{Stop, Terminal};
use super::{files, phase, tune, weigh};
use crate::codegen::{self, Cpu};
use crate::graph::Graph;
use crate::passes;
use crate::plan::{self, Algorithms, Plan, Processor};
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
    /// For which processor: this one, one with AVX2 and no more, or any x86-64 (no AVX2 tiles)
    #[arg(long, value_enum, value_name = "CPU", default_value = "native")]
    cpu: CpuName,
    /// Use no algorithm that reassociates sums, such as Winograd's
    #[arg(long)]
    exact: bool,
    /// Store weights of fc layers and 1x1 convolutions as f16: half their memory, rounded to 11 bits
    ///
    /// A weight is rounded once, when it is packed, and computed with as f32: results are exactly those of the net with
    /// rounded weights, and `verify` compares them with that. What reads many weights once, such as the fc layers of
    /// VGG at batch 1, is nearly twice as fast. A weight beyond 65504 becomes 65504, and is reported.
    #[arg(long)]
    half_weights: bool,
    /// Choose kernels as FILE says; what it lacks is measured and added to it
    #[arg(long, value_name = "FILE")]
    tune: Option<PathBuf>,
    /// Keep packed weights in DIR, and start from them the next time (NETC_CACHE names one too); netc never deletes
    /// them, you may at any time
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CpuName {
    /// This machine's, with all it can do
    #[default]
    Native,
    /// AVX2 and FMA, but no AVX-512
    Avx2,
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

    /// Where packed weights are kept, if the user wants that.
    fn cache(&self) -> Option<PathBuf> {
        let named = || std::env::var_os("NETC_CACHE").filter(|it| !it.is_empty());
        self.cache.clone().or_else(|| named().map(PathBuf::from))
    }

    /// What the plan may do.
    pub(super) fn plan(&self) -> plan::Options {
        let algorithms = if self.exact { Algorithms::Exact } else { Algorithms::Fastest };
        let processor = match self.cpu {
            CpuName::Native => Processor::host(),
            CpuName::Avx2 | CpuName::Baseline => Processor::NARROW,
        };
        let half_weights = self.half_weights;
        plan::Options { algorithms, processor, half_weights, ..plan::Options::default() }
    }

    /// What the plan of an optimised graph may do, with the choices of `--tune`, measured on random weights.
    pub(super) fn tuned_plan(
        &self,
        terminal: &Terminal,
        graph: &Graph,
    ) -> Result<plan::Options, Stop> {
        let mut options = self.plan();
        if let Some(path) = &self.tune {
            let weights = Weights::random(0);
            options.choices =
                tune::choices(terminal, path, graph, &weights, &options, &self.code())?;
        }
        Ok(options)
    }

    /// What the code may do.
    pub(super) fn code(&self) -> codegen::Options {
        let cpu = match self.cpu {
            CpuName::Native | CpuName::Avx2 => Cpu::Native,
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
    /// Where the packed weights are kept.
    entry: Option<cache::Entry>,
    /// What optimising, planning and compiling took.
    pub(super) took: Duration,
}

impl Compiled {
    /// Keeps the packed weights for later starts, if the user wants that and they are not kept yet.
    pub(super) fn remember(&self, terminal: &Terminal) {
        // What f16 does not reach is said at every start, so it is packed at every start.
        let entry = self.entry.as_ref().filter(|_| self.program.code().beyond_half() == 0);
        if let Some(entry) = entry {
            entry.remember(terminal, &self.program);
        }
    }
}

/// Compiles a net; `--tune` may add to the plan's choices.
pub(super) fn compile(
    terminal: &Terminal,
    graph: &Graph,
    weights: &Weights,
    machine: &MachineArgs,
    mut options: plan::Options,
    code: &codegen::Options,
) -> Result<Compiled, Stop> {
    let begun = Instant::now();
    phase::enter("optimising");
    let graph = passes::optimise(graph.clone(), &mut |_, _| {});
    phase::enter("planning");
    let mut plan = plan::plan(&graph, &options);
    check_memory(terminal, &plan, machine.threads())?;
    if let Some(path) = &machine.tune {
        options.choices = tune::choices(terminal, path, &graph, weights, &options, code)?;
        plan = plan::plan(&graph, &options);
        check_memory(terminal, &plan, machine.threads())?;
    }
    phase::enter("compiling");
    let entry = machine.cache().and_then(|it| cache::Entry::new(&it, &plan, &graph, weights));
    let progress = terminal.progress("compiling", plan.packed.len());
    let of_graph = weights.of_graph(&graph);
    let values = Cached { values: of_graph, entry: entry.as_ref(), progress: &progress };
    let program = Program::compile(&plan, &values, code);
    drop(progress);
    weigh::check_read(weights)?;
    let beyond = program.code().beyond_half();
    if beyond > 0 {
        terminal.say(&format!(
            "note: f16 ends at 65504, and {beyond} weights are beyond: they became 65504 with their sign; \
             without --half-weights they stay what they are"
        ));
    }
    let took = begun.elapsed();
    terminal.chat(&format!("compiled in {:.1} ms", took.as_secs_f64() * 1e3));
    Ok(Compiled { graph, plan, program, entry, took })
}

/// The bytes of a plan's packed parameters.
pub(super) fn weight_bytes(plan: &Plan) -> u64 {
    plan.packed.iter().map(|it| 4 * it.elements as u64).sum()
}

/// Whether the machine, or what the user allows of it, has room for a plan.
fn check_memory(terminal: &Terminal, plan: &Plan, threads: usize) -> Result<(), Stop> {
    let arena = (plan.arena_bytes + plan.scratch_bytes * threads) as u64;
    let outside: u64 =
        plan.inputs.iter().chain(&plan.outputs).map(|it| 4 * it.1.elements() as u64).sum();
    let needed = arena + outside + weight_bytes(plan);
    let allowed = terminal.max_memory.or_else(|| Some(files::memory()? / 4 * 3));
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
