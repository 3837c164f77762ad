//! ONNX files: reading them safely, raising them to netc's operators, and writing nets as such files.
//!
//! ```text
//! file --scan--> shell --read--> Model --raise--> Net (calls of operators) --build--> Graph + Weights
//! Graph + Weights --export--> bytes
//! ```
//!
//! Every extent is known when importing, so shape arithmetic disappears. Weights stay in their file until somebody
//! looks at them. Knows nothing of paths on a disk: callers bring bytes, those beside the model by a callback.

mod budget;
mod build;
mod constant;
pub mod export;
mod fold;
mod lint;
mod names;
mod net;
pub mod proto;
mod raise;
mod read;
pub mod scan;

use thiserror::Error;

pub use constant::{Constant, Data, Reals, element_name};
pub use read::{Declared, External, is_inside};

use crate::diag::Diagnostics;
use crate::graph::Graph;
use crate::weights::{Bytes, Element, FileError, Store, Weights};

/// How a model is imported.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Extents of inputs by name; needed where the file leaves them open.
    pub inputs: &'a [(String, Vec<usize>)],
    /// Values of inputs by name; such an input is a constant and no input of the net.
    pub values: &'a [(String, Constant)],
    /// The extent of an open first axis; 1 if not given.
    pub batch: Option<usize>,
    /// Opens a file beside the model. The name stays inside the model's folder; the callback must refuse links.
    pub external: Option<&'a External<'a>>,
}

/// A value that goes in or out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the file.
    pub name: String,
    /// Its extents there; the net holds a scalar as a vector of one.
    pub dims: Vec<usize>,
    /// Its element type there, as [`proto::element`] names them; the net computes with f32.
    pub element: i32,
}

impl Port {
    /// The element type that its values are written in.
    pub fn element(&self) -> Element {
        constant::stored_element(self.element).unwrap_or(Element::F32)
    }

    /// Whether its elements are whole numbers or truth values.
    pub fn is_whole(&self) -> bool {
        !constant::is_real(self.element)
    }
}

/// A model as netc's own.
#[derive(Debug)]
pub struct Imported {
    /// The net.
    pub graph: Graph,
    /// Its parameters.
    pub weights: Weights,
    /// The inputs, in the order of the graph's.
    pub inputs: Vec<Port>,
    /// The results, in the order of the graph's.
    pub outputs: Vec<Port>,
    /// What sets the model apart from others of its kind; nothing that is wrong.
    pub remarks: Diagnostics,
    /// What wrote the file, and which operators it uses: `pytorch 2.4.1, opset 17`.
    pub origin: String,
}

/// Why a model is not imported.
#[derive(Debug, Error)]
pub enum Error {
    /// The bytes are no model, or far too many things.
    #[error(transparent)]
    Scan(#[from] scan::Fault),
    /// The bytes are no model.
    #[error("not an ONNX file: {0}")]
    Decode(String),
    /// A file of the model can no longer be read.
    #[error(transparent)]
    Unreadable(#[from] FileError),
    /// The model contradicts itself or the operators' rules.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// The model uses operators that netc does not have: each with the nodes that use it.
    #[error("{}", missing(.0))]
    Missing(Vec<(String, Vec<String>)>),
    /// Inputs whose values decide shapes must be given.
    #[error("the value of {} decides a shape and must be given: `--input NAME=FILE.npy`", quoted(.0))]
    NeedsValues(Vec<String>),
    /// Inputs whose extents the file leaves open must be given.
    #[error("the extents of {} are open and must be given: `--input NAME=1x3x224x224`", quoted(.0))]
    NeedsExtents(Vec<String>),
}

/// The most names that are listed of nodes that use one missing operator, and of inputs.
const NAMES_MAX: usize = 5;

/// The most missing operators that are listed.
const OPERATORS_MAX: usize = 100;

fn quoted(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|it| format!("`{it}`")).collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn missing(operators: &[(String, Vec<String>)]) -> String {
    let shown = operators.iter().take(OPERATORS_MAX);
    let mut lines: String =
        shown.map(|(operator, nodes)| format!("\n  {operator}: {}", quoted(nodes))).collect();
    if let Some(more @ 1..) = operators.len().checked_sub(OPERATORS_MAX) {
        lines.push_str(&format!("\n  and {more} more"));
    }
    format!("the model uses operators that netc does not have:{lines}")
}

/// What is wrong with one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It breaks a rule.
    Wrong(String),
    /// It asks for the value of an input.
    Needs(String),
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Fault::Wrong(message.into())
    }
}

/// The values of a stored tensor that lies wholly in its message.
pub fn decode(tensor: &proto::Tensor) -> Result<Constant, Fault> {
    constant::decode(tensor, None)
}

/// A model file that has been read; its tensors keep the form of the file until they are asked for.
pub struct File {
    model: read::Model,
    inputs: Vec<Declared>,
}

impl File {
    /// Reads a file, or says why it is none.
    pub fn read(bytes: Vec<u8>) -> Result<File, Error> {
        File::open("the model", Box::new(bytes))
    }

    /// [`File::read`] of bytes that stay where they are, in a file that the user named so. Large tensors are read when
    /// they are needed, and what is imported reads them too: [`Weights::fault`] says if they could not be read.
    pub fn open(name: &str, bytes: Box<dyn Bytes>) -> Result<File, Error> {
        let model = read::model(Store::new(name, bytes))?;
        let inputs = model.inputs()?;
        Ok(File { model, inputs })
    }

    /// What a caller gives, in the order of the file.
    pub fn inputs(&self) -> &[Declared] {
        &self.inputs
    }

    /// Imports the model, or says all that is wrong with it.
    pub fn import(&self, name: &str, options: &Options<'_>) -> Result<Imported, Error> {
        let net = raise::raise(&self.model, &self.inputs, options)?;
        let mut imported = build::build(net, name);
        imported.origin.clone_from(&self.model.origin);
        Ok(imported)
    }
}

/// Reads and imports a model, or says all that is wrong with it.
pub fn import(bytes: Vec<u8>, name: &str, options: &Options<'_>) -> Result<Imported, Error> {
    File::read(bytes)?.import(name, options)
}
