//! The values of a net's inputs: pictures, arrays, or random numbers.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::args::{Input, NetArgs};
use super::build::{self, Built};
use super::terminal::{Stop, Terminal};
use super::{files, model, phase};
use crate::graph::Graph;
use crate::picture::{Channels, Options, Picture, Resize};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::{self, npy::Array};

/// What happens to a picture before the net sees it, and which random numbers stand in for other inputs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Inputs")]
pub(super) struct InputArgs {
    /// Inputs without a value are random numbers of mean 0 and variance 1
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub(super) seed: u64,
    /// Subtracted from each channel of a picture: --mean 0.485,0.456,0.406
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// Divides each channel afterwards: --std 0.229,0.224,0.225
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    std: Vec<f32>,
    /// What a full channel is: 1, or 255 for nets that take bytes
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0)]
    scale: f32,
    /// The order of a picture's channels
    #[arg(long, value_enum, value_name = "ORDER", default_value = "rgb")]
    channels: Order,
    /// Resize a picture first: 256x256, or 256 for the shorter side
    #[arg(long, value_name = "WxH", value_parser = resize)]
    resize: Option<Resize>,
    /// Cut out the middle of a picture rather than squeeze all of it into the input
    #[arg(long)]
    crop: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    #[default]
    Rgb,
    Bgr,
}

fn resize(text: &str) -> Result<Resize, String> {
    let side = |it: &str| it.parse::<u32>().ok().filter(|&it| it > 0);
    let size = match text.split_once('x') {
        Some((width, height)) => side(width).zip(side(height)).map(|(w, h)| Resize::To(w, h)),
        None => side(text).map(Resize::Shorter),
    };
    size.ok_or_else(|| "write 256x256, or 256 for the shorter side".to_owned())
}

/// A net and a value for each of its inputs, in order.
pub(super) struct Fed {
    /// The net.
    pub(super) built: Built,
    /// The values.
    pub(super) values: Vec<Tensor>,
}

/// What a file holds.
pub(super) enum Content {
    Array(Array),
    Picture(Picture),
}

/// Builds a net at the sizes that the flags and the arrays among its inputs give, and reads the inputs.
pub(super) fn feed(
    terminal: &Terminal,
    file: &Path,
    net: &NetArgs,
    args: &InputArgs,
) -> Result<Fed, Stop> {
    phase::enter("reading the inputs");
    let source = model::is_model(file).then(|| model::read(terminal, file, net)).transpose()?;
    let inputs = source.as_ref().map_or(&net.input, |it| &it.inputs);
    let mut contents = Vec::new();
    for input in inputs {
        if let Some(path) = &input.path {
            contents.push((input, path, read(terminal, path)?));
        }
    }
    let arrays: Vec<(&str, &Array)> = contents
        .iter()
        .filter_map(|(input, _, content)| match (content, &input.name) {
            (Content::Array(array), Some(name)) => Some((name.as_str(), array)),
            _ => None,
        })
        .collect();
    let built = match &source {
        Some(source) => model::import(terminal, file, net, source, &arrays)?.into(),
        None => match sized(terminal, file, net, &arrays) {
            Some(built) => built,
            None => build::build(terminal, file, net)?,
        },
    };
    let graph = &built.net.graph;
    let mut values: Vec<Option<Tensor>> = vec![None; graph.inputs().len()];
    let constant = |it: &Input| it.name.as_ref().is_some_and(|it| built.constants.contains(it));
    for (input, path, content) in contents.into_iter().filter(|it| !constant(it.0)) {
        let at = find(graph, input)?;
        let shape = &graph.node(graph.inputs()[at]).shape;
        let is_whole = built.ports.as_ref().is_some_and(|it| it.inputs[at].is_whole());
        let fitted = match content {
            Content::Array(array) => fit(&array, shape, is_whole),
            Content::Picture(picture) => {
                check_normalise(graph, args)?;
                picture.tensor(shape, &args.options())
            }
        };
        values[at] =
            Some(fitted.map_err(|it| files::fault_of_data(terminal, path, "broken-input", it))?);
    }
    for input in inputs.iter().filter(|it| it.path.is_none()) {
        find(graph, input)?;
    }
    let ids = graph.inputs().iter();
    let values = values.into_iter().zip(ids).map(|(value, &id)| {
        let node = graph.node(id);
        value.unwrap_or_else(|| weights::noise(args.seed, &node.path, &node.shape))
    });
    let values = values.collect();
    Ok(Fed { built, values })
}

