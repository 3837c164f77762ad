//! `netc run`: one run, and what came out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::{Map, Value, json};

use super::args::{PlainFormat, positive};
use super::boxes::{self, Detection};
use super::build::Built;
use super::input::Fed;
use super::scores::{self, Top, best};
use super::subject::SubjectArgs;
use super::terminal::{Stop, Terminal, number};
use super::{files, phase};
use crate::graph::{Graph, Output};
use crate::nest::suppress::Rows;
use crate::ops::{Nms, Op};
use crate::picture::{self, Placement};
use crate::report::{counted, shown};
use crate::tensor::Tensor;
use crate::weights::{Element, npz};

/// Run once on pictures, arrays or random input
///
/// A vector for each sample is shown as class scores, sorted and in per cent, if it comes out of a softmax, or out of
/// a conv or fc that nothing but a mean came after: then the per cents are what softmax makes of it. --labels says that
/// any vector is one; --top sorts other results too. Where --save, --boxes or --picture writes to standard output (-),
/// the results are shown on standard error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    netc run models/lenet5.net --weights models/lenet5.safetensors --input image=models/digits/7_1.png\n  \
    netc run models/resnet.net --net ResNet18 --random-weights 1 --format json --top 5")]
pub(super) struct Run {
    /// Show the K largest values of each sample
    #[arg(long, value_name = "K")]
    top: Option<usize>,
    /// What the values stand for, one a line
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Draw the boxes that the net finds on the picture: a .png or .jpg file
    #[arg(long, value_name = "F.png")]
    boxes: Option<PathBuf>,
    /// Write the outputs as arrays under their names
    #[arg(long, value_name = "F.npz")]
    save: Option<PathBuf>,
    /// Write the first output that is a picture, a map of 1 or 3 channels, as a .png or .jpg file
    #[arg(long, value_name = "F.png")]
    picture: Option<PathBuf>,
    /// The value of a fully saturated channel of that picture: 1, or 255 for nets that give bytes
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "picture", value_parser = positive)]
    full: f32,
    /// How the outputs are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
    #[command(flatten)]
    subject: SubjectArgs,
}

