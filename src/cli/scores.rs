//! What is made of an output that holds class scores.

use crate::graph::{Graph, NodeId};
use crate::ops::Op;

/// One of the largest values of a sample.
pub(super) struct Top {
    pub(super) index: usize,
    pub(super) value: f32,
    /// Its share after softmax.
    pub(super) score: f64,
}

/// The largest values of a sample, with their share after softmax; NaN comes last.
pub(super) fn best(row: &[f32], count: usize, is_softmax: bool) -> Vec<Top> {
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
pub(super) fn is_softmax(graph: &Graph, mut node: NodeId) -> bool {
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

/// Whether softmax makes shares of a value: it is one's already, or a weighted sum, or the mean of such over its places,
/// then with a relu between as SqueezeNet has it.
pub(super) fn is_score(graph: &Graph, mut node: NodeId) -> bool {
    let mut is_mean = false;
    while let Some(layer) = graph.layer(node) {
        match layer.op {
            Op::Softmax(_) | Op::LogSoftmax(_) | Op::Fc(_) | Op::Conv(_) => return true,
            Op::Gap(_) => is_mean = true,
            Op::Relu(_) if is_mean => {}
            Op::Flatten(_) | Op::Reshape(_) | Op::Dropout(_) => {}
            _ => return false,
        }
        node = graph.node(node).operands()[0];
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
