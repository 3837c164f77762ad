//! The values of a net's inputs: pictures, arrays, or random numbers.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::args::{Input, NetArgs, finite, positive};
use super::build::{Built, Text};
use super::terminal::{Stop, Terminal};
use super::{files, model, phase};
use crate::graph::{Graph, Node, NodeId};
use crate::ops::{self, Op};
use crate::picture::{Channels, Fit, Options, Picture, Side};
use crate::report::{counted, shown};
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
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_negative_numbers = true,
        value_parser = finite)]
    mean: Vec<f32>,
    /// Divides each channel afterwards: --std 0.229,0.224,0.225
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = positive)]
    std: Vec<f32>,
    /// The value of a fully saturated channel: 1 (the default), or 255 for nets that take bytes
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    scale: Option<f32>,
    /// The order of a picture's channels (default: rgb)
    #[arg(long, value_enum, value_name = "ORDER")]
    channels: Option<Order>,
    /// Resize a picture first: 256x256, or 256 for the shorter side
    #[arg(long, value_name = "WxH", value_parser = resize)]
    resize: Option<Side>,
    /// Cut out the middle of a picture rather than squeeze all of it into the input
    #[arg(long)]
    crop: bool,
    /// Fit the whole picture, keep its proportions and pad with grey, as Darknet does
    #[arg(long, conflicts_with_all = ["crop", "resize"])]
    letterbox: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Rgb,
    Bgr,
}

fn resize(text: &str) -> Result<Side, String> {
    let side = |it: &str| it.parse::<u32>().ok().filter(|&it| it > 0);
    let size = match text.split_once('x') {
        Some((width, height)) => side(width).zip(side(height)).map(|(w, h)| Side::To(w, h)),
        None => side(text).map(Side::Shorter),
    };
    size.ok_or_else(|| "write 256x256, or 256 for the shorter side".to_owned())
}

/// A net and a value for each of its inputs, in order.
pub(super) struct Fed {
    /// The net.
    pub(super) built: Built,
    /// The values.
    pub(super) values: Vec<Tensor>,
    /// The pictures among them, with the position of each one's input and how it was brought there.
    pub(super) pictures: Vec<(usize, Picture, Options)>,
}

impl Fed {
    /// The numbers of each input.
    pub(super) fn data(&self) -> Vec<&[f32]> {
        self.values.iter().map(|it| it.data.as_slice()).collect()
    }
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
        None => {
            let text = Text::read(terminal, file)?;
            match sized(terminal, &text, net, &contents) {
                Some(built) => built,
                None => text.build(terminal, net)?,
            }
        }
    };
    let graph = &built.net.graph;
    let mut values: Vec<Option<Tensor>> = vec![None; graph.inputs().len()];
    let mut pictures = Vec::new();
    args.check(terminal, graph, contents.iter().any(|it| matches!(it.2, Content::Picture(_))))?;
    let constant = |it: &Input| it.name.as_ref().is_some_and(|it| built.constants.contains(it));
    for (input, path, content) in contents.into_iter().filter(|it| !constant(it.0)) {
        let at = find(graph, input)?;
        let Node { path: name, shape, .. } = graph.node(graph.inputs()[at]);
        let is_whole = built.ports.as_ref().is_some_and(|it| it.inputs[at].is_whole());
        let fitted = match content {
            Content::Array(array) => fit(&array, name, shape, is_whole),
            Content::Picture(picture) => {
                args.check_channels(name, shape)?;
                let options = args.options(recorded(graph, graph.inputs()[at]));
                let tensor = picture.tensor(shape, &options);
                pictures.push((at, picture, options));
                tensor
            }
        };
        values[at] =
            Some(fitted.map_err(|it| files::fault_of_data(terminal, path, "broken-input", it))?);
    }
    for input in inputs.iter().filter(|it| it.path.is_none()) {
        find(graph, input)?;
    }
    let values = complete(terminal, graph, values, args.seed);
    Ok(Fed { built, values, pictures })
}

/// Random numbers for the inputs without a value; where others have one, says so.
fn complete(
    terminal: &Terminal,
    graph: &Graph,
    values: Vec<Option<Tensor>>,
    seed: u64,
) -> Vec<Tensor> {
    let nodes = || graph.inputs().iter().map(|&it| graph.node(it));
    let idle = nodes().zip(&values).filter(|it| it.1.is_none());
    let idle: Vec<String> = idle.map(|it| format!("`{}`", shown(&it.0.path))).collect();
    if (1..values.len()).contains(&idle.len()) {
        let names = idle.join(", ");
        terminal
            .say(&format!("note: no --input for {names}, random numbers stand in (seed {seed})"));
    }
    let given = nodes().zip(values);
    let value = |(node, value): (&Node, Option<Tensor>)| {
        value.unwrap_or_else(|| weights::noise(seed, &node.path, &node.shape))
    };
    given.map(value).collect()
}

