//! The reference on graphs: an epilogue means what the layers that it replaced meant, within its bounds.

#[path = "support/layers.rs"]
mod layers;

use netc::diag::Span;
use netc::graph::{Epilogue, Graph, Layer, NodeId, Param, Source};
use netc::interpret;
use netc::ops::{Op, Role};
use netc::shape::Shape;
use netc::tensor::{Exact, Tensor};
use netc::weights::{Weights, noise};
use serde_json::{Value as Json, json};

/// Adds a layer with parameters of its own.
fn add(graph: &mut Graph, (name, args): (&str, Json), operands: Vec<NodeId>) -> NodeId {
    let op = layers::op(name, &args).expect("the arguments are right");
    let shapes: Vec<&Shape> = operands.iter().map(|&it| &graph.node(it).shape).collect();
    let shape = op.infer(&shapes).expect("the shapes fit");
    let specs = op.params(&shapes);
    let path = format!("{name}{}", graph.len());
    let param = |it: netc::ops::ParamSpec| Param {
        path: format!("{path}.{}", it.name),
        shape: it.shape,
        source: match it.role {
            Role::Learned => Source::Learned(it.init),
            Role::Statistic => Source::Statistic(it.init),
            Role::Fixed(tensor) => Source::Fixed(tensor),
        },
    };
    let params = specs.into_iter().map(|it| graph.add_param(param(it))).collect();
    let layer = Layer { op, params, epilogue: Vec::new() };
    graph.add_layer(path, Span::default(), layer, operands, shape)
}

fn op(graph: &Graph, node: NodeId) -> Op {
    graph.layer(node).expect("a layer").op.clone()
}

/// `conv -> first -> add(input) -> second`, in four layers and in one.
fn nets(first: (&str, Json), second: (&str, Json)) -> (Graph, Graph) {
    let conv = || ("conv", json!({"channels": 4, "kernel": 3, "pad": 1}));
    let mut plain = Graph::new("plain");
    let x = plain.add_input("x", Shape::of(&[2, 4, 5, 7]), Span::default());
    let a = add(&mut plain, conv(), vec![x]);
    let b = add(&mut plain, first, vec![a]);
    let c = add(&mut plain, ("add", json!({})), vec![b, x]);
    let d = add(&mut plain, second, vec![c]);
    plain.add_output("y", d);
    plain.verify();

    let mut fused = Graph::new("fused");
    let x = fused.add_input("x", Shape::of(&[2, 4, 5, 7]), Span::default());
    let y = add(&mut fused, conv(), vec![x]);
    fused.layer_mut(y).epilogue =
        vec![Epilogue::Map(op(&plain, b)), Epilogue::Add(1), Epilogue::Map(op(&plain, d))];
    fused.set_operands(y, vec![x, x]);
    fused.add_output("y", y);
    fused.verify();
    (plain, fused)
}

fn input() -> Tensor {
    let shape = Shape::of(&[2, 4, 5, 7]);
    let data = (0..shape.elements()).map(|i| ((i * 37 % 101) as f32 - 50.0) / 16.0).collect();
    Tensor::new(shape, data)
}

#[test]
fn an_epilogue_means_what_it_replaced() {
    let steps = [
        ("relu", json!({})),
        ("leaky", json!({"slope": 0.1})),
        ("silu", json!({})),
        ("elu", json!({})),
        ("gelu", json!({})),
        ("hardswish", json!({})),
        ("tanh", json!({})),
        ("softplus", json!({})),
        ("clip", json!({"min": -1, "max": 1})),
        ("affine", json!({"scale": 300, "shift": -7})),
        ("exp", json!({})),
        ("round", json!({})),
    ];
    for first in &steps {
        for second in &steps {
            let (plain, fused) = nets(first.clone(), second.clone());
            let weights = Weights::random(7);
            let what = format!("{first:?} {second:?}");
            let want = {
                let params = |id| weights.tensor(&plain, id);
                interpret::outputs(&plain, &params, &[input()]).remove(0)
            };
            let params = |id| weights.tensor(&fused, id);
            let (node, x) = (fused.outputs()[0].node, input());
            let exact = interpret::layer(&fused, &params, node, &[&x, &x]);
            let bounds = interpret::bounds(&fused, node, &exact, None);
            for (i, &want) in want.data.iter().enumerate() {
                let found = exact.value[i];
                if f64::from(want).is_finite() && found.abs() < f64::from(f32::MAX) {
                    let difference = (found - f64::from(want)).abs();
                    assert!(difference <= bounds[i], "{what} at {i}: {want} {found} {}", bounds[i]);
                }
            }
        }
    }
}

