//! The sections that find boxes, and the results of a net.

use std::sync::Arc;

use super::build::{Broken, Builder};
use super::cfg::Reader;
use super::layers::{no_tree, part};
use crate::graph::NodeId;
use crate::nest::suppress::{Form, Rows};
use crate::ops::{self, Concat, Mul, Nms, Op, Param, Permute, Region, Reshape, Slice, Yolo};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A section that finds boxes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The raw map, what a loss is computed of.
    raw: NodeId,
    /// Its number among the layers.
    at: usize,
    found: Found,
}

/// What a head makes of the raw map.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Boxes and class scores in one, `[N, 4 + classes, B]`.
    Joined(NodeId),
    /// Boxes `[N, B, 4]` and scores `[N, classes, B]`.
    Apart(NodeId, NodeId),
    /// Nothing that netc can read.
    Raw,
}

/// What suppression drops.
#[derive(Clone, Copy, Debug)]
struct Settings {
    score: f32,
    iou: f32,
}

/// Adds what a section makes of the raw map before it.
pub(super) type Read = fn(&mut Builder<'_>, Reader<'_>, NodeId) -> Result<Found, Broken>;

/// How a head is read; `None` if there is none of that name.
pub(super) fn read(name: &str) -> Option<Read> {
    Some(match name {
        "yolo" => yolo,
        "region" => region,
        "detection" => detection,
        _ => return None,
    })
}

/// Reads the section at hand as a head.
pub(super) fn head(to: &mut Builder<'_>, read: Read) -> Result<(), Broken> {
    let raw = to.before()?;
    let found = read(to, Reader::new(to.section), raw)?;
    to.heads.push(Head { raw, at: to.at, found });
    Ok(())
}

/// Rows and columns of the picture that the net reads.
fn picture(to: &mut Builder<'_>) -> Result<[usize; 2], Broken> {
    match *to.shape(to.graph.inputs()[0]).spatial() {
        [rows, columns] => Ok([rows, columns]),
        _ => to.fail("broken-model", "a detector needs a picture as input", None),
    }
}

/// Pixels of the input between neighbouring cells of a map: one number, or rows and columns.
fn stride(to: &mut Builder<'_>, map: NodeId) -> Result<Vec<f32>, Broken> {
    let picture = picture(to)?;
    let ratio = |(&pixels, &cells): (&usize, &usize)| pixels as f32 / cells as f32;
    let both: Vec<f32> = picture.iter().zip(to.shape(map).spatial()).map(ratio).collect();
    Ok(match both.as_slice() {
        [rows, columns] if rows == columns => vec![*rows],
        _ => both,
    })
}

/// `anchors=` as pairs; with a mask those of its numbers.
fn anchors(reader: &mut Reader<'_>) -> Vec<(f32, f32)> {
    let numbers = reader.numbers("anchors");
    let (pairs, rest) = numbers.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() || numbers.iter().any(|&it| it <= 0.0) {
        reader
            .fault("anchors", "`anchors` are pairs of positive numbers: width, height".to_owned());
    }
    let all: Vec<(f32, f32)> = pairs.iter().map(|it| (it[0], it[1])).collect();
    let count = reader.count("num", all.len(), 1);
    if all.len() < count {
        reader.fault("anchors", format!("`num` is {count}, but there are {} anchors", all.len()));
        return all;
    }
    if !reader.has("mask") {
        return all[..count].to_vec();
    }
    let mut chosen = Vec::new();
    for number in reader.ints("mask") {
        match usize::try_from(number).ok().and_then(|it| all.get(it)) {
            Some(anchor) => chosen.push(*anchor),
            None => {
                reader.fault("mask", format!("`mask` names anchor {number} of {}", all.len()));
            }
        }
    }
    chosen
}

fn yolo(to: &mut Builder<'_>, mut reader: Reader<'_>, raw: NodeId) -> Result<Found, Broken> {
    let anchors = anchors(&mut reader);
    let classes = reader.count("classes", 20, 1);
    reader.refuse(&[("scale_x_y", "1"), ("new_coords", "0"), ("embedding_layer", "0")]);
    to.finish(reader)?;
    let raw = to.map(raw)?;
    let head = ops::Head { anchors, classes, stride: stride(to, raw)? };
    Ok(Found::Joined(to.add("yolo", Yolo { head }, &[raw])?))
}