impl Run {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let labels = self.labels.as_ref().map(|it| files::lines(terminal, it));
        let labels = labels.transpose()?.unwrap_or_default();
        self.boxes.as_deref().map_or(Ok(()), |it| boxes::check("--boxes", it))?;
        self.picture.as_deref().map_or(Ok(()), |it| boxes::check("--picture", it))?;
        self.save.as_deref().map_or(Ok(()), |it| files::check_extension("--save", it, &["npz"]))?;
        let takes_output = self.check_streams()?;
        let machine = &self.subject.machine;
        let fed = self.subject.feed(terminal)?;
        self.check_boxes(&fed)?;
        self.check_picture(&fed)?;
        let (compiled, _) = self.subject.compile(terminal, &fed, machine.plan())?;
        phase::enter("running");
        let mut session = compiled.program.session(machine.threads());
        let inputs = fed.data();
        let begun = Instant::now();
        session.run(&inputs).expect("the inputs have the net's shapes");
        let time_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        phase::enter("writing the outputs");
        let placement = placement(&fed);
        let outputs = outcomes(&fed.built, session.outputs(), placement.as_ref());
        remark_labels(terminal, &outputs, &labels);
        if let (Some(path), [(_, picture, _)]) = (&self.boxes, fed.pictures.as_slice()) {
            let found = outputs.iter().flat_map(|it| it.found.iter().flatten()).cloned();
            boxes::draw(terminal, path, picture, &found.collect::<Vec<_>>(), &labels)?;
        }
        if let Some(path) = &self.save {
            let mut archive = std::io::Cursor::new(Vec::new());
            npz::write(&mut archive, outputs.iter().map(Outcome::array)).map_err(|it| {
                Stop::Command(format!("cannot write `{}`: {it}", files::name(path)))
            })?;
            files::write(terminal, path, archive.get_ref())?;
        }
        if let Some(path) = &self.picture {
            self.draw(terminal, path, &outputs)?;
        }
        let printed = match self.format {
            PlainFormat::Json => {
                let mut named = Map::new();
                for it in &outputs {
                    named.insert(it.name.to_owned(), self.json(it, &labels));
                }
                terminal.print_json(&json!({"schema": 1, "outputs": named, "time_ns": time_ns}))
            }
            PlainFormat::Text => {
                let mut text = String::new();
                for it in &outputs {
                    self.text(&mut text, it, &labels);
                }
                let _ = write!(text, "{:.3} ms", time_ns as f64 / 1e6);
                if takes_output {
                    terminal.say(&text);
                    Ok(())
                } else {
                    terminal.print(&format!("{text}\n"))
                }
            }
        };
        compiled.remember(terminal);
        printed
    }

    /// Whether a file goes to standard output, which takes one thing.
    fn check_streams(&self) -> Result<bool, Stop> {
        let files =
            [("--save", &self.save), ("--boxes", &self.boxes), ("--picture", &self.picture)];
        let is_stream = |it: &Option<PathBuf>| it.as_deref().is_some_and(files::is_stream);
        let mut flags = files.into_iter().filter(|it| is_stream(it.1)).map(|it| it.0);
        let Some(first) = flags.next() else { return Ok(false) };
        let json = (self.format == PlainFormat::Json).then_some("--format json");
        match flags.next().or(json) {
            Some(other) => Err(Stop::Command(format!(
                "`{first}` and `{other}` both write to standard output; give one of them a file"
            ))),
            None => Ok(true),
        }
    }

    /// Boxes are drawn of a net that finds some, on the only picture.
    fn check_boxes(&self, fed: &Fed) -> Result<(), Stop> {
        if self.boxes.is_none() {
            return Ok(());
        }
        let graph = &fed.built.net.graph;
        let finds = |it: &Output| matches!(picks(graph, it), Some(Nms { rows: Rows::Boxes, .. }));
        if !graph.outputs().iter().any(finds) {
            let fault = "`--boxes` draws what `nms(.., with_boxes=true)` gives, and no output of the net is one";
            return Err(Stop::Command(fault.to_owned()));
        }
        match fed.pictures.len() {
            1 => Ok(()),
            0 => {
                Err(Stop::Command("`--boxes` draws on a picture: --input NAME=cat.jpg".to_owned()))
            }
            _ => Err(Stop::Command(
                "`--boxes` draws on one picture, and several are given".to_owned(),
            )),
        }
    }

    /// One of the outputs is a picture, if one is to be drawn.
    fn check_picture(&self, fed: &Fed) -> Result<(), Stop> {
        let graph = &fed.built.net.graph;
        let mut outputs = graph.outputs().iter().enumerate();
        let is_map = |(at, it): (usize, &Output)| match &fed.built.ports {
            Some(ports) => picture::is_map(&ports.outputs[at].dims),
            None => picture::is_map(graph.node(it.node).shape.dims()),
        };
        if self.picture.is_none() || outputs.any(is_map) {
            return Ok(());
        }
        let fault = "`--picture` draws an output [N, C, H, W] or [N, H, W, C] of 1 or 3 channels, and none is one";
        Err(Stop::Command(fault.to_owned()))
    }

    fn draw(&self, terminal: &Terminal, path: &Path, outputs: &[Outcome<'_>]) -> Result<(), Stop> {
        let fail = |it: &str| Stop::Command(format!("cannot write `{}`: {it}", files::name(path)));
        let encode =
            |it: &Outcome<'_>| picture::encode(&it.dims, it.data, self.full, boxes::as_jpeg(path));
        let drawn =
            outputs.iter().find_map(encode).ok_or_else(|| fail("no output is a picture"))?;
        files::write(terminal, path, &drawn.map_err(|it| fail(&it))?)
    }

    fn json(&self, result: &Outcome<'_>, labels: &[String]) -> Value {
        let mut output = json!({
            "shape": result.dims,
            "values": result.data.iter().map(|&it| number(it)).collect::<Vec<Value>>(),
        });
        if let Some(found) = &result.found {
            output["detections"] = boxes::json(found, labels);
            output["pixels"] = result.pixels().into();
        } else if let Some(count) = self.top.or_else(|| (!labels.is_empty()).then_some(5)) {
            let mut rows: Vec<Value> = result
                .samples()
                .map(|row| {
                    let top = best(row, count, result.is_softmax);
                    let one = |it: &Top| {
                        json!({"index": it.index, "label": labels.get(it.index),
                               "value": number(it.value), "score": it.score})
                    };
                    top.iter().map(one).collect()
                })
                .collect();
            output["top"] = if rows.len() == 1 { rows.remove(0) } else { rows.into() };
        }
        output
    }

    fn text(&self, text: &mut String, result: &Outcome<'_>, labels: &[String]) {
        let _ = write!(text, "{} {:?}", shown(result.name), result.dims);
        if result.found.is_some() {
            let _ = write!(text, ", in pixels of the {}", result.pixels());
        }
        text.push('\n');
        if let Some(found) = &result.found {
            boxes::text(text, found, labels);
            return;
        }
        let is_score = !labels.is_empty() || result.is_score;
        let count = self.top.or_else(|| is_score.then_some(5));
        let Some(count) = count else {
            const SHOWN: usize = 8;
            let first: Vec<String> = result.data.iter().take(SHOWN).map(f32::to_string).collect();
            let more = if result.data.len() > SHOWN { ", .." } else { "" };
            let _ = writeln!(text, "  {}{more}", first.join(", "));
            return;
        };
        for (sample, row) in result.samples().enumerate() {
            if result.dims.first().is_some_and(|it| *it > 1) {
                let _ = writeln!(text, "  sample {sample}");
            }
            for it in best(row, count, result.is_softmax) {
                const WIDTH: f64 = 24.0;
                let mut line = format!("  {:>5}  {:>12.6}", it.index, it.value);
                if is_score {
                    let bar = "█".repeat((it.score * WIDTH).round() as usize);
                    let label = labels.get(it.index).map_or(String::new(), |it| shown(it));
                    let _ = write!(line, "  {:>6.2} %  {bar:<24}  {label}", 100.0 * it.score);
                }
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
    }
}

/// An output as it is shown and saved: a list of picks has as many rows as there are picks, and what comes from
/// a model has the extents and the element type that its file says.
struct Outcome<'a> {
    name: &'a str,
    dims: Vec<usize>,
    element: Element,
    data: &'a [f32],
    is_softmax: bool,
    /// Whether it holds one class score after another.
    is_score: bool,
    found: Option<Vec<Detection>>,
    /// Whether what was found is told in pixels of a picture, or else of the net's input.
    is_placed: bool,
}

/// Says if there is not one label for each value of an output.
fn remark_labels(terminal: &Terminal, outputs: &[Outcome<'_>], labels: &[String]) {
    let vectors = outputs.iter().filter(|it| it.found.is_none());
    for it in vectors.filter(|it| !labels.is_empty() && labels.len() != it.sample_len()) {
        let (name, values) = (shown(it.name), counted(it.sample_len() as u64, "value"));
        let labels = counted(labels.len() as u64, "label");
        terminal.say(&format!("note: there are {labels} for {values} of `{name}`"));
    }
    let found = outputs.iter().flat_map(|it| it.found.iter().flatten());
    if let Some(class) = found.map(|it| it.class).max().filter(|it| *it >= labels.len())
        && !labels.is_empty()
    {
        let labels = counted(labels.len() as u64, "label");
        terminal.say(&format!("note: there are {labels}, and the net found class {class}"));
    }
}

/// The suppression that an output comes from, if it comes from one.
fn picks<'a>(graph: &'a Graph, output: &Output) -> Option<&'a Nms> {
    match graph.layer(output.node).map(|it| &it.op) {
        Some(Op::Nms(nms)) => Some(nms),
        _ => None,
    }
}

