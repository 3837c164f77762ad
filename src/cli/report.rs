//! `netc report`: what a network costs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::{DataFormat, NetArgs};
use super::terminal::{Stop, Terminal};
use super::{build, phase};
use crate::passes;
use crate::plan;
use crate::report;

/// Layers, shapes, parameters, MACs, memory, receptive field
///
/// One row for each application of a layer, in the order of the file. Shapes leave the batch out. Shared
/// weights count once. MACs are multiply-accumulate operations of one sample, in convolutions, transposed
/// convolutions and fully connected layers. The field is what one element depends on, padding included.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc report models/lenet5.net\n  \
    netc report models/resnet.net --net ResNet50 --format json | jq .totals")]
pub(super) struct Report {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the report is written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: DataFormat,
    /// The order of extents in shapes
    #[arg(long, value_enum, value_name = "ORDER", default_value = "chw")]
    order: Order,
    #[command(flatten)]
    net: NetArgs,
}

/// The order of extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// Channels first, as in PyTorch and ONNX
    Chw,
    /// Channels last
    Hwc,
}

impl From<Order> for report::Order {
    fn from(order: Order) -> Self {
        match order {
            Order::Chw => report::Order::Chw,
            Order::Hwc => report::Order::Hwc,
        }
    }
}

impl Report {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let built = build::build(terminal, &self.file, &self.net)?;
        let graph = built.net.graph;
        phase::enter("planning");
        let optimised = passes::optimise(graph.clone(), &mut |_, _| {});
        let arena = plan::plan(&optimised, &plan::Options::default()).arena_bytes;
        phase::enter("reporting");
        let report = report::Report::of(&graph, Some(arena as u64));
        let order = self.order.into();
        match self.format {
            DataFormat::Text => terminal.print(&report.text(order)),
            DataFormat::Markdown => terminal.print(&report.markdown(order)),
            DataFormat::Json => terminal.print_json(&report.json(order)),
        }
    }
}
