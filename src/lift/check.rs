//! Whether two graphs are the same up to names and order, and which parameter of one is which of the other.

use std::collections::HashMap;

use crate::graph::{Graph, Kind, NodeId, ParamId, Source};

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
        let same = one_layer.op == other_layer.op
            || one_layer.op.entry().name == other_layer.op.entry().name
                && shapes == self.new.operand_shapes(b)
                && one_layer.op.lower(&shapes, &one.shape)
                    == other_layer.op.lower(&shapes, &one.shape);
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
