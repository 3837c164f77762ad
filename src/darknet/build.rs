//! Sections as a graph: the net's input, a layer after the other, the result.

use super::cfg::{Reader, Section};
use super::heads::{self, Head};
use super::weights::{Order, Stored};
use super::{Imported, Layout, Options, layers};
use crate::diag::{Diagnostic, Diagnostics};
use crate::graph::{Graph, Layer, Names, NodeId, Param};
use crate::ops::{Channels, Fit, Flatten, Op, Picture, Reshape};
use crate::shape::Shape;

/// How a section after the first is read.
#[derive(Clone, Copy)]
enum Kind {
    Layer(layers::Read),
    Head(heads::Read),
}

impl Kind {
    fn of(section: &Section) -> Option<Kind> {
        let layer = layers::read(&section.name).map(Kind::Layer);
        layer.or_else(|| heads::read(&section.name).map(Kind::Head))
    }
}

/// Layers with a state, which a net of one pass does not have.
const RECURRENT: &[&str] = &["rnn", "gru", "lstm", "crnn", "conv_lstm"];

/// Mistakes were found and noted.
#[derive(Debug)]
pub(super) struct Broken;

/// A net while it is built.
pub(super) struct Builder<'a> {
    pub(super) graph: Graph,
    pub(super) options: &'a Options,
    pub(super) found: Diagnostics,
    tensors: Vec<Stored>,
    params: u64,
    taken: Names,
    /// What the first layer takes, if that is not the input itself.
    first: Option<NodeId>,
    /// What each layer so far gives; `None` for a head.
    pub(super) values: Vec<Option<NodeId>>,
    pub(super) heads: Vec<Head>,
    /// The section at hand, its number among the layers, and the name of the one after it.
    pub(super) section: &'a Section,
    pub(super) at: usize,
    pub(super) next: Option<&'a str>,
}

/// Builds the graph, or says what is wrong with it.
pub(super) fn build(
    sections: &[Section],
    name: &str,
    options: &Options,
) -> Result<Imported, Diagnostics> {
    let (net, rest) = sections.split_first().expect("a file has a section");
    let layers = kinds(net, rest)?;
    let mut builder = Builder {
        graph: Graph::new(name),
        options,
        found: Diagnostics::new(),
        tensors: Vec::new(),
        params: 0,
        taken: Names::default(),
        first: None,
        values: Vec::new(),
        heads: Vec::new(),
        section: net,
        at: 0,
        next: None,
    };
    let done = builder.run(net, &layers);
    let Builder { graph, found, tensors, .. } = builder;
    match done {
        Ok(()) => Ok(Imported { graph, warnings: found, layout: Layout { tensors } }),
        Err(Broken) => Err(found),
    }
}

/// The sections after the first, each with how it is read. The file begins with a net, and netc has every layer; those
/// that it does not have are one mistake.
fn kinds<'a>(net: &Section, rest: &'a [Section]) -> Result<Vec<(&'a Section, Kind)>, Diagnostics> {
    let fault = |span, message: String| Diagnostic::error("broken-model", span, message);
    if !["net", "network"].contains(&net.name.as_str()) {
        let message = format!("the first section is `[{}]`", net.name);
        return Err(vec![fault(net.span, message).help("a Darknet network begins with `[net]`")]);
    }
    let mut known = Vec::with_capacity(rest.len());
    let mut unknown: Vec<&Section> = Vec::new();
    for section in rest {
        match Kind::of(section) {
            Some(kind) => known.push((section, kind)),
            None => unknown.push(section),
        }
    }
    let Some(first) = unknown.first() else { return Ok(known) };
    let mut names: Vec<&str> = Vec::new();
    for it in &unknown {
        if !names.contains(&it.name.as_str()) {
            names.push(&it.name);
        }
    }
    const NAMES_MAX: usize = 5;
    let quoted: Vec<String> = names.iter().take(NAMES_MAX).map(|it| format!("`[{it}]`")).collect();
    let more = if names.len() > NAMES_MAX { " and others" } else { "" };
    let message =
        format!("the net has layers that netc does not have: {}{more}", quoted.join(", "));
    let mut fault = fault(first.span, message);
    const LABELS_MAX: usize = 8;
    for it in unknown.iter().skip(1).take(LABELS_MAX) {
        fault = fault.and(it.span, "and here");
    }
    let recurrent = names.iter().all(|it| RECURRENT.contains(it));
    Err(vec![fault.help(match recurrent {
        true => "a recurrent layer keeps a state from one run to the next; netc compiles nets of one pass",
        false => "`netc ops` lists the layers that there are",
    })])
}

