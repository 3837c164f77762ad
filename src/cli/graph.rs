//! `netc graph`: the network as a picture.

use std::path::PathBuf;

use clap::Args;

use super::args::NetArgs;
use super::report::Order;
use super::terminal::{Stop, Terminal};
use super::{build, files, phase};
use crate::report::svg;

/// Draw the network as an SVG picture
///
/// One box a layer, top to bottom; what follows it element by element stands in the same box. Rest the
/// pointer on a box to see its parameters and its cost.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  netc graph models/googlenet.net -o googlenet.svg\n  \
    netc graph models/lenet5.net --order hwc > lenet5.svg")]
pub(super) struct Graph {
    /// The net; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The picture; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = files::STREAM)]
    output: PathBuf,
    /// The order of extents in shapes
    #[arg(long, value_enum, value_name = "ORDER", default_value = "chw")]
    order: Order,
    #[command(flatten)]
    net: NetArgs,
}

impl Graph {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        files::check_extension("--output", &self.output, &["svg"])?;
        let built = build::build(terminal, &self.file, &self.net)?;
        phase::enter("drawing");
        let picture = svg::draw(&built.net.graph, self.order.into());
        files::write(terminal, &self.output, picture.as_bytes())
    }
}
