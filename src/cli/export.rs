//! `netc export`: a net with its weights as an ONNX file.

use std::path::PathBuf;

use clap::Args;

use super::args::{NetArgs, WeightArgs};
use super::build::{Built, Text};
use super::terminal::{Stop, Terminal};
use super::{build, files, model, phase, weigh};
use crate::onnx::export::{BYTES_MAX, Draft};
use crate::report::bytes;

/// Write a net with its weights as an ONNX file
///
/// The layers become ONNX's operators of version 20, the weights its initializers under their weight paths.
/// The batch stays open (`N`) where the net leaves it open and nothing in it depends on the batch;
/// --fixed-batch writes what --batch says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    netc export models/lenet5.net --weights models/lenet5.safetensors -o lenet5.onnx\n  \
    netc export models/resnet.net --net ResNet18 --random-weights 1 --batch 8 --fixed-batch -o resnet18.onnx")]
pub(super) struct Export {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The ONNX file; - is standard output
    #[arg(short, long, value_name = "M.onnx")]
    output: PathBuf,
    /// Write the batch into the file
    #[arg(long)]
    fixed_batch: bool,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    weights: WeightArgs,
}

impl Export {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        files::check_extension("--output", &self.output, &["onnx"])?;
        let (built, other) = self.build(terminal)?;
        let graph = &built.net.graph;
        let weights = weigh::weigh(terminal, &built, &self.weights)?;
        phase::enter("exporting");
        let mut draft = Draft::of(graph);
        if let Some(other) = other {
            draft = draft.open(&Draft::of(&other.net.graph));
        }
        if draft.bytes() > BYTES_MAX {
            return Err(Stop::Command(format!(
                "the model would have {}; an ONNX file has at most {}",
                bytes(draft.bytes()),
                bytes(BYTES_MAX)
            )));
        }
        files::stream(terminal, &self.output, &mut |to| {
            draft.write(&|id| weights.tensor(graph, id), to)?;
            weights.fault().map_or(Ok(()), |it| Err(std::io::Error::other(it)))
        })?;
        terminal.chat(&format!("wrote {} of ONNX", bytes(draft.bytes())));
        Ok(())
    }

    /// The net, and for another batch too unless that is none of its business.
    fn build(&self, terminal: &Terminal) -> Result<(Built, Option<Built>), Stop> {
        if model::is_model(&self.file) || self.fixed_batch {
            return Ok((build::build(terminal, &self.file, &self.net)?, None));
        }
        phase::enter("reading the net");
        let text = Text::read(terminal, &self.file)?;
        let batch = Some(self.net.batch().saturating_add(1));
        let other = NetArgs { batch, ..self.net.clone() };
        let other = text.quietly(terminal, &other, &[]);
        Ok((text.build(terminal, &self.net)?, other))
    }
}
