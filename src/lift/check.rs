//! Whether two graphs are the same up to names and order, and which parameter of one is which of the other.

use std::collections::HashMap;

use crate::graph::{Graph, Kind, NodeId, ParamId, Source};
use crate::ops::Op;
use crate::shape::Shape;

/// For each parameter of `new` that holds weights, the one of `old` that is the same.
///
/// Both have the same inputs and results by name, in the same order; each layer does the same to the same
/// operands in the same order: its operator is equal, or computes the same for its shapes.
pub(super) fn same(old: &Graph, new: &Graph) -> Result<HashMap<ParamId, ParamId>, String> {
    let names = |graph: &Graph| {
        let inputs = graph.inputs().iter().map(|&it| graph.node(it).path.clone());
        let outputs = graph.outputs().iter().map(|it| it.name.clone());
        (inputs.collect::<Vec<_>>(), outputs.collect::<Vec<_>>())
    };
    if names(old) != names(new) {
        return Err("the inputs or results have other names".to_owned());
    }
    let mut check = Check { old, new, nodes: HashMap::new(), params: HashMap::new() };
    let mut open: Vec<(NodeId, NodeId)> = Vec::new();
    open.extend(old.inputs().iter().copied().zip(new.inputs().iter().copied()));
    open.extend(old.outputs().iter().map(|it| it.node).zip(new.outputs().iter().map(|it| it.node)));
    while let Some((a, b)) = open.pop() {
        match check.nodes.get(&a) {
            Some(known) if *known == b => continue,
            Some(_) => return Err(format!("`{}` stands for two layers", old.node(a).path)),
            None => {}
        }
        check.pair(a, b)?;
        open.extend(
            old.node(a).operands().iter().copied().zip(new.node(b).operands().iter().copied()),
        );
    }
    if check.nodes.len() != old.len() || check.nodes.len() != new.len() {
        return Err("one has layers that the other has not".to_owned());
    }
    Ok(check.params)
}

/// Whether an operator is another one for these operands, with arguments that may be written in another way: an axis
/// counted from the end, a number for each axis.
fn does_the_same(one: &Op, other: &Op, inputs: &[&Shape], output: &Shape) -> bool {
    if one.entry().name != other.entry().name {
        return false;
    }
    if one == other || one.written() == other.written() {
        return true;
    }
    // What hands its operand on differs from others only in what it records.
    if one.is_identity() {
        return false;
    }
    match (one.lower(inputs, output), other.lower(inputs, output)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.suppress(inputs) == other.suppress(inputs),
        _ => false,
    }
}

struct Check<'a> {
    old: &'a Graph,
    new: &'a Graph,
    nodes: HashMap<NodeId, NodeId>,
    params: HashMap<ParamId, ParamId>,
}

impl Check<'_> {
    fn pair(&mut self, a: NodeId, b: NodeId) -> Result<(), String> {
        let (one, other) = (self.old.node(a), self.new.node(b));
        let fail =
            |what: &str| Err(format!("`{}` and `{}` differ in {what}", one.path, other.path));
        self.nodes.insert(a, b);
        if one.shape != other.shape {
            return fail("shape");
        }
        let (one_layer, other_layer) = match (&one.kind, &other.kind) {
            (Kind::Input, Kind::Input) => return Ok(()),
            (Kind::Layer(one), Kind::Layer(other)) => (one, other),
            _ => return fail("kind"),
        };
        if one.operands().len() != other.operands().len() {
            return fail("operands");
        }
        let shapes = self.old.operand_shapes(a);
        let same = shapes == self.new.operand_shapes(b)
            && does_the_same(&one_layer.op, &other_layer.op, &shapes, &one.shape);
        if !same {
            return fail("what they do");
        }
        if one_layer.params.len() != other_layer.params.len() {
            return fail("parameters");
        }
        for (&old, &new) in one_layer.params.iter().zip(&other_layer.params) {
            let (before, after) = (self.old.param(old), self.new.param(new));
            let alike = match (&before.source, &after.source) {
                (Source::Fixed(before), Source::Fixed(after)) => {
                    let bits = |it: &[f32]| it.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
                    before.shape == after.shape && bits(&before.data) == bits(&after.data)
                }
                (Source::Learned(_), Source::Learned(_))
                | (Source::Statistic(_), Source::Statistic(_)) => before.shape == after.shape,
                _ => false,
            };
            if !alike || self.params.insert(new, old).is_some_and(|it| it != old) {
                return fail("weights");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Source, Sources};
    use crate::elaborate::{self, elaborate};

    fn graph(body: &str) -> Graph {
        let text = format!("net A {{\n{body}\n}}\n");
        let mut sources = Sources::default();
        let root = sources.add(Source { name: "a.net".to_owned(), text });
        let mut no_files = |_: &str| Err("stands alone".to_owned());
        let options = elaborate::Options::default();
        elaborate(&mut sources, root, &mut no_files, &options).expect(body).graph
    }

    #[track_caller]
    fn check(input: &str, one: &str, other: &str, want: bool) {
        let [a, b] = [one, other].map(|it| graph(&format!("{input}\ny = {it}\noutput y")));
        assert_eq!(same(&a, &b).is_ok(), want, "{one} and {other}");
    }

    #[test]
    fn arguments_matter_and_not_how_they_are_written() {
        let boxes = "input b: f32[N, 9, 4]\ninput s: f32[N, 2, 9]";
        let nms = "nms(b, s, iou=0.4, score=0.5, capacity=6)";
        check(boxes, nms, nms, true);
        check(boxes, nms, "nms(b, s, iou=0.4, score=0.5, capacity=6, most=9)", true);
        for other in ["iou=0.3, score=0.5", "iou=0.4", "iou=0.4, score=0.5, form=\"centre\""] {
            check(boxes, nms, &format!("nms(b, s, {other}, capacity=6)"), false);
        }
        let map = "input x: f32[N, 3, 8, 8]";
        check(map, "picture(scale=255)", "picture(scale=255, fit=\"stretch\")", true);
        check(map, "picture(scale=255)", "picture", false);
        check(map, "picture(channels=\"bgr\")", "picture", false);
        check(map, "dropout(0.5)", "dropout(0.25)", false);
        check(map, "softmax(axis=-1)", "softmax(axis=3)", true);
        check(map, "softmax(axis=-1)", "softmax(axis=2)", false);
        check(map, "maxpool([2, 2])", "maxpool(2)", true);
        check(map, "relu", "abs", false);
    }
}