impl<'a> Builder<'a> {
    fn run(&mut self, net: &'a Section, layers: &[(&'a Section, Kind)]) -> Result<(), Broken> {
        self.input(net, layers.iter().any(|it| it.0.name == "detection"))?;
        for (at, &(section, kind)) in layers.iter().enumerate() {
            (self.section, self.at) = (section, at);
            self.next = layers.get(at + 1).map(|it| it.0.name.as_str());
            let value = match kind {
                Kind::Layer(read) => Some(read(self, Reader::new(section))?),
                Kind::Head(read) => {
                    heads::head(self, read)?;
                    None
                }
            };
            self.values.push(value);
        }
        heads::outputs(self)
    }

    /// The input, as the options or else `[net]` has it.
    fn input(&mut self, net: &Section, is_v1: bool) -> Result<(), Broken> {
        let mut reader = Reader::new(net);
        let [height, width, channels, inputs] =
            ["height", "width", "channels", "inputs"].map(|it| reader.count(it, 0, 0));
        let sample = match [channels, height, width] {
            [0, ..] | [_, 0, _] | [.., 0] => vec![inputs],
            map => map.to_vec(),
        };
        if sample == [0] {
            reader.fault(
                "height",
                "`[net]` needs `height`, `width` and `channels`, or `inputs`".to_owned(),
            );
        }
        if !reader.faults.is_empty() {
            self.found.append(&mut reader.faults);
            return Err(Broken);
        }
        let name = if sample.len() == 3 { "image" } else { "input" };
        let declared = [&[self.options.batch], sample.as_slice()].concat();
        let given = self.options.inputs.iter().find(|it| it.0 == name);
        let dims = given.map_or(&declared, |it| &it.1);
        if let Some(other) = self.options.inputs.iter().find(|it| it.0 != name) {
            let message =
                format!("there is no input `{}` to give the shape {:?}", other.0, other.1);
            return self.fail("input-option", message, Some(format!("the input is `{name}`")));
        }
        if dims.len() != declared.len() || dims[1] != declared[1] {
            let message = format!("the input `{name}` is {declared:?}, here {dims:?} is given");
            return self.fail("input-option", message, None);
        }
        match Shape::checked(dims).filter(|it| it.elements() <= self.options.limits.elements) {
            Some(shape) => {
                let input = self.graph.add_input(name, shape, net.span);
                // Darknet letterboxes what it shows to a net, but for the first YOLO.
                if sample.len() == 3 && sample[0] == 3 && !is_v1 {
                    let fit = Fit::Letterbox;
                    let picture =
                        Picture { fit, resize: None, channels: Channels::Rgb, scale: 1.0 };
                    self.first =
                        Some(self.place("picture".to_owned(), picture.into(), &[input])?);
                }
                Ok(())
            }
            None => {
                let message = format!("an input cannot have the extents {dims:?}");
                self.fail("input-shape", message, None)
            }
        }
    }

    /// Notes a mistake of the section at hand.
    pub(super) fn fail<T>(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Result<T, Broken> {
        let fault = Diagnostic::error(code, self.section.span, message);
        self.found.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
        Err(Broken)
    }

    /// Ends the reading of a section: keeps its warnings, or its mistakes.
    pub(super) fn finish(&mut self, reader: Reader<'_>) -> Result<(), Broken> {
        match reader.finish() {
            Ok(mut warnings) => {
                self.found.append(&mut warnings);
                Ok(())
            }
            Err(mut faults) => {
                self.found.append(&mut faults);
                Err(Broken)
            }
        }
    }

    /// What the layer before gives.
    pub(super) fn before(&mut self) -> Result<NodeId, Broken> {
        match self.values.last() {
            None => Ok(self.first.unwrap_or(self.graph.inputs()[0])),
            Some(&Some(value)) => Ok(value),
            Some(None) => self.fail(
                "broken-model",
                "the layer before is a detection head, which gives no map to continue from",
                Some("put a `[route]` between them".to_owned()),
            ),
        }
    }

    /// What the layer of a number gives; negative numbers count back from the layer at hand.
    pub(super) fn layer(&mut self, number: i64) -> Result<NodeId, Broken> {
        let at = if number < 0 { self.at as i64 + number } else { number };
        let value = usize::try_from(at).ok().and_then(|it| self.values.get(it).copied());
        match value {
            Some(Some(value)) => Ok(value),
            Some(None) => self.fail(
                "broken-model",
                format!("layer {at} is a head, whose result no layer takes"),
                None,
            ),
            None => {
                let message = format!("layer {number} does not come before layer {}", self.at);
                let help = "negative numbers count back from this layer, others from 0".to_owned();
                self.fail("broken-model", message, Some(help))
            }
        }
    }

    /// The shape of a value.
    pub(super) fn shape(&self, value: NodeId) -> Shape {
        self.graph.node(value).shape.clone()
    }

    /// A value as a map: a vector has one cell.
    pub(super) fn map(&mut self, value: NodeId) -> Result<NodeId, Broken> {
        let shape = self.shape(value);
        if shape.rank() != 2 {
            return Ok(value);
        }
        let dims = vec![shape.channels() as i64, 1, 1];
        self.add("map", Reshape { shape: dims, batch: None }, &[value])
    }

    /// A value as a vector.
    pub(super) fn vector(&mut self, value: NodeId) -> Result<NodeId, Broken> {
        if self.shape(value).rank() == 2 {
            return Ok(value);
        }
        self.add("flatten", Flatten, &[value])
    }

    /// Adds a layer whose path is a word and the number of the section.
    pub(super) fn add(
        &mut self,
        word: &str,
        op: impl Into<Op>,
        operands: &[NodeId],
    ) -> Result<NodeId, Broken> {
        let path = self.taken.free(&format!("{word}{}", self.at));
        self.place(path, op.into(), operands)
    }

    fn place(&mut self, path: String, op: Op, operands: &[NodeId]) -> Result<NodeId, Broken> {
        let shapes: Vec<&Shape> = operands.iter().map(|&it| &self.graph.node(it).shape).collect();
        let limits = &self.options.limits;
        if self.graph.len() >= limits.nodes {
            let message = format!("the net has more than {} layers", limits.nodes);
            return self.fail("limit", message, None);
        }
        let shape = match op.infer(&shapes) {
            Ok(shape) => shape,
            Err(violation) => {
                let name = op.entry().name;
                let found: Vec<String> = shapes.iter().map(ToString::to_string).collect();
                let fault = Diagnostic::error("shape", self.section.span, violation.message)
                    .note(format!("layer {} takes {}", self.at, found.join(" and ")))
                    .note(format!("this breaks {} of `{name}`", violation.constraint));
                self.found.push(match violation.help {
                    Some(help) => fault.help(help),
                    None => fault,
                });
                return Err(Broken);
            }
        };
        let specs = op.params(&shapes);
        let sum = specs.iter().map(|it| it.shape.elements() as u64).sum::<u64>() + self.params;
        if shape.elements() > limits.elements || sum > limits.params {
            let message = format!(
                "a value of {} elements or parameters of {sum} are too many",
                shape.elements()
            );
            return self.fail("limit", message, None);
        }
        self.params = sum;
        let mut params = Vec::with_capacity(specs.len());
        for spec in specs {
            let path = format!("{path}.{}", spec.name);
            params.push(self.graph.add_param(Param::new(path, spec)));
        }
        let layer = Layer { op, params, epilogue: Vec::new() };
        Ok(self.graph.add_layer(path, self.section.span, layer, operands.to_vec(), shape))
    }

    /// Notes that the file holds these parameters of a layer next, in this order.
    pub(super) fn store(&mut self, layer: NodeId, names: &[&str], order: Order) {
        let section = format!("`[{}]` {} (line {})", self.section.name, self.at, self.section.line);
        let params = &self.graph.layer(layer).expect("a layer has parameters").params;
        for name in names {
            let param = params
                .iter()
                .map(|&it| self.graph.param(it))
                .find(|it| it.path.rsplit('.').next() == Some(name));
            let param = param.expect("a layer has the parameters that its file holds");
            let (path, shape) = (param.path.clone(), param.shape.clone());
            self.tensors.push(Stored { path, shape, section: section.clone(), order });
        }
    }
}
