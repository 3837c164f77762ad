use std::collections::HashMap;

use super::{Why, bypass, wanted_elsewhere};
use crate::graph::{Derived, Graph, Layer, NodeId, Norm, Param, ParamId, Source};
use crate::ops::{Bias, Op};

/// Folds a batch normalisation into the weights and the bias of the layer before it.
///
/// ```text
/// a = conv(x)         ->      a = conv(x)     weight * s, (bias - mean) * s + beta
/// b = bn(a)                                   where s = gamma / sqrt(var + eps)
/// ```
///
/// Does not apply where the value before is read by others or is a result, where the layer before has no
/// weights (a sum, a concatenation) or something is fused or folded into it already, or behind a transposed
/// convolution in groups, whose weights one factor a channel cannot reach. Such a normalisation stays and
/// takes the activation behind it as its epilogue.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    let mut folded = Folded::new();
    for id in graph.order() {
        let Some(norm) = norm(graph, id) else { continue };
        let from = graph.node(id).operands()[0];
        match obstacle(graph, why, from, id) {
            Some(reason) => why.kept(id, format!("stays: {reason}")),
            None => {
                fold(graph, from, norm, &mut folded);
                bypass(graph, id, from);
                why.joined(id, from, "folded into the weights of");
            }
        }
    }
}

/// The parameters of a batch normalisation, if the layer is one.
fn norm(graph: &Graph, id: NodeId) -> Option<Norm> {
    let layer = graph.layer(id)?;
    let (Op::Bn(bn), &[gamma, beta, mean, var]) = (&layer.op, layer.params.as_slice()) else {
        return None;
    };
    Some(Norm { gamma, beta, mean, var, eps: bn.eps })
}

/// Why the layer before cannot take it in, if it cannot.
fn obstacle(graph: &Graph, why: &Why, from: NodeId, bn: NodeId) -> Option<String> {
    let Some(layer) = graph.layer(from) else {
        return Some(format!("{} is an input of the net", why.name(from)));
    };
    match &layer.op {
        Op::Conv(_) | Op::Fc(_) => {}
        Op::Deconv(it) if it.groups == 1 => {}
        Op::Deconv(it) => {
            let groups = it.groups;
            let name = why.name(from);
            return Some(format!("{name} is a transposed convolution in {groups} groups"));
        }
        other => {
            return Some(format!(
                "{} ({}) has no weights to scale",
                why.name(from),
                other.entry().name
            ));
        }
    }
    if !layer.epilogue.is_empty() {
        return Some(format!("{} does more than sum products", why.name(from)));
    }
    if matches!(graph.param(layer.params[0]).source, Source::Derived(_)) {
        return Some(format!("{} has taken in a normalisation already", why.name(from)));
    }
    wanted_elsewhere(graph, why, from, bn)
}

/// What a layer and a normalisation have to share for their folded parameters to be the same: weight and bias,
/// the parameters of the normalisation, the bits of its eps.
type Key = (Vec<ParamId>, [ParamId; 4], u32);

/// The folded parameters so far: applications of one shared layer, normalised alike, share them.
type Folded = HashMap<Key, Vec<ParamId>>;

fn fold(graph: &mut Graph, id: NodeId, norm: Norm, folded: &mut Folded) {
    let Layer { op, params, .. } = graph.layer(id).expect("only layers are folded into").clone();
    let key = (params, [norm.gamma, norm.beta, norm.mean, norm.var], norm.eps.to_bits());
    let params = match folded.get(&key) {
        Some(params) => params.clone(),
        None => {
            let axis = usize::from(matches!(op, Op::Deconv(_)));
            let params = derive(graph, &key.0, axis, norm);
            folded.insert(key, params.clone());
            params
        }
    };
    let layer = graph.layer_mut(id);
    layer.params = params;
    layer.op = with_bias(op);
}

/// Adds the folded weight and bias.
fn derive(graph: &mut Graph, params: &[ParamId], axis: usize, norm: Norm) -> Vec<ParamId> {
    let (weight, bias) = (params[0], params.get(1).copied());
    let Param { path, shape, .. } = graph.param(weight).clone();
    let gamma = graph.param(norm.gamma).clone();
    let layer = path.strip_suffix(".weight").unwrap_or(&path);
    let scaled = Param {
        path: format!("{path} folded with {}", gamma.path),
        shape,
        source: Source::Derived(Derived::ScaledWeight { weight, axis, norm }),
    };
    let shifted = Param {
        path: format!("{layer}.bias folded with {}", gamma.path),
        shape: gamma.shape,
        source: Source::Derived(Derived::ShiftedBias { bias, norm }),
    };
    vec![graph.add_param(scaled), graph.add_param(shifted)]
}

/// The operator, asking for a bias.
fn with_bias(op: Op) -> Op {
    match op {
        Op::Conv(mut it) if !it.bias.is_present() => {
            it.bias = Bias::Learned;
            Op::Conv(it)
        }
        Op::Deconv(mut it) if !it.bias.is_present() => {
            it.bias = Bias::Learned;
            Op::Deconv(it)
        }
        Op::Fc(mut it) if !it.bias.is_present() => {
            it.bias = Bias::Learned;
            Op::Fc(it)
        }
        op => op,
    }
}
