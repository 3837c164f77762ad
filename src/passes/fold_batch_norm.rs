use super::{Why, bypass, wanted_elsewhere};
use crate::graph::{Derived, Graph, Layer, NodeId, Norm, Param, ParamId, Source};
use crate::ops::{Bias, Op};
use crate::shape::Shape;

/// Folds a batch normalisation into the weights and the bias of the layer before it.
///
/// ```text
/// a = conv(x)         ->      a = conv(x)     weight * s, (bias - mean) * s + beta
/// b = bn(a)                                   where s = gamma / sqrt(var + eps)
/// ```
///
/// Does not apply where the value before is read by others or is a result, behind layers without weights
/// (a sum, a concatenation), or behind a transposed convolution in groups, whose weights one factor a
/// channel cannot reach. Such a normalisation stays and takes the activation behind it as its epilogue.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order() {
        let Some(norm) = norm(graph, id) else { continue };
        let from = graph.node(id).operands()[0];
        match obstacle(graph, why, from, id) {
            Some(reason) => why.kept(id, format!("stays: {reason}")),
            None => {
                fold(graph, from, norm);
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
    wanted_elsewhere(graph, why, from, bn)
}

fn fold(graph: &mut Graph, id: NodeId, norm: Norm) {
    let Layer { op, params, .. } = graph.layer(id).expect("only layers are folded into").clone();
    let (weight, bias) = (params[0], params.get(1).copied());
    let axis = usize::from(matches!(op, Op::Deconv(_)));
    let scaled = Derived::ScaledWeight { weight, axis, norm };
    let shifted = Derived::ShiftedBias { bias, norm };
    let channels = graph.param(norm.gamma).shape.clone();
    let weight = derive(graph, weight, norm, scaled, graph.param(weight).shape.clone());
    let bias_of = bias.unwrap_or(weight);
    let bias = derive(graph, bias_of, norm, shifted, channels);
    let layer = graph.layer_mut(id);
    layer.params = vec![weight, bias];
    layer.op = with_bias(op);
}

/// A derived parameter. Applications of one shared layer, normalised alike, share the derived one too.
fn derive(graph: &mut Graph, of: ParamId, norm: Norm, derived: Derived, shape: Shape) -> ParamId {
    let source = Source::Derived(derived);
    if let Some(at) = graph.params().iter().position(|it| it.source == source) {
        return ParamId(at);
    }
    let path = format!("{} folded with {}", graph.param(of).path, graph.param(norm.gamma).path);
    graph.add_param(Param { path, shape, source })
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