/// Anchors are in cells. Without softmax the classes are each on their own, as those of `[yolo]` are.
fn region(to: &mut Builder<'_>, mut reader: Reader<'_>, raw: NodeId) -> Result<Found, Broken> {
    let mut anchors = anchors(&mut reader);
    let classes = reader.count("classes", 20, 1);
    let softmax = reader.flag("softmax", false);
    reader.refuse(&[
        ("coords", "4"),
        ("background", "0"),
        ("classfix", "0"),
        ("log", "0"),
        ("sqrt", "0"),
    ]);
    let tree = reader.has("tree");
    to.finish(reader)?;
    if tree {
        no_tree(to);
        return Ok(Found::Raw);
    }
    let raw = to.map(raw)?;
    let stride = stride(to, raw)?;
    if softmax {
        let head = ops::Head { anchors, classes, stride };
        return Ok(Found::Joined(to.add("region", Region { head }, &[raw])?));
    }
    let (rows, columns) = (stride[0], stride[stride.len() - 1]);
    anchors.iter_mut().for_each(|it| *it = (it.0 * columns, it.1 * rows));
    let head = ops::Head { anchors, classes, stride };
    Ok(Found::Joined(to.add("yolo", Yolo { head }, &[raw])?))
}

/// The head of the first YOLO: a grid of cells, each with several boxes and one share of the classes, in a
/// vector: shares, objectness, boxes (x and y in the cell, width and height in the picture).
fn detection(to: &mut Builder<'_>, mut reader: Reader<'_>, raw: NodeId) -> Result<Found, Broken> {
    let classes = reader.count("classes", 1, 1);
    let side = reader.count("side", 7, 1);
    let boxes = reader.count("num", 1, 1);
    let sqrt = reader.flag("sqrt", false);
    reader.refuse(&[("coords", "4"), ("softmax", "0"), ("background", "0")]);
    to.finish(reader)?;
    let raw = to.vector(raw)?;
    let cells = side.saturating_mul(side);
    let wanted = boxes.checked_mul(5).and_then(|it| it.checked_add(classes)?.checked_mul(cells));
    let found = to.shape(raw).channels();
    if wanted != Some(found) {
        let message = format!(
            "{side}x{side} cells of {boxes} boxes with 5 numbers and {classes} classes do not make {found}"
        );
        return to.fail("broken-model", message, None);
    }
    let [rows, columns] = picture(to)?;
    let size = [columns as f32, rows as f32];
    let [shares, objects] = [cells * classes, cells * (classes + boxes)];
    let whole = |it: usize| it as i64;
    let cut = |to: &mut Builder<'_>, from, until, shape: [usize; 3]| {
        let x = part(to, raw, 1, from, until, 1)?;
        to.add("reshape", Reshape { shape: shape.map(whole).to_vec(), batch: None }, &[x])
    };
    let share = cut(to, 0, shares, [cells, 1, classes])?;
    let object = cut(to, shares, objects, [cells, boxes, 1])?;
    let scores = to.add("mul", Mul, &[share, object])?;
    let flat = Reshape { shape: vec![whole(cells * boxes), whole(classes)], batch: None };
    let scores = to.add("reshape", flat, &[scores])?;
    let scores = to.add("scores", Permute { order: vec![0, 2, 1] }, &[scores])?;
    let place = cut(to, objects, found, [cells, boxes, 4])?;
    let centre = part(to, place, 3, 0, 2, 1)?;
    let corner = (0..cells).flat_map(|it| [(it % side) as f32, (it / side) as f32]).collect();
    let corner = constant(to, &[cells, 1, 2], corner)?;
    let centre = to.add("add", ops::Add, &[centre, corner])?;
    let cell = constant(to, &[1, 1, 2], size.map(|it| it / side as f32).to_vec())?;
    let centre = to.add("mul", Mul, &[centre, cell])?;
    let mut extent = part(to, place, 3, 2, 4, 1)?;
    if sqrt {
        extent = to.add("mul", Mul, &[extent, extent])?;
    }
    let picture = constant(to, &[1, 1, 2], size.to_vec())?;
    let extent = to.add("mul", Mul, &[extent, picture])?;
    let place = to.add("concat", Concat { axis: 3 }, &[centre, extent])?;
    let flat = Reshape { shape: vec![whole(cells * boxes), 4], batch: None };
    Ok(Found::Apart(to.add("boxes", flat, &[place])?, scores))
}

/// Numbers as a value, `[1, dims..]`.
fn constant(to: &mut Builder<'_>, dims: &[usize], numbers: Vec<f32>) -> Result<NodeId, Broken> {
    let tensor = Tensor::new(Shape::of(dims), numbers);
    let shape = dims.iter().map(|&it| it as i64).collect();
    to.add("grid", Param { shape, batch: 1, weight: Some(Arc::new(tensor)) }, &[])
}

