//! The nests that operators lower to, and odd ones.

use std::sync::Arc;

use netc::codegen::Cpu;
use netc::nest::{Affine, Binary, Buffer, Expr, Guard, Index, Nest, Reduction, Stage, Unary};
use netc::shape::Shape;

use crate::case::{Case, Random, assert_close};

/// Runs a case in several layouts, on both processors and on one to three threads.
fn check(make: &dyn Fn(&mut Random) -> Case, ulps: u32) {
    for seed in 1..=24 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ seed);
        for _ in 0..8 {
            random.next();
        }
        let case = make(&mut random);
        let expected = case.expected();
        let plan = case.plan(&mut random);
        let what = format!("seed {seed}\n{}\n{plan:#?}", case.nest);
        let native = case.run_plan(&plan, Cpu::Native, 1);
        assert_close(&expected, &native, ulps, &what);
        let baseline = case.run_plan(&plan, Cpu::Baseline, 1);
        assert_close(&expected, &baseline, ulps, &what);
        let threads = case.run_plan(&plan, Cpu::Native, 2 + usize::from(random.flip()));
        assert_close(&native, &threads, 0, &what);
    }
}

fn axis(axis: usize) -> Affine {
    Affine::axis(axis)
}

fn here(buffer: Buffer, rank: usize) -> Expr {
    Expr::load(buffer, (0..rank).map(Affine::axis))
}

fn picture(random: &mut Random) -> Shape {
    Shape::of(&[
        random.between(1, 2),
        random.between(1, 20),
        random.between(1, 9),
        random.between(1, 11),
    ])
}

fn simple(
    random: &mut Random,
    inputs: &[&Shape],
    params: &[&Shape],
    output: &Shape,
    value: Expr,
) -> Case {
    Case {
        nest: Nest::each(output, value),
        inputs: inputs.iter().map(|it| random.tensor(it)).collect(),
        params: params.iter().map(|it| random.tensor(it)).collect(),
        output: output.clone(),
    }
}

#[test]
fn copies_between_layouts() {
    check(
        &|random| {
            let shape = picture(random);
            simple(random, &[&shape], &[], &shape, here(Buffer::Input(0), 4))
        },
        0,
    );
}

#[test]
fn pointwise() {
    check(
        &|random| {
            let shape = picture(random);
            let sum = here(Buffer::Input(0), 4).binary(Binary::Add, here(Buffer::Input(1), 4));
            let value = sum.binary(Binary::Positive, Expr::Const(0.0));
            simple(random, &[&shape, &shape], &[], &shape, value)
        },
        0,
    );
}

#[test]
fn vectors_and_ranks() {
    check(
        &|random| {
            let rank = random.between(1, 5);
            let dims: Vec<usize> = (0..rank).map(|_| random.between(1, 17)).collect();
            let shape = Shape::of(&dims);
            let value = here(Buffer::Input(0), rank).binary(Binary::Mul, Expr::Const(0.5));
            simple(random, &[&shape], &[], &shape, value)
        },
        0,
    );
}

#[test]
fn scale_and_shift_of_channels() {
    check(
        &|random| {
            let shape = picture(random);
            let channels = Shape::of(&shape.dims()[1..2]);
            let param = |it| Expr::load(Buffer::Param(it), [axis(1)]);
            let value = here(Buffer::Input(0), 4)
                .binary(Binary::Mul, param(0))
                .binary(Binary::Add, param(1));
            simple(random, &[&shape], &[&channels, &channels], &shape, value)
        },
        0,
    );
}

/// A window on a picture: shape of the output, taps, guards, and the element under a tap (axes 4 and 5).
struct Windowed {
    output: Shape,
    kernels: [usize; 2],
    guards: Vec<Guard>,
    at: Vec<Affine>,
}