/// The net at the sizes of its arrays, if these are needed: the declared sizes are tried first, silently.
fn sized(
    terminal: &Terminal,
    file: &Path,
    net: &NetArgs,
    arrays: &[(&str, &Array)],
) -> Option<Built> {
    let arrays: Vec<(String, Vec<usize>)> = arrays
        .iter()
        .filter(|(name, array)| {
            let shaped =
                net.input.iter().any(|it| it.name.as_deref() == Some(name) && it.shape.is_some());
            array.dims.len() > 1 && !shaped
        })
        .map(|(name, array)| ((*name).to_owned(), array.dims.clone()))
        .collect();
    if arrays.is_empty() || file.as_os_str() == files::STREAM {
        return None;
    }
    let declared = build::quietly(terminal, file, net, &[]);
    let fits = declared.is_some_and(|it| {
        let graph = &it.net.graph;
        arrays.iter().all(|(name, dims)| {
            let input = graph.inputs().iter().find(|&&it| graph.node(it).path == *name);
            input
                .is_none_or(|&it| graph.node(it).shape.elements() == dims.iter().product::<usize>())
        })
    });
    if fits {
        return None;
    }
    build::quietly(terminal, file, net, &arrays)
}

/// What a file holds.
pub(super) fn read(terminal: &Terminal, path: &Path) -> Result<Content, Stop> {
    let bytes = files::bytes(path)?;
    let read = if bytes.starts_with(b"\x93NUMPY") || path.extension().is_some_and(|it| it == "npy")
    {
        Array::read(&files::name(path), &bytes).map(Content::Array).map_err(|it| it.message)
    } else {
        Picture::decode(&bytes).map(Content::Picture)
    };
    read.map_err(|it| files::fault_of_data(terminal, path, "broken-input", it))
}

/// The position of an input among the net's.
fn find(graph: &Graph, input: &Input) -> Result<usize, Stop> {
    let names: Vec<&str> = graph.inputs().iter().map(|&it| graph.node(it).path.as_str()).collect();
    let at = match &input.name {
        Some(name) => names.iter().position(|it| it == name),
        None => (names.len() == 1).then_some(0),
    };
    at.ok_or_else(|| {
        let known = names.join("`, `");
        Stop::Command(match &input.name {
            Some(name) => format!("the net has no input `{name}`; it has `{known}`"),
            None => format!("`--input` names one of the inputs `{known}`: --input NAME=PATH"),
        })
    })
}

/// An array in the shape of an input; extents of 1 may be left out or added. An input of whole numbers gets
/// them as they are.
fn fit(array: &Array, shape: &Shape, is_whole: bool) -> Result<Tensor, String> {
    let proper = |it: &[usize]| it.iter().copied().filter(|&it| it != 1).collect::<Vec<_>>();
    if proper(&array.dims) != proper(shape.dims()) {
        let (given, wanted) = (&array.dims, shape.dims());
        return Err(format!("the array is {given:?}, the input is {wanted:?}"));
    }
    let floats = array.floats();
    if is_whole {
        let changed = match array.ints() {
            Some(ints) => {
                ints.iter().zip(&floats).find(|it| *it.1 as i64 != *it.0).map(|it| it.0.to_string())
            }
            None => floats.iter().find(|it| it.fract() != 0.0).map(f32::to_string),
        };
        if let Some(number) = changed {
            return Err(format!(
                "the input takes whole numbers that f32 can hold, and {number} is none"
            ));
        }
    }
    Ok(Tensor::new(shape.clone(), floats))
}

/// A net that normalises its input does so alone.
fn check_normalise(graph: &Graph, args: &InputArgs) -> Result<(), Stop> {
    let asked = !args.mean.is_empty() || !args.std.is_empty();
    let normalises = graph
        .order()
        .into_iter()
        .filter_map(|it| graph.layer(it))
        .any(|it| it.op.entry().name == "normalise");
    if asked && normalises {
        let fault = "the net has a `normalise` layer: it needs neither `--mean` nor `--std`";
        return Err(Stop::Command(fault.to_owned()));
    }
    Ok(())
}

impl InputArgs {
    fn options(&self) -> Options {
        Options {
            resize: self.resize,
            crop: self.crop,
            channels: match self.channels {
                Order::Rgb => Channels::Rgb,
                Order::Bgr => Channels::Bgr,
            },
            scale: self.scale,
            mean: self.mean.clone(),
            std: self.std.clone(),
        }
    }
}
