//! From the flags of a command to a graph.

use std::path::Path;

use super::args::{self, Input, NetArgs};
use super::input::{self, Content};
use super::model::Model;
use super::terminal::{Stop, Terminal};
use super::{darknet, files, model, phase};
use crate::darknet::Layout;
use crate::diag::{Diagnostics, FileId, Sources};
use crate::elaborate::{self, Elaborated};
use crate::graph::Graph;
use crate::onnx::{Imported, Port};
use crate::report::shown;
use crate::weights::Weights;

/// A net that a file describes.
pub(super) struct Built {
    /// The net with its warnings, which have been shown.
    pub(super) net: Elaborated,
    /// The weights that came with it, if the file is a model.
    pub(super) weights: Option<Weights>,
    /// How a `.weights` file holds its weights, if it is a Darknet network.
    pub(super) layout: Option<Layout>,
    /// Inputs of the model that were given as constants.
    pub(super) constants: Vec<String>,
    /// What made the file, in words; none for a `.net` file.
    pub(super) origin: Option<String>,
    /// What the model's inputs and outputs are in its file; none for a `.net` file.
    pub(super) ports: Option<Ports>,
}

/// What goes into a model and comes out, in the order of the graph's inputs and outputs.
pub(super) struct Ports {
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
}

impl From<Model> for Built {
    fn from(model: Model) -> Self {
        let Imported { graph, weights, inputs, outputs, remarks, origin } = model.imported;
        let net = Elaborated { graph, warnings: remarks, rules: Vec::new(), resized: false };
        let ports = Some(Ports { inputs, outputs });
        Self {
            net,
            weights: Some(weights),
            layout: None,
            constants: model.constants,
            origin: Some(origin),
            ports,
        }
    }
}

/// What the flags ask for; `given` is what they say of inputs, `inputs` are further shapes.
pub(super) fn options(
    terminal: &Terminal,
    args: &NetArgs,
    given: &[Input],
    inputs: &[(String, Vec<usize>)],
) -> Result<elaborate::Options, Stop> {
    if let Some(fault) = args::twice(given, &args.set) {
        return Err(Stop::Command(fault));
    }
    let mut shapes = inputs.to_vec();
    for input in given {
        if let Some(shape) = &input.shape {
            let Some(name) = &input.name else {
                let fault =
                    "`--input` with a shape needs the input's name: --input image=1x3x224x224";
                return Err(Stop::Command(fault.to_owned()));
            };
            shapes.retain(|it| it.0 != *name);
            shapes.push((name.clone(), shape.clone()));
        }
    }
    if args.batch == Some(0) {
        return Err(Stop::Command("`--batch` is at least 1".to_owned()));
    }
    Ok(elaborate::Options {
        net: args.net.clone(),
        set: args.set.clone(),
        batch: args.batch(),
        inputs: shapes,
        train: args.train,
        limits: terminal.limits.clone(),
    })
}

/// Whether an input has as many samples as `--batch` says, if it says so.
pub(super) fn check_batch(args: &NetArgs, graph: &Graph, cure: &str) -> Result<(), Stop> {
    let Some(batch) = args.batch.filter(|_| !graph.inputs().is_empty()) else { return Ok(()) };
    let shapes = graph.inputs().iter().map(|&it| (&graph.node(it).path, &graph.node(it).shape));
    if shapes.clone().any(|it| it.1.batch() == batch) {
        return Ok(());
    }
    let shapes: Vec<String> =
        shapes.map(|it| format!("`{}` is {}", shown(it.0), args::written(it.1.dims()))).collect();
    let shapes = shapes.join(", ");
    Err(Stop::Command(format!("`--batch {batch}` does nothing: the input {shapes}; {cure}")))
}

/// Imports a model at the sizes, and with the values, that the flags give.
pub(super) fn import(terminal: &Terminal, file: &Path, args: &NetArgs) -> Result<Model, Stop> {
    let source = model::read(terminal, file, args)?;
    let mut arrays = Vec::new();
    for input in &source.inputs {
        if let (Some(name), Some(path)) = (&input.name, &input.path)
            && let Content::Array(array) = input::read(terminal, path)?
        {
            arrays.push((name.as_str(), array));
        }
    }
    let arrays: Vec<_> = arrays.iter().map(|it| (it.0, &it.1)).collect();
    model::import(terminal, file, args, &source, &arrays)
}

/// Reads a file and builds its net; shows every diagnostic.
pub(super) fn build(terminal: &Terminal, file: &Path, args: &NetArgs) -> Result<Built, Stop> {
    phase::enter("reading the net");
    if model::is_model(file) {
        let built: Built = import(terminal, file, args)?.into();
        if terminal.verbose > 0 {
            files::remark(terminal, file, &built.net.warnings)?;
        }
        return Ok(built);
    }
    Text::read(terminal, file)?.build(terminal, args)
}

/// The text of a net, read once, so that it can be built at several sizes.
pub(super) struct Text<'a> {
    file: &'a Path,
    sources: Sources,
    root: FileId,
}

impl<'a> Text<'a> {
    /// Reads a `.net` file or a Darknet network; text that is none is a fault of the input.
    pub(super) fn read(terminal: &Terminal, file: &'a Path) -> Result<Text<'a>, Stop> {
        let (sources, root) = files::source(terminal, file)?;
        Ok(Text { file, sources, root })
    }

    /// Builds the net; shows every diagnostic.
    pub(super) fn build(mut self, terminal: &Terminal, args: &NetArgs) -> Result<Built, Stop> {
        match self.elaborate(terminal, args, &[])? {
            Ok(built) => {
                terminal.diagnose(&self.sources, &built.net.warnings)?;
                Ok(built)
            }
            Err(found) => {
                terminal.diagnose(&self.sources, &found)?;
                unreachable!("a net that cannot be built has an error")
            }
        }
    }

    /// Builds the net with further shapes of inputs and without a word; `None` if it cannot be built.
    pub(super) fn quietly(
        &self,
        terminal: &Terminal,
        args: &NetArgs,
        inputs: &[(String, Vec<usize>)],
    ) -> Option<Built> {
        let mut copy = Text { file: self.file, sources: self.sources.clone(), root: self.root };
        copy.elaborate(terminal, args, inputs).ok()?.ok()
    }

    fn elaborate(
        &mut self,
        terminal: &Terminal,
        args: &NetArgs,
        inputs: &[(String, Vec<usize>)],
    ) -> Result<Result<Built, Diagnostics>, Stop> {
        let options = options(terminal, args, &args.input, inputs)?;
        if darknet::is_network(self.file) {
            let text = &self.sources.get(self.root).text;
            return darknet::import(self.file, self.root, text, args, options);
        }
        let mut read = |path: &str| files::used(terminal, path);
        let net = elaborate::elaborate(&mut self.sources, self.root, &mut read, &options);
        let built = |net| Built {
            net,
            weights: None,
            layout: None,
            constants: Vec::new(),
            origin: None,
            ports: None,
        };
        if let Ok(net) = &net {
            check_batch(
                args,
                &net.graph,
                "an input that takes any batch has `N` as its first extent",
            )?;
        }
        Ok(net.map(built))
    }
}
