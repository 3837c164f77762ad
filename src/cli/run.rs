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
use super::subject::SubjectArgs;
use super::terminal::{Stop, Terminal, number};
use super::{files, phase};
use crate::graph::{Graph, NodeId, Output};
use crate::nest::suppress::Rows;
use crate::ops::{Nms, Op};
use crate::picture::{self, Placement};
use crate::report::shown;
use crate::tensor::Tensor;
use crate::weights::{Element, npz};

/// Run once on pictures, arrays or random input
///
/// Results that look like class scores are shown sorted, with what softmax makes of them; --top and --labels
/// ask for that. Where --save, --boxes or --picture writes to standard output (-), the results are shown on standard
/// error.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    netc run models/lenet5.net --weights models/lenet5.safetensors --input image=models/digits/7_1.png\n  \
    netc run models/resnet.net --net ResNet18 --random-weights 1 --format json --top 5")]
pub(super) struct Run {
    #[command(flatten)]
    subject: SubjectArgs,
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
    /// Write the first output that is a picture, a map of 1 or 3 channels, as a PNG file
    #[arg(long, value_name = "F.png")]
    picture: Option<PathBuf>,
    /// What a full channel of that picture is: 1, or 255 for nets that give bytes
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "picture", value_parser = positive)]
    full: f32,
    /// How the outputs are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: PlainFormat,
}

/// One of the largest values of a sample.
struct Top {
    index: usize,
    value: f32,
    score: f64,
}

impl Run {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<(), Stop> {
        let labels = self.labels.as_ref().map(|it| files::lines(terminal, it));
        let labels = labels.transpose()?.unwrap_or_default();
        self.boxes.as_deref().map_or(Ok(()), boxes::check)?;
        let takes_output = self.check_streams()?;
        let machine = &self.subject.machine;
        let fed = self.subject.feed(terminal)?;
        self.check_boxes(&fed)?;
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

    fn draw(&self, terminal: &Terminal, path: &Path, outputs: &[Outcome<'_>]) -> Result<(), Stop> {
        let fail = |it: &str| Stop::Command(format!("cannot write `{}`: {it}", files::name(path)));
        let drawn = outputs.iter().find_map(|it| picture::encode(&it.dims, it.data, self.full));
        let drawn = drawn.ok_or_else(|| {
            fail("no output is a picture [N, C, H, W] or [N, H, W, C] of 1 or 3 channels")
        })?;
        files::write(terminal, path, &drawn.map_err(|it| fail(&it))?)
    }

    fn json(&self, result: &Outcome<'_>, labels: &[String]) -> Value {
        let mut output = json!({
            "shape": result.dims,
            "values": result.data.iter().map(|&it| number(it)).collect::<Vec<Value>>(),
        });
        if let Some(found) = &result.found {
            output["detections"] = boxes::json(found, labels);
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
        let _ = writeln!(text, "{} {:?}", shown(result.name), result.dims);
        if let Some(found) = &result.found {
            boxes::text(text, found, labels);
            return;
        }
        let classes = matches!(result.dims[..], [_, count] if count > 1)
            && matches!(result.element, Element::F32);
        let count = self.top.or_else(|| (classes || !labels.is_empty()).then_some(5));
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
                let bar = "█".repeat((it.score * WIDTH).round() as usize);
                let label = labels.get(it.index).map_or(String::new(), |it| shown(it));
                let _ = writeln!(
                    text,
                    "{}",
                    format!(
                        "  {:>5}  {:>12.6}  {:>6.2} %  {bar:<24}  {label}",
                        it.index,
                        it.value,
                        100.0 * it.score
                    )
                    .trim_end()
                );
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
    found: Option<Vec<Detection>>,
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
        Outcome {
            name: &output.name,
            dims,
            element: port.map_or(Element::F32, |it| it.element()),
            data,
            is_softmax: is_softmax(graph, output.node),
            found: nms.map(|it| boxes::read(data, it.form, placement)),
        }
    };
    named.map(result).collect()
}

impl Outcome<'_> {
    fn array(&self) -> npz::Array<'_> {
        npz::Array { name: self.name, dims: &self.dims, element: self.element, data: self.data }
    }

    fn samples(&self) -> impl Iterator<Item = &[f32]> {
        let count = self.dims.first().copied().unwrap_or(1).max(1);
        self.data.chunks_exact((self.data.len() / count).max(1))
    }
}

/// The largest values of a sample, with their share after softmax; NaN comes last.
fn best(row: &[f32], count: usize, is_softmax: bool) -> Vec<Top> {
    let largest = row.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let power = |it: f32| libm::exp(f64::from(it) - f64::from(largest));
    let sum: f64 = row.iter().map(|&it| power(it)).sum();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| {
        let key = |it: usize| (row[it].is_nan(), row[it]);
        let ((a_nan, a), (b_nan, b)) = (key(a), key(b));
        a_nan.cmp(&b_nan).then(b.total_cmp(&a))
    });
    let top = order.into_iter().take(count).map(|index| {
        let value = row[index];
        let score = if is_softmax { f64::from(value) } else { power(value) / sum };
        Top { index, value, score }
    });
    top.collect()
}

/// Whether a value is a softmax's already, whatever form it has been given since.
fn is_softmax(graph: &Graph, mut node: NodeId) -> bool {
    while let Some(layer) = graph.layer(node) {
        match layer.op {
            Op::Softmax(_) => return true,
            Op::Flatten(_) | Op::Reshape(_) | Op::Dropout(_) => {
                node = graph.node(node).operands()[0];
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_nan_last() {
        let top = best(&[1.0, f32::NAN, 3.0, 2.0], 4, true);
        assert_eq!(top.iter().map(|it| it.index).collect::<Vec<_>>(), [2, 3, 0, 1]);
        let top = best(&[0.0, 0.0], 1, false);
        assert_eq!((top[0].index, top[0].score), (0, 0.5));
    }
}