fn window(random: &mut Random, input: &Shape) -> Option<Windowed> {
    let mut dims = input.dims()[..2].to_vec();
    let (mut kernels, mut guards, mut at) = ([1; 2], Vec::new(), vec![axis(0), axis(1)]);
    for (d, taps) in kernels.iter_mut().enumerate() {
        let extent = input.dims()[2 + d];
        let (kernel, stride, dilation) =
            (random.between(1, 3), random.between(1, 3), random.between(1, 2));
        let pad = random.between(0, kernel - 1);
        let reach = dilation * (kernel - 1) + 1;
        let room = (extent + 2 * pad).checked_sub(reach)?;
        dims.push(room / stride + 1);
        *taps = kernel;
        let index = Affine::of(&[(2 + d, stride as i64), (4 + d, dilation as i64)], -(pad as i64));
        guards.push(Guard::Within(index.clone(), extent));
        at.push(index);
    }
    Some(Windowed { output: Shape::of(&dims), kernels, guards, at })
}

fn some_window(random: &mut Random) -> (Shape, Windowed) {
    loop {
        let input = picture(random);
        if let Some(found) = window(random, &input) {
            return (input, found);
        }
    }
}

#[test]
fn pools() {
    for op in [Reduction::Max, Reduction::Min, Reduction::Sum, Reduction::Product] {
        check(
            &|random| {
                let (input, Windowed { output, kernels, guards, at }) = some_window(random);
                let value = Expr::reduce(op, &kernels, guards, Expr::load(Buffer::Input(0), at));
                simple(random, &[&input], &[], &output, value)
            },
            4,
        );
    }
}

#[test]
fn means_with_counted_windows() {
    check(
        &|random| {
            let (input, Windowed { output, kernels, guards, at }) = some_window(random);
            let sum = Expr::reduce(
                Reduction::Sum,
                &kernels,
                guards.clone(),
                Expr::load(Buffer::Input(0), at),
            );
            let count = Expr::reduce(Reduction::Sum, &kernels, guards, Expr::Const(1.0));
            let some = count.clone().binary(Binary::Max, Expr::Const(1.0));
            simple(random, &[&input], &[], &output, sum.binary(Binary::Div, some))
        },
        0,
    );
}

#[test]
fn maxima_keep_nan() {
    check(
        &|random| {
            let (input, Windowed { output, kernels, guards, at }) = some_window(random);
            let value =
                Expr::reduce(Reduction::Max, &kernels, guards, Expr::load(Buffer::Input(0), at));
            let mut case = simple(random, &[&input], &[], &output, value);
            for _ in 0..3 {
                let last = case.inputs[0].data.len() - 1;
                case.inputs[0].data[random.between(0, last)] = f32::NAN;
                case.inputs[0].data[random.between(0, last)] = f32::INFINITY;
            }
            case
        },
        0,
    );
}

#[test]
fn convolutions() {
    check(
        &|random| {
            let (input, Windowed { mut output, kernels, guards, mut at }) = some_window(random);
            let (channels, outs) = (input.channels(), random.between(1, 17));
            output = output.with(1, outs).unwrap();
            let weight = Shape::of(&[outs, channels, kernels[0], kernels[1]]);
            // Axes: n k y x | c i j.
            let shift = |it: &Affine| {
                let terms: Vec<_> =
                    it.terms.iter().map(|&(a, by)| (if a >= 4 { a + 1 } else { a }, by)).collect();
                Affine::of(&terms, it.constant)
            };
            let guards = guards
                .iter()
                .map(|it| match it {
                    Guard::Within(index, extent) => Guard::Within(shift(index), *extent),
                    Guard::Divides(..) => unreachable!(),
                })
                .collect();
            at = at.iter().map(shift).collect();
            at[1] = axis(4);
            let product = Expr::load(Buffer::Input(0), at).binary(
                Binary::Mul,
                Expr::load(Buffer::Param(0), [axis(1), axis(4), axis(5), axis(6)]),
            );
            let extents = [channels, kernels[0], kernels[1]];
            let sum = Expr::reduce(Reduction::Sum, &extents, guards, product);
            let bias = Expr::load(Buffer::Param(1), [axis(1)]);
            let bias_shape = Shape::of(&[outs]);
            let value = sum.binary(Binary::Add, bias);
            simple(random, &[&input], &[&weight, &bias_shape], &output, value)
        },
        0,
    );
}

