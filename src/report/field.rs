//! Receptive fields: how much of the inputs one element of a value depends on.
//!
//! A window of `k` taps, `d` apart, over values whose neighbours are `j` input rows apart widens the
//! field by `(k - 1) d j`, and its stride multiplies `j` (Araujo, Norris and Sim 2019). Several operands:
//! the widest. A layer that reads a whole vector that was flattened from a map reads the whole map.

use std::collections::HashMap;

use crate::graph::{Graph, NodeId};
use crate::ops::Op;
use crate::shape::Shape;
use crate::tensor::max;

/// What one element of a value depends on, and where its neighbours look; one entry a spatial axis of
/// the widest input.
#[derive(Clone, Debug, Default)]
struct Field {
    axes: Vec<Axis>,
}

#[derive(Clone, Copy, Debug)]
struct Axis {
    /// Input rows that one element depends on.
    size: f64,
    /// Input rows between neighbours.
    step: f64,
    /// Neighbours, also where a vector was flattened from them.
    places: usize,
}

/// The receptive field of every node, one number a spatial axis of the inputs.
pub(super) fn receptive_fields(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, Vec<u64>> {
    let mut fields: HashMap<NodeId, Field> = HashMap::new();
    for &id in order {
        let node = graph.node(id);
        let field = match node.layer() {
            None => Field::of_input(&node.shape),
            Some(layer) => {
                let operands = graph.operand_shapes(id);
                let read = node.operands().iter().map(|it| &fields[it]);
                let after = read.zip(operands).map(|(field, shape)| {
                    let mut field = field.clone();
                    field.pass(&layer.op, shape, &node.shape);
                    field
                });
                after.fold(Field::default(), Field::widest)
            }
        };
        fields.insert(id, field);
    }
    let sizes = |it: Field| it.axes.iter().map(|axis| axis.size.ceil() as u64).collect();
    fields.into_iter().map(|(id, field)| (id, sizes(field))).collect()
}

impl Field {
    fn of_input(shape: &Shape) -> Field {
        let axis = |&places: &usize| Axis { size: 1.0, step: 1.0, places };
        Field { axes: shape.spatial().iter().map(axis).collect() }
    }

    fn widest(mut self, other: Field) -> Field {
        for (at, theirs) in other.axes.into_iter().enumerate() {
            match self.axes.get_mut(at) {
                None => self.axes.push(theirs),
                Some(ours) => {
                    ours.size = max(ours.size, theirs.size);
                    ours.step = max(ours.step, theirs.step);
                    ours.places = ours.places.max(theirs.places);
                }
            }
        }
        self
    }

    /// What the field becomes behind an operator.
    fn pass(&mut self, op: &Op, input: &Shape, output: &Shape) {
        let windows = op.windows(input);
        let reads_all = windows.is_empty() && op.macs(&[input], output) > 0;
        for (at, axis) in self.axes.iter_mut().enumerate() {
            let from = input.spatial().get(at).copied();
            let to = output.spatial().get(at).copied();
            if let (Some(window), Some(from)) = (windows.get(at), from) {
                let to = to.unwrap_or(1);
                if window.places(from) == to {
                    axis.size += (window.reach() - 1) as f64 * axis.step;
                    axis.step *= window.stride as f64;
                } else {
                    // A transposed window: each element is reached from every stride-th tap.
                    axis.size += ((window.reach() - 1) / window.stride) as f64 * axis.step;
                    axis.step /= window.stride as f64;
                }
                axis.places = to;
            } else if reads_all {
                axis.size += (axis.places - 1) as f64 * axis.step;
                axis.places = 1;
            } else if let (Some(from), Some(to)) = (from, to) {
                let scales = output.channels() * to * to == input.channels() * from * from
                    || output.channels() == input.channels() && to % from == 0;
                if scales {
                    axis.step *= from as f64 / to as f64;
                }
                axis.places = to;
            }
        }
    }
}