/// Where the only picture lies in its input.
fn placement(fed: &Fed) -> Option<Placement> {
    let [(at, picture, options)] = fed.pictures.as_slice() else { return None };
    let &[height, width] = fed.values[*at].shape.spatial() else { return None };
    let size = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    picture.placement(size, options).ok()
}

/// The outputs of a run.
fn outcomes<'a>(
    built: &'a Built,
    outputs: &'a [Tensor],
    placement: Option<&Placement>,
) -> Vec<Outcome<'a>> {
    let graph = &built.net.graph;
    let ports = built.ports.as_ref().map(|it| it.outputs.as_slice());
    let named = graph.outputs().iter().zip(outputs).enumerate();
    let result = |(at, (output, tensor)): (usize, (&'a Output, &'a Tensor))| {
        let port = ports.map(|it| &it[at]);
        let mut dims = port.map_or_else(|| tensor.shape.dims().to_vec(), |it| it.dims.clone());
        let mut data = tensor.data.as_slice();
        let nms = picks(graph, output);
        if let Some(nms) = nms {
            let width = nms.rows.width();
            let rows = data.chunks_exact(width).take_while(|it| it[0] >= 0.0).count();
            (dims[0], data) = (rows, &data[..rows * width]);
        }
        let nms = nms.filter(|it| it.rows == Rows::Boxes);
        let element = port.map_or(Element::F32, |it| it.element());
        let is_vector = matches!(dims[..], [_, count] if count > 1) && element == Element::F32;
        Outcome {
            name: &output.name,
            dims,
            element,
            data,
            is_softmax: scores::is_softmax(graph, output.node),
            is_score: is_vector && scores::is_score(graph, output.node),
            found: nms.map(|it| boxes::read(data, it.form, placement)),
            is_placed: placement.is_some(),
        }
    };
    named.map(result).collect()
}

impl Outcome<'_> {
    fn array(&self) -> npz::Array<'_> {
        npz::Array { name: self.name, dims: &self.dims, element: self.element, data: self.data }
    }

    /// What boxes are measured in.
    fn pixels(&self) -> &'static str {
        if self.is_placed { "picture" } else { "input" }
    }

    fn samples(&self) -> impl Iterator<Item = &[f32]> {
        self.data.chunks_exact(self.sample_len().max(1))
    }

    /// The values of one sample.
    fn sample_len(&self) -> usize {
        self.data.len() / self.dims.first().copied().unwrap_or(1).max(1)
    }
}