#[test]
fn transposed_convolutions() {
    check(
        &|random| {
            let (extent, stride, kernel) =
                (random.between(1, 6), random.between(1, 3), random.between(1, 4));
            let channels = random.between(1, 12);
            let input = Shape::of(&[1, channels, extent]);
            let weight = Shape::of(&[channels, kernel]);
            let output = Shape::of(&[1, channels, (extent - 1) * stride + kernel]);
            // out[n, c, y] = sum(i, j | stride * i + j == y)
            let from = Affine::of(&[(2, 1), (3, -1)], 0);
            let guards = vec![
                Guard::Divides(from.clone(), stride),
                Guard::Within(from.clone(), (extent - 1) * stride + 1),
            ];
            let place = Index::Part { of: from, by: stride, modulo: None };
            let load = Expr::Load(Buffer::Input(0), vec![axis(0).into(), axis(1).into(), place]);
            let product =
                load.binary(Binary::Mul, Expr::load(Buffer::Param(0), [axis(1), axis(3)]));
            let value = Expr::reduce(Reduction::Sum, &[kernel], guards, product);
            simple(random, &[&input], &[&weight], &output, value)
        },
        0,
    );
}

#[test]
fn concatenations() {
    check(
        &|random| {
            let whole = picture(random);
            let parts = [random.between(1, 20), random.between(1, 20), 8];
            let output = whole.with(1, parts.iter().sum()).unwrap();
            let mut stages = Vec::new();
            let mut inputs = Vec::new();
            let mut from = 0;
            for (i, &channels) in parts.iter().enumerate() {
                let shape = whole.with(1, channels).unwrap();
                let mut stage = Stage::each(Buffer::Output, &shape, here(Buffer::Input(i), 4));
                stage.at[1].constant = from;
                from += channels as i64;
                inputs.push(random.tensor(&shape));
                stages.push(stage);
            }
            if random.flip() {
                stages.reverse();
            }
            Case { nest: Nest { temps: Vec::new(), stages }, inputs, params: Vec::new(), output }
        },
        0,
    );
}

#[test]
fn nearest_upsampling_and_tables() {
    check(
        &|random| {
            let input = picture(random);
            let by = random.between(1, 3);
            let mut dims = input.dims().to_vec();
            dims[2] *= by;
            dims[3] = random.between(1, 19);
            let output = Shape::of(&dims);
            let table: Arc<[u32]> =
                (0..dims[3]).map(|_| random.between(0, input.dims()[3] - 1) as u32).collect();
            let weights: Arc<[f32]> = (0..dims[3]).map(|it| it as f32 / 4.0).collect();
            let at = vec![
                axis(0).into(),
                axis(1).into(),
                Index::Part { of: axis(2), by, modulo: None },
                Index::Table { table, at: axis(3) },
            ];
            let value =
                Expr::Load(Buffer::Input(0), at).binary(Binary::Mul, Expr::Table(weights, axis(3)));
            simple(random, &[&input], &[], &output, value)
        },
        0,
    );
}

#[test]
fn flattening_and_shuffling() {
    check(
        &|random| {
            let input = picture(random);
            let [n, c, h, w] = *input.dims() else { unreachable!() };
            let output = Shape::of(&[n, c * h * w]);
            let part = |by, modulo| Index::Part { of: axis(1), by, modulo: Some(modulo) };
            let at = vec![axis(0).into(), part(h * w, c), part(w, h), part(1, w)];
            simple(random, &[&input], &[], &output, Expr::Load(Buffer::Input(0), at))
        },
        0,
    );
    check(
        &|random| {
            let (groups, each) = (random.between(1, 5), random.between(1, 9));
            let input = picture(random).with(1, groups * each).unwrap();
            // out[c] = in[c % groups * each + c / groups], with c = k * groups + g.
            let mut stage = Stage {
                target: Buffer::Output,
                extents: vec![input.dims()[0], each, groups, input.dims()[2], input.dims()[3]],
                at: vec![axis(0), Affine::of(&[(1, groups as i64), (2, 1)], 0), axis(3), axis(4)],
                value: Expr::Const(0.0),
            };
            let from = [axis(0), Affine::of(&[(2, each as i64), (1, 1)], 0), axis(3), axis(4)];
            stage.value = Expr::load(Buffer::Input(0), from);
            let nest = Nest { temps: Vec::new(), stages: vec![stage] };
            let inputs = vec![random.tensor(&input)];
            Case { nest, inputs, params: Vec::new(), output: input }
        },
        0,
    );
}

