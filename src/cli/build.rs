//! From the flags of a command to a graph.

use std::path::Path;

use super::args::NetArgs;
use super::model::Model;
use super::terminal::{Stop, Terminal};
use super::{files, model, phase};
use crate::diag::Sources;
use crate::elaborate::{self, Elaborated};
use crate::onnx::Imported;
use crate::weights::Weights;

/// A net that a file describes.
pub(super) struct Built {
    /// The net with its warnings, which have been shown.
    pub(super) net: Elaborated,
    /// The weights that came with it, if the file is a model.
    pub(super) weights: Option<Weights>,
    /// Inputs of the model that were given as constants.
    pub(super) constants: Vec<String>,
}

impl From<Model> for Built {
    fn from(model: Model) -> Self {
        let Imported { graph, weights, remarks, .. } = model.imported;
        let net = Elaborated { graph, warnings: remarks, rules: Vec::new() };
        Self { net, weights: Some(weights), constants: model.constants }
    }
}

/// What the flags ask for; `inputs` are further shapes of inputs.
pub(super) fn options(
    terminal: &Terminal,
    args: &NetArgs,
    inputs: &[(String, Vec<usize>)],
) -> Result<elaborate::Options, Stop> {
    let mut shapes = inputs.to_vec();
    for input in &args.input {
        if let Some(shape) = &input.shape {
            let Some(name) = &input.name else {
                let fault = "`--input` with a shape names the input: --input image=1x3x224x224";
                return Err(Stop::Command(fault.to_owned()));
            };
            shapes.retain(|it| it.0 != *name);
            shapes.push((name.clone(), shape.clone()));
        }
    }
    if args.batch == 0 {
        return Err(Stop::Command("`--batch` is at least 1".to_owned()));
    }
    Ok(elaborate::Options {
        net: args.net.clone(),
        set: args.set.clone(),
        batch: args.batch,
        inputs: shapes,
        train: args.train,
        limits: terminal.limits.clone(),
    })
}

/// Reads a file and builds its net; shows every diagnostic.
pub(super) fn build(terminal: &Terminal, file: &Path, args: &NetArgs) -> Result<Built, Stop> {
    phase::enter("reading the net");
    let options = options(terminal, args, &[])?;
    if model::is_model(file) {
        let built: Built = model::import(terminal, file, args, &options.inputs)?.into();
        if terminal.verbose > 0 {
            files::remark(terminal, file, &built.net.warnings)?;
        }
        return Ok(built);
    }
    let (mut sources, root) = files::source(terminal, file)?;
    let mut read = |path: &str| files::used(terminal, path);
    match elaborate::elaborate(&mut sources, root, &mut read, &options) {
        Ok(net) => {
            terminal.diagnose(&sources, &net.warnings)?;
            Ok(Built { net, weights: None, constants: Vec::new() })
        }
        Err(found) => {
            terminal.diagnose(&sources, &found)?;
            unreachable!("a net that cannot be built has an error")
        }
    }
}

/// [`build`] with further shapes of inputs and without a word; `None` if the net cannot be built.
pub(super) fn quietly(
    terminal: &Terminal,
    file: &Path,
    args: &NetArgs,
    inputs: &[(String, Vec<usize>)],
) -> Option<Built> {
    let options = options(terminal, args, inputs).ok()?;
    if model::is_model(file) {
        return Some(model::try_import(file, args, &options.inputs).ok()?.ok()?.into());
    }
    let mut sources = Sources::default();
    let source = files::used(terminal, file.to_str()?).ok()?;
    let root = sources.add(source);
    let mut read = |path: &str| files::used(terminal, path);
    let net = elaborate::elaborate(&mut sources, root, &mut read, &options).ok()?;
    Some(Built { net, weights: None, constants: Vec::new() })
}
