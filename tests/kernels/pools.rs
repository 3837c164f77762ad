//! Pools as tiles: windows of all kinds against the reference, and what a maximum makes of NaN.

use netc::codegen::{Cpu, Options};
use netc::ops::Value;
use netc::plan::{self, Algorithms, Kernel, plan};
use netc::program::Program;
use netc::shape::Shape;

use crate::case::Random;
use crate::net::Net;
use crate::ways;

fn int(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap())
}

/// The steps of a net that are pools.
fn pools(net: &Net) -> usize {
    let plan = plan(&net.graph, &plan::Options::default());
    plan.steps.iter().filter(|it| matches!(it.kernel, Kernel::Pool(_))).count()
}

#[test]
fn windows_that_are_cut_off() {
    let mut found = 0;
    for seed in 1..=24 {
        let mut random = Random::seeded(seed);
        let rank = random.between(1, 3);
        let mut dims = vec![random.between(1, 2), [1, 7, 8, 20, 40][random.between(0, 4)]];
        dims.extend((0..rank).map(|_| random.between(5, if rank == 3 { 6 } else { 15 })));
        let (mut net, x) = Net::new(&dims);
        let x = net.conv(x, dims[1], [3, 1, 1, 1, 1]);
        let (kernel, dilation) = (random.between(1, 3), random.between(1, 2));
        let pad = random.between(0, (kernel - 1) * dilation).min(2);
        let mut args = vec![
            ("kernel", int(kernel)),
            ("stride", int(random.between(1, 3))),
            ("pad", int(pad)),
            ("dilation", int(dilation)),
            ("ceil", Value::Bool(random.flip())),
        ];
        let greatest = net.add("maxpool", &args, &[x]);
        args.push(("count_pad", Value::Bool(random.flip())));
        let mean = net.add("avgpool", &args, &[x]);
        let mean = net.add(["relu", "tanh"][random.between(0, 1)], &[], &[mean]);
        let both = net.add("concat", &[], &[greatest, mean]);
        let last = net.conv(both, 9, [1, 1, 0, 1, 1]);
        net.graph.add_output("both", both);
        found += pools(&net);
        ways::check(net.with_output(last).graph, seed, Algorithms::Fastest);
    }
    assert!(found >= 40, "only {found} pools have tiles");
}

#[test]
fn whole_planes() {
    for (seed, dims) in [
        vec![1, 40, 7, 7],
        vec![2, 70, 3, 5],
        vec![1, 3, 56, 61],
        vec![2, 9, 13],
        vec![1, 8, 4, 3, 5],
    ]
    .into_iter()
    .enumerate()
    {
        let (mut net, x) = Net::new(&dims);
        let x = net.conv(x, dims[1], [3, 1, 1, 1, 1]);
        let greatest = net.add("gmp", &[], &[x]);
        let mean = net.add("gap", &[("keep", Value::Bool(seed % 2 == 0))], &[x]);
        let mean = net.add("flatten", &[], &[mean]);
        let both = net.add("concat", &[], &[greatest, mean]);
        let last = net.add("fc", &[("features", Value::Int(10))], &[both]);
        net.graph.add_output("both", both);
        assert_eq!(pools(&net), 2);
        ways::check(net.with_output(last).graph, seed as u64, Algorithms::Fastest);
    }
}

#[test]
fn a_maximum_is_nan_where_a_tap_is() {
    let shape = Shape::of(&[1, 9, 6, 7]);
    let (mut net, x) = Net::new(shape.dims());
    // A layer, so that its value is blocked; a factor of 1 keeps every bit.
    let x = net.add("affine", &[("scale", Value::Number(1.0))], &[x]);
    let pad = [("kernel", int(3)), ("stride", int(2)), ("pad", int(1))];
    let y = net.add("maxpool", &pad, &[x]);
    let net = net.with_output(y);
    assert_eq!(pools(&net), 1);
    let plan = plan(&net.graph, &plan::Options::default());
    let mut random = Random(3);
    for cpu in [Cpu::Native, Cpu::Baseline] {
        let options = Options { cpu, ..Options::default() };
        let program = Program::compile(&plan, &|_| panic!("no parameters"), &options);
        for at in 0..shape.elements() {
            let mut input = random.tensor(&shape);
            input.data[at] = f32::NAN;
            let got = program.run(&[&input.data], 1).unwrap().remove(0);
            let (channel, row, column) = (at / 42, at / 7 % 6, at % 7);
            for (place, value) in got.data.iter().enumerate() {
                let (c, y, x) = (place / 12, place / 4 % 3, place % 4);
                let sees =
                    c == channel && (2 * y).abs_diff(row) <= 1 && (2 * x).abs_diff(column) <= 1;
                assert_eq!(value.is_nan(), sees, "NaN at {at}, place {place}, {cpu:?}");
            }
        }
    }
}
