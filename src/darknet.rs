//! Darknet's networks: a `.cfg` file as a graph, a `.weights` file as its weights.
//!
//! ```text
//! text --cfg--> Sections --layers, heads--> Graph      bytes --weights--> Weights
//! ```
//!
//! A `.cfg` is a list of sections, one a layer; a `.weights` file holds the numbers of those layers one after
//! another, without names, so that only both together mean something. What a layer computes is what Redmon's
//! program computes on a processor in inference. Recurrent sections, `[local]` and trees of classes are not
//! read. Knows nothing of files.

mod build;
mod cfg;
mod heads;
mod layers;
mod weights;

pub use weights::Layout;

use crate::diag::{Diagnostics, FileId};
use crate::elaborate::Limits;
use crate::graph::Graph;

/// How a network is imported.
#[derive(Clone, Debug)]
pub struct Options {
    /// Extents of the input in place of the declared ones, batch first; its name is `image`, or `input` where
    /// the net takes a vector.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// Samples run at once.
    pub batch: usize,
    /// Whether the raw maps before the heads are outputs too: what a loss is computed of.
    pub train: bool,
    /// What suppression drops: `score` (0.5) and `iou` (0.45), as Darknet's `detect` has them.
    pub set: Vec<(String, String)>,
    /// How much a file may ask for.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            batch: 1,
            train: false,
            set: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// A network as netc's own.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The net. Layer `n` of the file is `conv<n>`, `bn<n>`, `leaky<n>` and so on.
    pub graph: Graph,
    /// Warnings, in the order of the file.
    pub warnings: Diagnostics,
    /// How its weights lie in a `.weights` file.
    pub layout: Layout,
}

/// Imports a network, or says what is wrong with it.
pub fn import(
    file: FileId,
    text: &str,
    name: &str,
    options: &Options,
) -> Result<Imported, Diagnostics> {
    build::build(&cfg::read(file, text)?, name, options)
}
