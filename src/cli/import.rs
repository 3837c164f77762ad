//! `netc import`: a model as `.net` text that a person would keep, and its weights beside it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::args::NetArgs;
use super::build::Built;
use super::terminal::{Stop, Terminal};
use super::{build, darknet, files, model, phase};
use crate::graph::{Graph, ParamId, Source};
use crate::lift::{self, Lifted};
use crate::report::counted;
use crate::weights::{self, Weights};

/// Turn a model (.onnx, .cfg) into .net text and .safetensors weights
///
/// Writes NAME.net and NAME.safetensors into a folder, NAME being the model's. What the model repeats
/// becomes blocks, layers keep their names where they are meaningful, and every tensor of the weights file
/// has the path of its parameter in the text. Before anything is written the text is read again: it must describe
/// the same net, operator by operator.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  netc import resnet50.onnx -o nets\n  netc import detector.onnx -o nets \
        --input image=1x3x480x640\n  netc import yolov3-tiny.cfg --weights yolov3-tiny.weights -o nets\n\n\
        Then:\n  netc report nets/resnet50.net\n  netc run nets/resnet50.net \
        --weights nets/resnet50.safetensors --input image=cat.jpg"
)]
pub(super) struct Import {
    /// The model: an .onnx file, or a Darknet .cfg
    #[arg(value_name = "MODEL")]
    file: PathBuf,
    /// The folder to write into; it is made if it is not there
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
    /// The .weights of a Darknet network
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    net: NetArgs,
}

impl Import {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let is_model = model::is_model(&self.file);
        if !is_model && !darknet::is_network(&self.file) {
            let name = files::name(&self.file);
            let fault = format!("`{name}` cannot be imported; .onnx and .cfg files can");
            return Err(Stop::Command(fault));
        }
        if is_model && self.weights.is_some() {
            let fault = "an .onnx file brings its weights; `--weights` goes with a .cfg";
            return Err(Stop::Command(fault.to_owned()));
        }
        let stem = stem(&self.file);
        let text = self.output.join(format!("{stem}.net"));
        let to = self.output.join(format!("{stem}.safetensors"));
        let there = [&text, &to].into_iter().find(|it| it.symlink_metadata().is_ok());
        if let Some(there) = there.filter(|_| !self.force) {
            let there = files::name(there);
            let fault = format!("`{there}` is there already; --force replaces it");
            return Err(Stop::Command(fault));
        }
        let built = build::build(terminal, &self.file, &self.net)?;
        if is_model && terminal.verbose == 0 {
            files::remark(terminal, &self.file, &built.net.warnings)?;
        }
        let weights = self.weights(terminal, &built)?;
        let graph = &built.net.graph;
        phase::enter("writing the net as text");
        let about = self.about(&built, weights.as_ref().map(|_| to.as_path()));
        let lifted = lift::lift(graph, &about).map_err(|it| {
            files::fault_of_data(terminal, &self.file, "broken-model", it.to_string())
        })?;
        if let Some(fault) = &lifted.fault {
            terminal.chat(&format!("note: no blocks were made of the net: {fault}"));
        }
        let moved = weights.map(|it| it.moved(graph, &lifted.graph, &lifted.params));
        phase::enter("writing files");
        self.write(terminal, &lifted, moved.as_ref(), [&text, &to])?;
        terminal.say(&summary(&lifted, &text, moved.as_ref().map(|_| to.as_path())));
        Ok(())
    }

    /// The weights, if the net has any and they are there.
    fn weights(&self, terminal: &Terminal, built: &Built) -> Result<Option<Weights>, Stop> {
        if weights::stored(&built.net.graph).next().is_none() {
            return Ok(None);
        }
        match &self.weights {
            Some(path) => darknet::weights(terminal, path, built.layout.as_ref(), None).map(Some),
            None => Ok(built.weights.clone()),
        }
    }

    /// The comment at the head of the text.
    fn about(&self, built: &Built, weights: Option<&Path>) -> Vec<String> {
        let graph = &built.net.graph;
        let name =
            |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let origin = built.origin.as_deref().unwrap_or_default();
        let mut about = vec![
            format!("{}: {}.", graph.name, counted(params(graph), "parameter")),
            format!("Imported from {} ({origin}).", name(&self.file)),
        ];
        about.extend(weights.map(|it| format!("Weights: {}.", name(it))));
        if !built.constants.is_empty() {
            about.push(format!("Fixed when importing: {}.", built.constants.join(", ")));
        }
        about
    }

    /// Writes both files, the weights first: a text without its weights would mislead.
    fn write(
        &self,
        terminal: &Terminal,
        lifted: &Lifted,
        weights: Option<&Weights>,
        [text, to]: [&Path; 2],
    ) -> Result<(), Stop> {
        let folder = files::name(&self.output);
        std::fs::create_dir_all(&self.output)
            .map_err(|it| Stop::Command(format!("cannot make the folder `{folder}`: {it}")))?;
        if let Some(weights) = weights {
            let progress = terminal.progress("writing", weights::stored(&lifted.graph).count());
            files::save(to, weights, &lifted.graph, &|| progress.step())?;
        }
        files::write(terminal, text, lifted.text.as_bytes())
    }
}

/// What the files are called, after the model.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let keeps = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let stem: String = stem.chars().map(|it| if keeps(it) { it } else { '_' }).take(100).collect();
    let stem = stem.trim_start_matches(['.', '-']);
    if stem.is_empty() { "model".to_owned() } else { stem.to_owned() }
}

/// How many numbers the net learns.
fn params(graph: &Graph) -> u64 {
    let learned = |it: &ParamId| matches!(graph.param(*it).source, Source::Learned(_));
    let params = weights::stored(graph).filter(learned);
    params.map(|it| graph.param(it).shape.elements() as u64).sum()
}

/// What was written, and what to do with it.
fn summary(lifted: &Lifted, text: &Path, weights: Option<&Path>) -> String {
    let (lines, layers) =
        (lifted.text.lines().count(), lifted.graph.len() - lifted.graph.inputs().len());
    let shown = files::name(text);
    let (layers, lines) = (counted(layers as u64, "layer"), counted(lines as u64, "line"));
    let mut said = format!("wrote `{shown}`: {layers} in {lines}\n");
    let mut with = String::new();
    if let Some(path) = weights {
        let (count, name) = (weights::stored(&lifted.graph).count(), files::name(path));
        said.push_str(&format!("wrote `{name}`: {}\n", counted(count as u64, "tensor")));
        with = format!(" --weights {}", files::quoted(path));
    }
    let text = files::quoted(text);
    said.push_str(&format!("next: netc report {text}\n      netc run {text}{with}"));
    said
}
