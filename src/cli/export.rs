//! `netc export`: a net with its weights as an ONNX file.

use std::path::PathBuf;

use clap::Args;

use super::args::{NetArgs, WeightArgs};
use super::terminal::{Stop, Terminal};
use super::{build, files, phase, weigh};
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
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    weights: WeightArgs,
    /// The ONNX file; - is standard output
    #[arg(short, long, value_name = "M.onnx")]
    output: PathBuf,
    /// Write the batch into the file
    #[arg(long)]
    fixed_batch: bool,
}

impl Export {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let built = build::build(terminal, &self.file, &self.net)?;
        let graph = &built.net.graph;
        let weights = weigh::weigh(terminal, &built, &self.weights)?;
        phase::enter("exporting");
        let mut draft = Draft::of(graph);
        if !self.fixed_batch && built.weights.is_none() && self.file.as_os_str() != files::STREAM {
            let other = NetArgs { batch: self.net.batch + 1, ..self.net.clone() };
            if let Some(other) =
                build::Text::read(terminal, &self.file)?.quietly(terminal, &other, &[])
            {
                draft = draft.open(&Draft::of(&other.net.graph));
            }
        }
        if draft.bytes() > BYTES_MAX {
            return Err(Stop::Command(format!(
                "the model would have {}; an ONNX file has at most {}",
                bytes(draft.bytes()),
                bytes(BYTES_MAX)
            )));
        }
        files::stream(terminal, &self.output, &mut |to| {
            draft.write(&|id| weights.tensor(graph, id), to)
        })?;
        terminal.chat(&format!("wrote {} of ONNX", bytes(draft.bytes())));
        Ok(())
    }
}
