//! Every operator against what others say of it: PyTorch's values, its own nest, its pointwise expression,
//! and all of them on NaN, zeros of both signs, infinities and subnormals.
//!
//! `docs/numerics.md` is the contract; `tests/data/operators.py` writes the cases.

#[path = "support/cases.rs"]
mod cases;
#[path = "support/layers.rs"]
mod layers;
#[path = "support/text.rs"]
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cases::{Case, cases};
use netc::elaborate::Elaborated;
use netc::nest::interpret::interpret;
use netc::ops::{Op, Role, Tolerance};
use netc::shape::Shape;
use netc::tensor::{Exact, Tensor};

/// How far the reference may be from PyTorch's f64: constants such as `eps` are f32 here.
const AGREEMENT: f64 = 1e-6;

#[test]
fn every_operator_has_a_case() {
    let known: BTreeSet<&str> = Op::TABLE.iter().map(|it| it.name).collect();
    let seen: BTreeSet<&str> = cases().iter().map(|it| it.op.entry().name).collect();
    assert_eq!(known, seen, "add a case to tests/data/operators.py and run it");
}

#[test]
fn shapes_and_parameters_are_those_of_pytorch() {
    for case in cases() {
        let shapes: Vec<&Shape> = case.inputs.iter().map(|it| &it.shape).collect();
        let shape = case.op.infer(&shapes).unwrap_or_else(|it| panic!("{}: {it:?}", case.text));
        assert_eq!(shape.dims(), case.shape, "{}", case.text);
        let specs = case.op.params(&shapes);
        let bound = specs.iter().filter(|it| !matches!(it.role, Role::Fixed(_)));
        let bound: Vec<&Shape> = bound.map(|it| &it.shape).collect();
        let given: Vec<&Shape> = case.params.iter().map(|it| &it.shape).collect();
        assert_eq!(bound, given, "{}", case.text);
    }
}

#[test]
fn the_reference_agrees_with_pytorch() {
    for case in cases() {
        let exact = eval(&case, &case.inputs);
        let found = exact.value.iter().zip(&exact.magnitude);
        for (i, (&want, (&found, &size))) in case.output.iter().zip(found).enumerate() {
            let near = (want - found).abs() <= AGREEMENT * size + AGREEMENT * 1e-6;
            let same = want == found || (want.is_nan() && found.is_nan());
            assert!(near || same, "{} at {i}: PyTorch {want}, here {found}", case.text);
        }
    }
}

#[test]
fn nests_agree_with_the_reference() {
    for case in cases() {
        nest_agrees(&case, &case.inputs);
    }
}

#[test]
fn nests_agree_with_the_reference_on_special_numbers() {
    for case in cases() {
        for seed in 0..4 {
            let inputs: Vec<Tensor> =
                case.inputs.iter().enumerate().map(|(i, it)| special(it, seed + 5 * i)).collect();
            nest_agrees(&case, &inputs);
        }
    }
}

/// The tensor with every third number or so replaced by one that is easily got wrong.
fn special(tensor: &Tensor, seed: usize) -> Tensor {
    const NUMBERS: [f32; 10] = [
        f32::NAN,
        0.0,
        -0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e-40,
        -1e-45,
        f32::MIN_POSITIVE,
        f32::MAX,
        -f32::MAX,
    ];
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut tensor = tensor.clone();
    for it in &mut tensor.data {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let draw = (state >> 33) as usize;
        // The first two rounds leave out what would swallow all else.
        let first = if seed % 4 < 2 { 1 } else { 0 };
        if draw.is_multiple_of(3) {
            *it = NUMBERS[first + draw / 3 % (NUMBERS.len() - first)];
        }
    }
    tensor
}

fn eval(case: &Case, inputs: &[Tensor]) -> Exact {
    let params = params(case);
    case.op.eval(&inputs.iter().collect::<Vec<_>>(), &params.iter().collect::<Vec<_>>())
}

/// The parameters in the operator's order: those written in the file, and those of the case.
fn params(case: &Case) -> Vec<Tensor> {
    let shapes: Vec<&Shape> = case.inputs.iter().map(|it| &it.shape).collect();
    let mut given = case.params.iter();
    let param = |role: Role| match role {
        Role::Fixed(tensor) => Tensor::clone(&tensor),
        Role::Learned | Role::Statistic => given.next().expect("a case has them all").clone(),
    };
    case.op.params(&shapes).into_iter().map(|it| it.role).map(param).collect()
}

fn nest_agrees(case: &Case, inputs: &[Tensor]) {
    let exact = eval(case, inputs);
    let shapes: Vec<&Shape> = inputs.iter().map(|it| &it.shape).collect();
    let Some(nest) = case.op.lower(&shapes, &exact.shape) else { return };
    let params = params(case);
    let (operands, params): (Vec<&Tensor>, Vec<&Tensor>) =
        (inputs.iter().collect(), params.iter().collect());
    let found = interpret(&nest, &operands, &params, &exact.shape);
    let tolerance = case.op.tolerance();
    for (i, &found) in found.data.iter().enumerate() {
        let (value, size) = (exact.value[i], exact.magnitude[i]);
        let agrees = match tolerance {
            Tolerance::Exact if value.is_nan() => found.is_nan(),
            Tolerance::Exact => found.to_bits() == (value as f32).to_bits(),
            Tolerance::Ulps(_) | Tolerance::Sum(_) => tolerance.allows(value, size, found),
        };
        assert!(
            agrees,
            "{} at {i}: reference {value:e} ({size:e}), nest {found:e}\n{inputs:?}\n{nest}",
            case.text
        );
    }
}