/// The net at the sizes of its arrays, if these are needed: the declared sizes are tried first, silently.
fn sized(
    terminal: &Terminal,
    text: &Text,
    net: &NetArgs,
    contents: &[(&Input, &PathBuf, Content)],
) -> Option<Built> {
    let free = |(input, _, content): &(&Input, &PathBuf, Content)| match content {
        Content::Array(array) if input.shape.is_none() && array.dims.len() > 1 => {
            Some((input.name.clone(), array.dims.clone()))
        }
        _ => None,
    };
    let arrays: Vec<(Option<String>, Vec<usize>)> = contents.iter().filter_map(free).collect();
    if arrays.is_empty() {
        return None;
    }
    let declared = text.quietly(terminal, net, &[]);
    let sole = declared.as_ref().and_then(|it| match it.net.graph.inputs() {
        [only] => Some(it.net.graph.node(*only)),
        _ => None,
    });
    // Without a name an array decides on the batch alone.
    let batch = |dims: &[usize]| sole.filter(|it| it.shape.sample() == &dims[1..]);
    let named = |(name, dims): (Option<String>, Vec<usize>)| {
        Some((name.or_else(|| batch(&dims).map(|it| it.path.clone()))?, dims))
    };
    let arrays: Vec<(String, Vec<usize>)> = arrays.into_iter().filter_map(named).collect();
    let fits = declared.as_ref().is_some_and(|it| {
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
    // What the file states as a number only the user changes.
    let is_as_stated = |it: &Built| match (&it.layout, sole) {
        (Some(_), Some(sole)) => {
            let graph = &it.net.graph;
            graph.node(graph.inputs()[0]).shape.sample() == sole.shape.sample()
        }
        _ => !it.net.resized,
    };
    text.quietly(terminal, net, &arrays).filter(is_as_stated)
}

/// What a file holds.
pub(super) fn read(terminal: &Terminal, path: &Path) -> Result<Content, Stop> {
    let bytes = files::bytes(path)?;
    let read = if bytes.starts_with(b"\x93NUMPY") || files::is_named(path, "npy") {
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
fn fit(array: &Array, name: &str, shape: &Shape, is_whole: bool) -> Result<Tensor, String> {
    let proper = |it: &[usize]| it.iter().copied().filter(|&it| it != 1).collect::<Vec<_>>();
    if proper(&array.dims) != proper(shape.dims()) {
        let (given, wanted) = (&array.dims, shape.dims());
        let name = shown(name);
        return Err(format!("the array is {given:?}, the input `{name}` is {wanted:?}"));
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

/// What the net says of pictures for an input: a `picture` layer right behind it.
fn recorded(graph: &Graph, input: NodeId) -> Option<&ops::Picture> {
    graph.users(input).into_iter().find_map(|it| match graph.layer(it).map(|it| &it.op) {
        Some(Op::Picture(picture)) => Some(picture),
        _ => None,
    })
}

impl InputArgs {
    /// The flags about pictures that were given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            (!self.mean.is_empty(), "--mean"),
            (!self.std.is_empty(), "--std"),
            (self.scale.is_some(), "--scale"),
            (self.channels.is_some(), "--channels"),
            (self.resize.is_some(), "--resize"),
            (self.crop, "--crop"),
            (self.letterbox, "--letterbox"),
        ];
        given.into_iter().filter(|it| it.0).map(|it| it.1)
    }

    /// Flags about pictures want a picture, and a net that normalises its input does so alone.
    fn check(&self, terminal: &Terminal, graph: &Graph, is_any_picture: bool) -> Result<(), Stop> {
        if let Some(flag) = self.given().next().filter(|_| !is_any_picture) {
            let fault = format!(
                "`{flag}` is about pictures, and no input is one; arrays go in as they are"
            );
            return Err(Stop::Command(fault));
        }
        let mut layers = graph.order().into_iter().filter_map(|it| graph.layer(it));
        if !layers.any(|it| matches!(it.op, Op::Normalise(_))) {
            return Ok(());
        }
        if let Some(flag) = self.given().find(|it| matches!(*it, "--mean" | "--std")) {
            let fault = format!(
                "the net has a `normalise` layer, which `{flag}` would do again: leave it out"
            );
            return Err(Stop::Command(fault));
        }
        if let Some(scale) = self.scale {
            terminal.say(&format!(
                "note: the `normalise` layer of the net gets values of 0 to {scale}"
            ));
        }
        Ok(())
    }

    /// One number for all channels, or one for each.
    fn check_channels(&self, name: &str, shape: &Shape) -> Result<(), Stop> {
        let channels = if shape.rank() > 1 { shape.channels() } else { 1 };
        for (flag, count) in [("--mean", self.mean.len()), ("--std", self.std.len())] {
            if count > 1 && count != channels {
                let (name, channels) = (shown(name), counted(channels as u64, "channel"));
                return Err(Stop::Command(format!(
                    "`{flag}` has {count} numbers, the input `{name}` has {channels}"
                )));
            }
        }
        Ok(())
    }

    /// What the flags say, and where they say nothing the net.
    fn options(&self, recorded: Option<&ops::Picture>) -> Options {
        let mut options = recorded.map_or_else(Options::default, Options::from);
        if self.crop || self.letterbox || self.resize.is_some() {
            options.resize = self.resize;
            options.fit = match (self.crop, self.letterbox) {
                (true, _) => Fit::Crop,
                (_, true) => Fit::Letterbox,
                _ => Fit::Stretch,
            };
        }
        match self.channels {
            Some(Order::Rgb) => options.channels = Channels::Rgb,
            Some(Order::Bgr) => options.channels = Channels::Bgr,
            None => {}
        }
        options.scale = self.scale.unwrap_or(options.scale);
        options.mean.clone_from(&self.mean);
        options.std.clone_from(&self.std);
        options
    }
}
