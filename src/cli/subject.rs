//! What `run`, `bench` and `verify` work on: a net with weights and inputs, compiled.

use std::path::PathBuf;

use clap::Args;

use super::args::{NetArgs, WeightArgs};
use super::compile::{self, Compiled, MachineArgs};
use super::input::{self, Fed, InputArgs};
use super::terminal::{Stop, Terminal};
use super::weigh;
use crate::plan;
use crate::weights::Weights;

/// A net, where its weights and inputs come from, and how it is compiled.
#[derive(Debug, Args)]
pub(super) struct SubjectArgs {
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
    pub(super) machine: MachineArgs,
}

impl SubjectArgs {
    /// The net and a value for each of its inputs.
    pub(super) fn feed(&self, terminal: &Terminal) -> Result<Fed, Stop> {
        input::feed(terminal, &self.file, &self.net, &self.inputs)
    }

    /// The net with its weights as a program; the weights are needed no more for running.
    pub(super) fn compile(
        &self,
        terminal: &Terminal,
        fed: &Fed,
        plan: plan::Options,
    ) -> Result<(Compiled, Weights), Stop> {
        let weights = weigh::weigh(terminal, &fed.built, &self.weights)?;
        let (graph, code) = (&fed.built.net.graph, self.machine.code());
        let compiled = compile::compile(terminal, graph, &weights, &self.machine, plan, &code)?;
        Ok((compiled, weights))
    }
}