/// Names the results: what suppression leaves of the boxes of all heads, or the last layer's value.
pub(super) fn outputs(to: &mut Builder<'_>) -> Result<(), Broken> {
    let heads = std::mem::take(&mut to.heads);
    if heads.is_empty() {
        settings(to, None)?;
        let last = to.before()?;
        if to.graph.layer(last).is_none() {
            return to.fail("broken-model", "the net has no layer", None);
        }
        let is_softmax = matches!(to.graph.layer(last).map(|it| &it.op), Some(Op::Softmax(_)));
        to.graph.add_output(if is_softmax { "scores" } else { "output" }, last);
        return Ok(());
    }
    let v1 = heads.iter().any(|it| matches!(it.found, Found::Apart(..)));
    let defaults = match v1 {
        true => Settings { score: 0.2, iou: 0.4 },
        false => Settings { score: 0.5, iou: 0.45 },
    };
    let settings = settings(to, Some(defaults))?;
    let joined: Vec<NodeId> = heads
        .iter()
        .filter_map(|it| if let Found::Joined(value) = it.found { Some(value) } else { None })
        .collect();
    let apart = heads.iter().find_map(|it| match it.found {
        Found::Apart(boxes, scores) => Some((boxes, scores)),
        Found::Joined(_) | Found::Raw => None,
    });
    let both = match (apart, joined.as_slice()) {
        (None, []) => None,
        (Some(both), []) => Some(both),
        (None, [only]) => Some(split(to, *only)?),
        (None, several) => {
            let all = to.add("concat", Concat { axis: 2 }, several)?;
            Some(split(to, all)?)
        }
        (Some(_), _) => {
            return to.fail(
                "broken-model",
                "a `[detection]` stands alone, here are other heads",
                None,
            );
        }
    };
    if let Some((boxes, scores)) = both {
        detections(to, boxes, scores, settings)?;
    }
    for head in heads {
        if to.options.train || matches!(head.found, Found::Raw) {
            to.graph.add_output(format!("head{}", head.at), head.raw);
        }
    }
    Ok(())
}

/// Boxes `[N, B, 4]` and scores `[N, classes, B]` of what heads give.
fn split(to: &mut Builder<'_>, all: NodeId) -> Result<(NodeId, NodeId), Broken> {
    let boxes = to.add("boxes", Slice { axis: 1, from: 0, to: Some(4), step: 1 }, &[all])?;
    let boxes = to.add("boxes", Permute { order: vec![0, 2, 1] }, &[boxes])?;
    let scores = to.add("scores", Slice { axis: 1, from: 4, to: None, step: 1 }, &[all])?;
    Ok((boxes, scores))
}

/// What the options say of suppression; without a head they can say nothing.
fn settings(to: &mut Builder<'_>, defaults: Option<Settings>) -> Result<Settings, Broken> {
    let mut settings = defaults.unwrap_or(Settings { score: 0.0, iou: 0.0 });
    for (name, value) in &to.options.set {
        let number = value.parse::<f32>().ok().filter(|it| (0.0..=1.0).contains(it));
        let (message, help) = match (defaults, name.as_str(), number) {
            (Some(_), "score", Some(it)) => {
                settings.score = it;
                continue;
            }
            (Some(_), "iou", Some(it)) => {
                settings.iou = it;
                continue;
            }
            (Some(_), "score" | "iou", None) => {
                (format!("`{name}` is from 0 to 1, found `{value}`"), None)
            }
            (Some(_), ..) => {
                let help =
                    "a detector has `score`, the least score of a box, and `iou`, the most overlap";
                (format!("there is no parameter `{name}`"), Some(help.to_owned()))
            }
            (None, ..) => {
                (format!("the net finds no boxes, so it has no parameter `{name}`"), None)
            }
        };
        return to.fail("unknown-parameter", message, help);
    }
    Ok(settings)
}

/// The best boxes of each class; room for a thousand a picture, or for all if they are fewer.
fn detections(
    to: &mut Builder<'_>,
    boxes: NodeId,
    scores: NodeId,
    settings: Settings,
) -> Result<(), Broken> {
    const ROWS: usize = 1000;
    let shape = to.shape(scores);
    let all = shape.elements();
    let nms = Nms {
        iou: settings.iou,
        score: Some(settings.score),
        most: None,
        form: Form::Centre,
        capacity: Some(all.min(ROWS.saturating_mul(shape.batch()))),
        rows: Rows::Boxes,
    };
    let found = to.add("nms", nms, &[boxes, scores])?;
    to.graph.add_output("detections", found);
    Ok(())
}
