//! `netc dump`: the text of a stage.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::NetArgs;
use super::compile::{self, MachineArgs};
use super::terminal::{Stop, Terminal};
use super::{build, files, phase};
use crate::codegen;
use crate::graph::Graph;
use crate::weights::Weights;
use crate::{passes, plan, syntax};

/// Print a stage of the compilation
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc dump models/lenet5.net --stage plan\n  \
    netc dump models/resnet.net --net ResNet18 --stage passes")]
pub(super) struct Dump {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The stage
    #[arg(long, value_enum, value_name = "STAGE")]
    stage: Stage,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    machine: MachineArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The tree of the file
    Ast,
    /// The net as a graph
    Graph,
    /// What each pass changes in the graph
    Passes,
    /// Kernels, layouts and memory
    Plan,
    /// The intermediate code of every step, as Cranelift prints it
    Clif,
    /// The machine code of every step and of the tiles that it calls
    Asm,
}

impl Dump {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        if self.stage == Stage::Ast {
            phase::enter("parsing");
            let (sources, root) = files::source(terminal, &self.file)?;
            let (ast, found) = syntax::parse(root, &sources.get(root).text);
            terminal.diagnose(&sources, &found)?;
            return terminal.print(&format!("{ast:#?}\n"));
        }
        let graph = build::build(terminal, &self.file, &self.net)?.net.graph;
        match self.stage {
            Stage::Ast | Stage::Graph => terminal.print(&graph.to_string()),
            Stage::Passes => {
                phase::enter("optimising");
                let mut before = graph.to_string();
                let mut text = before.clone();
                passes::optimise(graph, &mut |pass, graph| {
                    let after = graph.to_string();
                    let diff = passes::diff(&before, &after);
                    let _ = write!(text, "\n== {pass}\n{diff}");
                    before = after;
                });
                terminal.print(&text)
            }
            Stage::Plan => {
                phase::enter("planning");
                let graph = passes::optimise(graph, &mut |_, _| {});
                let options = self.machine.tuned_plan(terminal, &graph)?;
                terminal.print(&plan::plan(&graph, &options).to_string())
            }
            Stage::Clif | Stage::Asm => self.code(terminal, &graph),
        }
    }

    /// The code, which does not depend on the values of the weights.
    fn code(&self, terminal: &Terminal, graph: &Graph) -> Result<(), Stop> {
        let weights = Weights::random(0);
        let options = codegen::Options { texts: true, ..self.machine.code() };
        let (machine, plan) = (&self.machine, self.machine.plan());
        let made = compile::compile(terminal, graph, &weights, machine, plan, &options)?;
        let code = made.program.code();
        let mut text = String::new();
        for (at, step) in made.plan.steps.iter().enumerate() {
            let _ = writeln!(text, "; step {at}: {}", step.path);
            text.push_str(&if self.stage == Stage::Clif {
                code.clif(at).to_owned()
            } else {
                code.asm(at)
            });
            text.push('\n');
        }
        terminal.print(&text)
    }
}
