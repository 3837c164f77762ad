//! The pipeline for callers from Rust: text and weights in, a program out.
//!
//! ```
//! use netc::model::{Model, parse};
//! use netc::weights::Weights;
//!
//! let net = parse("small.net", "net Small {\n  input x: f32[N, 4]\n  fc(2) -> relu\n  output y\n}\n")?;
//! let weights = Weights::random(0);
//! let model = Model::compile(&net.graph, &weights);
//! let outputs = model.run(&[&[1.0, 2.0, 3.0, 4.0]])?;
//! assert_eq!(outputs[0].shape.dims(), [1, 2]);
//!
//! let half = netc::plan::Options { half_weights: true, ..Default::default() };
//! let model = Model::compile_with(&net.graph, &weights, &half, &Default::default());
//! assert_eq!(model.outputs()[0].0, "y");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use crate::codegen;
use crate::diag::render::{self, Format};
use crate::diag::{Diagnostics, Source, Sources};
use crate::elaborate::{self, Elaborated, Options};
use crate::graph::Graph;
use crate::passes;
use crate::plan;
use crate::program::{Program, RunError};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::Weights;

/// What is wrong with a net; prints as `netc check` does.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The files.
    pub sources: Sources,
    /// The mistakes, in the order of the file.
    pub diagnostics: Diagnostics,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = Format::Human { color: false };
        f.write_str(&render::all(&self.sources, &self.diagnostics, format, 20))
    }
}

impl std::error::Error for Fault {}

/// Builds the only net of a text that uses no other file.
pub fn parse(name: &str, text: &str) -> Result<Elaborated, Fault> {
    let source = Source { name: name.to_owned(), text: text.to_owned() };
    let mut read = |_: &str| Err("there is no file system here".to_owned());
    build(source, &mut read, &Options::default())
}

/// Builds a net; `read` fetches what `use` names.
pub fn build(
    source: Source,
    read: &mut dyn FnMut(&str) -> Result<Source, String>,
    options: &Options,
) -> Result<Elaborated, Fault> {
    let mut sources = Sources::default();
    let root = sources.add(source);
    elaborate::elaborate(&mut sources, root, read, options)
        .map_err(|diagnostics| Fault { sources, diagnostics })
}

/// A network as native code for this machine, with its weights.
#[derive(Clone, Debug)]
pub struct Model {
    program: Program,
    threads: usize,
}

impl Model {
    /// Optimises, plans and compiles for this machine. Takes memory for the weights once more.
    pub fn compile(graph: &Graph, weights: &Weights) -> Model {
        Model::compile_with(graph, weights, &plan::Options::default(), &codegen::Options::default())
    }

    /// As [`Model::compile`], for another processor, without algorithms that reassociate sums, with weights stored as
    /// f16, or as tuned.
    pub fn compile_with(
        graph: &Graph,
        weights: &Weights,
        how: &plan::Options,
        code: &codegen::Options,
    ) -> Model {
        let graph = passes::optimise(graph.clone(), &mut |_, _| {});
        let plan = plan::plan(&graph, how);
        let program = Program::compile(&plan, &weights.of_graph(&graph), code);
        Model { program, threads: 1 }
    }

    /// The same model on so many threads; its results stay the same to the bit.
    #[must_use]
    pub fn on_threads(self, threads: usize) -> Model {
        Model { threads: threads.max(1), ..self }
    }

    /// One run: a value for each input in the order of the file, row-major; gives the outputs in theirs.
    ///
    /// # Errors
    /// When the inputs are not as many or as long as [`Model::inputs`] says.
    pub fn run(&self, inputs: &[&[f32]]) -> Result<Vec<Tensor>, RunError> {
        self.program.run(inputs, self.threads)
    }

    /// Names and shapes of the inputs.
    pub fn inputs(&self) -> &[(String, Shape)] {
        self.program.inputs()
    }

    /// Names and shapes of the outputs.
    pub fn outputs(&self) -> &[(String, Shape)] {
        self.program.outputs()
    }

    /// The program, for callers who run it often: its sessions keep their memory and threads.
    pub fn program(&self) -> &Program {
        &self.program
    }
}