#[test]
fn softmax() {
    check(
        &|random| {
            let shape = picture(random);
            let [n, c, h, w] = *shape.dims() else { unreachable!() };
            let temp = Shape::of(&[n, 1, h, w]);
            let along = |buffer| Expr::load(buffer, [axis(0), axis(4), axis(2), axis(3)]);
            let top = |it| Expr::load(it, [axis(0), Affine::constant(0), axis(2), axis(3)]);
            let power = |it: Expr| it.binary(Binary::Sub, top(Buffer::Temp(0))).unary(Unary::Exp);
            let max = Expr::reduce(Reduction::Max, &[c], Vec::new(), along(Buffer::Input(0)));
            let sum =
                Expr::reduce(Reduction::Sum, &[c], Vec::new(), power(along(Buffer::Input(0))));
            let value = power(here(Buffer::Input(0), 4)).binary(Binary::Div, top(Buffer::Temp(1)));
            let stages = vec![
                Stage::each(Buffer::Temp(0), &temp, max),
                Stage::each(Buffer::Temp(1), &temp, sum),
                Stage::each(Buffer::Output, &shape, value),
            ];
            let nest = Nest { temps: vec![temp.clone(), temp], stages };
            let inputs = vec![random.tensor(&shape)];
            Case { nest, inputs, params: Vec::new(), output: shape }
        },
        16,
    );
}

#[test]
fn choices_and_reflections() {
    check(
        &|random| {
            let input = picture(random);
            let (before, after) = (random.between(0, 3), random.between(0, 3));
            let mut dims = input.dims().to_vec();
            dims[3] += before + after;
            let output = Shape::of(&dims);
            let inner = Affine::of(&[(3, 1)], -(before as i64));
            let guard = Guard::Within(inner.clone(), input.dims()[3]);
            let load = Expr::load(Buffer::Input(0), [axis(0), axis(1), axis(2), inner]);
            let value = Expr::Choose(vec![guard], Box::new(load), Box::new(Expr::Const(-3.0)));
            simple(random, &[&input], &[], &output, value)
        },
        0,
    );
}

#[test]
fn global_means() {
    check(
        &|random| {
            let input = picture(random);
            let [n, c, h, w] = *input.dims() else { unreachable!() };
            let output = Shape::of(&[n, c]);
            let load = Expr::load(Buffer::Input(0), [axis(0), axis(1), axis(2), axis(3)]);
            let sum = Expr::reduce(Reduction::Sum, &[h, w], Vec::new(), load);
            let value = sum.binary(Binary::Div, Expr::Const((h * w) as f32));
            simple(random, &[&input], &[], &output, value)
        },
        0,
    );
}

#[test]
fn permutations() {
    check(
        &|random| {
            let input = picture(random);
            let order = [[0, 2, 3, 1], [0, 3, 1, 2], [1, 0, 3, 2]][random.between(0, 2)];
            let dims: Vec<usize> = order.iter().map(|&it| input.dims()[it]).collect();
            let mut at = vec![Affine::default(); 4];
            for (to, &from) in order.iter().enumerate() {
                at[from] = axis(to);
            }
            let value = Expr::load(Buffer::Input(0), at);
            simple(random, &[&input], &[], &Shape::of(&dims), value)
        },
        0,
    );
}