#[test]
fn bounds_are_tight_enough_to_find_a_fault() {
    let (_, fused) = nets(("relu", json!({})), ("relu", json!({})));
    let weights = Weights::random(7);
    let params = |id| weights.tensor(&fused, id);
    let (node, x) = (fused.outputs()[0].node, input());
    let exact = interpret::layer(&fused, &params, node, &[&x, &x]);
    for (value, bound) in exact.value.iter().zip(interpret::bounds(&fused, node, &exact, None)) {
        assert!(bound < 1e-4, "{value}: {bound}");
    }
}

#[test]
fn a_sum_beside_a_jump_may_take_either_side() {
    let mut graph = Graph::new("jump");
    let x = graph.add_input("x", Shape::of(&[1, 1, 1, 2]), Span::default());
    let y = add(&mut graph, ("conv", json!({"channels": 1, "kernel": 1, "bias": false})), vec![x]);
    let round = layers::op("round", &json!({})).expect("it takes no arguments");
    graph.layer_mut(y).epilogue = vec![Epilogue::Map(round)];
    graph.add_output("y", y);
    let tensor = |dims: &[usize], data: &[f32]| Tensor::new(Shape::of(dims), data.to_vec());
    let params = |_| tensor(&[1, 1, 1, 1], &[0.5]);
    let exact = interpret::layer(&graph, &params, y, &[&tensor(&[1, 1, 1, 2], &[1.0, 1.5])]);
    let bounds = interpret::bounds(&graph, y, &exact, None);
    assert!((1.0..4.0).contains(&bounds[0]), "0.5 is 0 or 1: {bounds:?}");
    assert!(bounds[1] < 1e-5, "0.75 is 1: {bounds:?}");
}

/// Sums of positive numbers in f32, one after the other, stay within 8 u of their magnitudes; of their terms alone long
/// ones would not.
#[test]
fn long_sums_of_one_sign_are_bounded_by_what_chance_does() {
    const UNIT: f64 = 1.0 / (1 << 24) as f64;
    for terms in [9, 100, 1000, 5000] {
        let mut largest = 0.0;
        for seed in 0..400 {
            let x = noise(seed, "x", &Shape::of(&[terms])).data;
            let sum = f64::from(x.iter().fold(0.0_f32, |sum, x| sum + x.abs()));
            let value: f64 = x.iter().map(|it| f64::from(it.abs())).sum();
            let magnitude = Exact::plain(Shape::of(&[1]), vec![value]).summed(terms).magnitude[0];
            let error = (sum - value).abs() / UNIT;
            assert!(error <= 8.0 * magnitude, "{terms} terms, seed {seed}: {error}");
            if error > largest * value {
                largest = error / value;
            }
        }
        assert!(largest > 8.0 || terms < 500, "{terms} terms: {largest}");
    }
}

#[test]
fn every_value_of_a_net_is_there() {
    let (plain, _) = nets(("relu", json!({})), ("tanh", json!({})));
    let weights = Weights::random(7);
    let values = interpret::run(&plain, &|id| weights.tensor(&plain, id), &[input()]);
    assert_eq!(values.len(), plain.len());
    for id in plain.order() {
        assert_eq!(values[&id].shape, plain.node(id).shape);
    }
}