#[test]
fn pointwise_expressions_say_what_the_operator_does() {
    let mut seen = 0;
    for case in cases() {
        if let Some(expr) = case.op.pointwise() {
            seen += 1;
            assert_eq!(expr, expr.map(&netc::nest::Expr::It), "{}", case.text);
            let shape = &case.inputs[0].shape;
            assert_eq!(case.op.infer(&[shape]).as_ref(), Ok(shape), "{}", case.text);
        }
        assert!(!case.op.is_identity() || eval(&case, &case.inputs).round() == case.inputs[0]);
    }
    assert!(seen > 30, "there are pointwise operators");
}

#[test]
fn nan_reaches_the_output() {
    // A slice may leave it out; the places of boxes are no numbers made of scores.
    let spreads = |case: &Case| !matches!(case.op, Op::Slice(_) | Op::Nms(_));
    for case in cases().iter().filter(|it| spreads(it)) {
        for i in 0..case.inputs.len() {
            let mut inputs = case.inputs.clone();
            inputs[i].data.fill(f32::NAN);
            let exact = eval(case, &inputs);
            let reached = exact.value.iter().filter(|it| it.is_nan()).count();
            assert!(reached > 0, "{} drops NaN of operand {i}", case.text);
        }
    }
}

#[test]
fn relu_keeps_what_it_must() {
    let relu = layers::op("relu", &serde_json::json!({})).expect("relu takes nothing");
    let input = Tensor::new(Shape::of(&[1, 4]), vec![f32::NAN, -0.0, -1.0, 1e-40]);
    let found = relu.eval(&[&input], &[]).round();
    assert!(found.data[0].is_nan());
    assert_eq!(found.data[1].to_bits(), (-0.0_f32).to_bits());
    assert_eq!(found.data[2..], [0.0, 1e-40]);
}

#[test]
fn a_maximum_over_minus_infinity_is_minus_infinity() {
    for (name, args) in
        [("maxpool", serde_json::json!({"kernel": 2})), ("gmp", serde_json::json!({}))]
    {
        let op = layers::op(name, &args).expect("the arguments are right");
        let input = Tensor::filled(Shape::of(&[1, 1, 2, 2]), f32::NEG_INFINITY);
        assert_eq!(op.eval(&[&input], &[]).round().data, [f32::NEG_INFINITY]);
    }
}

#[test]
fn padding_multiplies_nothing() {
    // 0 * inf would be NaN: every weight is infinite and every pixel 1.
    let op = layers::op(
        "conv",
        &serde_json::json!({"channels": 1, "kernel": 3, "pad": 2, "bias": false}),
    )
    .expect("the arguments are right");
    let input = Tensor::filled(Shape::of(&[1, 1, 2, 2]), 1.0);
    let weight = Tensor::filled(Shape::of(&[1, 1, 3, 3]), f32::INFINITY);
    let exact = op.eval(&[&input], &[&weight]);
    assert!(exact.value.iter().all(|it| *it == f64::INFINITY), "{:?}", exact.value);
}

/// The nets of `tests/corpus/ops/<operator>.net`, each with the one layer that it holds.
fn corpus(operator: &str) -> Vec<(String, Elaborated)> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/corpus/ops/{operator}.net"));
    let nets = std::fs::read_to_string(&path)
        .unwrap_or_else(|_| panic!("{} is missing: run tests/data/operators.py", path.display()));
    let names = nets.lines().filter_map(|it| it.strip_prefix("net ")?.split(' ').next());
    names
        .map(|name| {
            let found = text::elaborate(&format!("{operator}.net"), &nets, Some(name.to_owned()));
            (name.to_owned(), found.unwrap_or_else(|it| panic!("{name}:\n{it}")))
        })
        .collect()
}

#[test]
fn the_corpus_holds_the_cases_of_every_operator() {
    let mut cases_of: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for case in cases() {
        cases_of.entry(case.op.entry().name).or_default().push(case);
    }
    for entry in Op::TABLE {
        let cases = &cases_of[entry.name];
        let nets = corpus(entry.name);
        assert!(!nets.is_empty(), "`{}` has no net", entry.name);
        for (name, net) in nets {
            let graph = &net.graph;
            let layers: Vec<_> =
                graph.order().into_iter().filter(|&it| graph.layer(it).is_some()).collect();
            let [id] = layers[..] else { panic!("{name} has {} layers:\n{graph}", layers.len()) };
            let op = &graph.layer(id).expect("a layer").op;
            let shapes = graph.operand_shapes(id);
            let alike = |it: &&Case| {
                it.op == *op && it.inputs.iter().map(|it| &it.shape).eq(shapes.iter().copied())
            };
            let case = cases
                .iter()
                .find(alike)
                .unwrap_or_else(|| panic!("{name} is no case: {op:?} of {shapes:?}"));
            assert_eq!(graph.node(id).shape.dims(), case.shape, "{name}");
        }
    }
}
