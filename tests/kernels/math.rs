//! Functions of one and two numbers against f64.

use netc::codegen::Cpu;
use netc::nest::interpret::{binary, unary};
use netc::nest::{Affine, Binary, Buffer, Expr, Nest, Unary};
use netc::shape::Shape;
use netc::tensor::Tensor;

use crate::case::{Case, Random, is_close};

const ALL: [(Unary, u32); 13] = [
    (Unary::Neg, 0),
    (Unary::Abs, 0),
    (Unary::Exp, 4),
    (Unary::Log, 4),
    (Unary::Sqrt, 0),
    (Unary::Recip, 0),
    (Unary::Tanh, 4),
    (Unary::Sigmoid, 4),
    (Unary::Erf, 4),
    (Unary::Floor, 0),
    (Unary::Ceil, 0),
    (Unary::Round, 0),
    (Unary::Sign, 0),
];

const EDGES: [f32; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.0,
    -3.0,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    88.7,
    -87.4,
    104.0,
    -104.0,
    1e-20,
];

fn at(input: usize) -> Expr {
    Expr::load(Buffer::Input(input), [Affine::axis(0)])
}

fn case(value: Expr, inputs: Vec<Vec<f32>>) -> Case {
    let shape = Shape::of(&[inputs[0].len()]);
    let inputs = inputs.into_iter().map(|it| Tensor::new(shape.clone(), it)).collect();
    Case { nest: Nest::each(&shape, value), inputs, params: Vec::new(), output: shape }
}

#[test]
fn functions_of_one_number_are_within_their_bounds() {
    let mut numbers: Vec<f32> = (0..=u32::MAX).step_by(1021).map(f32::from_bits).collect();
    numbers.retain(|it| it.abs() >= f32::MIN_POSITIVE || *it == 0.0 || it.is_nan());
    numbers.extend(EDGES);
    for (f, ulps) in ALL {
        for cpu in [Cpu::Native, Cpu::Baseline] {
            let case = case(at(0).unary(f), vec![numbers.clone()]);
            let got = case.run(&mut Random(1), cpu, 1);
            let mut worst = 0;
            for (&x, &y) in numbers.iter().zip(&got.data) {
                let exact = unary(f, f64::from(x)) as f32;
                assert!(is_close(exact, y, ulps), "{f:?}({x:e}) is {exact:e}, not {y:e}, {cpu:?}");
                worst = (0..=ulps).find(|&it| is_close(exact, y, it)).unwrap_or(0).max(worst);
            }
            println!("{f:?} {cpu:?}: {worst} ULP");
        }
    }
}

#[test]
fn functions_of_two_numbers_are_within_their_bounds() {
    let all = [
        (Binary::Add, 0),
        (Binary::Sub, 0),
        (Binary::Mul, 0),
        (Binary::Div, 0),
        (Binary::Max, 0),
        (Binary::Min, 0),
        (Binary::Positive, 0),
        (Binary::Pow, 16),
    ];
    let mut random = Random(7);
    let mut pairs: Vec<(f32, f32)> =
        EDGES.iter().flat_map(|&a| EDGES.iter().map(move |&b| (a, b))).collect();
    pairs.extend((0..200_000).map(|_| {
        let mut one = |scale: f32| random.between(0, 2_000_000) as f32 / 1e6 * scale;
        (one(30.0), one(20.0) - 20.0)
    }));
    for (f, ulps) in all {
        let (a, b) = pairs.iter().copied().unzip();
        let case = case(at(0).binary(f, at(1)), vec![a, b]);
        let got = case.run(&mut Random(3), Cpu::Native, 1);
        for (&(a, b), &y) in pairs.iter().zip(&got.data) {
            let exact = binary(f, f64::from(a), f64::from(b)) as f32;
            let same_zero = exact == 0.0 && y == 0.0;
            assert!(
                same_zero || is_close(exact, y, ulps),
                "{f:?}({a:e}, {b:e}) is {exact:e}, not {y:e}"
            );
        }
    }
}

#[test]
fn powers_that_are_roots_have_the_special_values_of_powers() {
    let mut numbers: Vec<f32> = (0..=u32::MAX).step_by(10_007).map(f32::from_bits).collect();
    numbers.retain(|it| it.abs() >= f32::MIN_POSITIVE || *it == 0.0 || it.is_nan());
    numbers.extend(EDGES);
    for exponent in [0.5, 0.75] {
        for cpu in [Cpu::Native, Cpu::Baseline] {
            let power = at(0).binary(Binary::Pow, Expr::Const(exponent));
            let got = case(power, vec![numbers.clone()]).run(&mut Random(1), cpu, 1);
            for (&x, &y) in numbers.iter().zip(&got.data) {
                let exact = binary(Binary::Pow, f64::from(x), f64::from(exponent)) as f32;
                assert!(is_close(exact, y, 3), "{x:e}^{exponent} is {exact:e}, not {y:e}, {cpu:?}");
            }
        }
    }
}

#[test]
fn a_number_alone_gets_the_same_bits() {
    let mut random = Random(5);
    for (f, _) in ALL {
        let shape = Shape::of(&[7]);
        let input = random.tensor(&shape);
        let wide = Shape::of(&[64]);
        let tiled = Tensor::new(wide.clone(), (0..64).map(|it| input.data[it % 7]).collect());
        let alone = case(at(0).unary(f), vec![input.data]).run(&mut random, Cpu::Native, 1);
        let many = case(at(0).unary(f), vec![tiled.data]).run(&mut random, Cpu::Native, 1);
        for (at, y) in many.data.iter().enumerate() {
            assert_eq!(y.to_bits(), alone.data[at % 7].to_bits(), "{f:?}");
        }
    }
}
