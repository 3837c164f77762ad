//! Nets of several layers in all ways: tiles, epilogues, shared memory, threads.

use netc::codegen::Options;
use netc::graph::{NodeId, ParamId};
use netc::ops::Value;
use netc::plan::{self, Algorithms, Cut, plan};
use netc::program::Program;
use netc::weights::Weights;

use crate::case::Random;
use crate::net::Net;
use crate::ways::{self, bits};

/// Compiles a net in all ways and compares.
fn check(net: Net, last: NodeId, seed: u64) {
    ways::check(net.with_output(last).graph, seed, Algorithms::Fastest);
}

#[test]
fn single_convolutions() {
    for seed in 1..=16 {
        let mut random = Random::seeded(seed);
        let rank = random.between(1, 3);
        let mut dims =
            vec![random.between(1, 2), [1, 3, 4, 5, 8, 11, 16, 24][random.between(0, 7)]];
        dims.extend((0..rank).map(|_| random.between(5, if rank == 3 { 6 } else { 13 })));
        let (mut net, x) = Net::new(&dims);
        let kernel = random.between(1, 3);
        let spec =
            [kernel, random.between(1, 2), random.between(0, kernel - 1), random.between(1, 2), 1];
        let mut node = net.conv(x, [1, 7, 8, 16, 20, 31, 40, 64][random.between(0, 7)], spec);
        let all =
            ["none", "relu", "relu6", "leaky", "tanh", "silu", "hardswish", "gelu", "sigmoid"];
        let follow = all[random.between(0, 8)];
        if follow != "none" {
            let slope = [("slope", Value::Number(0.1))];
            node = net.add(follow, if follow == "leaky" { &slope } else { &[] }, &[node]);
        }
        let channels = net.shape(node).channels();
        let next = net.conv(node, 24, [3, 1, 1, 1, 1]);
        let depth = net.conv(node, channels, [3, 1 + random.between(0, 1), 1, 1, channels]);
        net.graph.add_output("depth", depth);
        check(net, next, seed);
    }
}

/// Maps that tiles fit and do not fit, channels that fill blocks and do not, whole nets of them.
#[test]
fn winograd_convolutions() {
    let mut cuts = std::collections::HashSet::new();
    for seed in 1..=26 {
        let mut random = Random::seeded(seed);
        let channels = [16, 17, 24, 40, 133][random.between(0, 4)];
        let space = [random.between(3, 18), random.between(3, 18)];
        let (mut net, x) = Net::new(&[random.between(1, 2), channels, space[0], space[1]]);
        let to = [1, 8, 20, 31, 40, 64][random.between(0, 5)];
        let outputs = [2, 4][random.between(0, 1)];
        let kernel = if outputs == 2 && random.flip() { 5 } else { 3 };
        let half = kernel / 2;
        let small = space[0].min(space[1]) < kernel;
        let pad = if small { half } else { random.between(0, half + 1) };
        let mut node = net.conv(x, to, [kernel, 1, pad, 1, 1]);
        let follow = ["none", "relu", "relu6", "leaky", "tanh"][random.between(0, 4)];
        if follow != "none" {
            let slope = [("slope", Value::Number(0.1))];
            node = net.add(follow, if follow == "leaky" { &slope } else { &[] }, &[node]);
        }
        if to >= 16 {
            let again = net.conv(node, to, [kernel, 1, half, 1, 1]);
            let sum = net.add("add", &[], &[again, node]);
            node = net.add("relu", &[], &[sum]);
        }
        let algorithms = Algorithms::Winograd(outputs);
        for plan in ways::check(net.with_output(node).graph, seed, algorithms) {
            // On smaller maps some taps meet nothing but padding, and are left out.
            let small = space.iter().any(|it| *it < kernel);
            assert!(small || !plan.winograd.is_empty(), "seed {seed}");
            let cut = |it: &Cut| (it.scheme, it.wide, it.rows > 1, it.columns > 1);
            cuts.extend(plan.winograd.iter().map(|it| cut(&it.1)));
        }
    }
    assert!(cuts.len() >= 13, "only {cuts:?}");
}

#[test]
fn residual_blocks_and_concatenations() {
    for seed in 1..=6 {
        let mut random = Random::seeded(seed);
        let channels = [8, 16, 24, 130, 136][random.between(0, 4)];
        let (height, width) = (random.between(1, 9), random.between(1, 9));
        let (mut net, x) = Net::new(&[random.between(1, 2), 3, height, width]);
        let stem = net.conv(x, channels, [3, 1, 1, 1, 1]);
        let stem = net.add("bn", &[], &[stem]);
        let stem = net.add("relu", &[], &[stem]);
        let a = net.conv(stem, channels, [3, 1, 1, 1, 1]);
        let a = net.add("relu", &[], &[a]);
        let b = net.conv(a, channels, [1, 1, 0, 1, 1]);
        let sum = net.add("add", &[], &[b, stem]);
        let sum = net.add("relu", &[], &[sum]);
        let c = net.conv(sum, 8, [1, 1, 0, 1, 1]);
        let d = net.conv(sum, 12, [3, 1, 1, 1, 1]);
        let pooled = net.add("maxpool", &[("kernel", Value::Int(1))], &[sum]);
        let all = net.add("concat", &[], &[c, d, pooled]);
        let grouped = net.shape(all).channels();
        let groups = if grouped.is_multiple_of(4) { 4 } else { 1 };
        let last = net.conv(all, 32, [1, 1, 0, 1, groups]);
        let mean = net.add("gap", &[], &[last]);
        let flat = net.add("flatten", &[], &[mean]);
        let out = net.add("fc", &[("features", Value::Int(13))], &[flat]);
        let out = net.add("softmax", &[], &[out]);
        check(net, out, seed);
    }
}

#[test]
fn wide_products() {
    for (batch, from, to) in [(1, 300, 1000), (3, 77, 130), (2, 8, 8), (1, 1, 1)] {
        let (mut net, x) = Net::new(&[batch, from]);
        let y = net.add("fc", &[("features", Value::Int(to))], &[x]);
        let y = net.add("relu", &[], &[y]);
        let z = net.add("fc", &[("features", Value::Int(from as i64))], &[y]);
        let z = net.add("add", &[], &[z, x]);
        check(net, z, 3);
    }
}

#[test]
fn deep_reductions_are_summed_in_passes() {
    let (mut net, x) = Net::new(&[1, 264, 4, 5]);
    let a = net.conv(x, 136, [3, 1, 1, 1, 1]);
    let a = net.add("relu", &[], &[a]);
    let b = net.conv(a, 264, [1, 1, 0, 1, 1]);
    let c = net.add("add", &[], &[b, x]);
    let c = net.add("relu", &[], &[c]);
    let d = net.conv(c, 264, [1, 1, 0, 1, 1]);
    let d = net.add("relu", &[], &[d]);
    let e = net.add("add", &[], &[d, c]);
    check(net, e, 5);
}

/// A window of three axes and one with holes want more loops than there are registers for, beside the pointers of a
/// sum that starts from a bias, adds an operand and prefetches.
#[test]
fn windows_with_many_loops() {
    for (space, kernel, dilation) in
        [(vec![2, 3, 4], 4, 1), (vec![2, 3, 31], 3, 2), (vec![3, 31], 3, 2)]
    {
        let (mut net, x) = Net::new(&[&[1, 17], space.as_slice()].concat());
        let a = net.conv(x, 24, [1, 1, 0, 1, 1]);
        let b = net.conv(a, 40, [kernel, 1, dilation * (kernel - 1) / 2, dilation, 1]);
        let other = net.add_input("other", &net.shape(b).clone());
        let c = net.add("add", &[], &[b, other]);
        ways::check(net.with_output(c).graph, 7, Algorithms::Exact);
    }
}

#[test]
fn threads_change_no_bit() {
    let (mut net, x) = Net::new(&[2, 3, 61, 61]);
    let pool = [("kernel", Value::Int(3)), ("stride", Value::Int(2)), ("pad", Value::Int(1))];
    let a = net.conv(x, 72, [5, 2, 2, 1, 1]);
    let a = net.add("relu", &[], &[a]);
    let a = net.add("maxpool", &pool, &[a]);
    let b = net.conv(a, 136, [3, 1, 1, 1, 1]);
    let c = net.conv(a, 136, [1, 1, 0, 1, 1]);
    let d = net.add("mul", &[], &[b, c]);
    let e = net.conv(d, 136, [3, 1, 1, 1, 136]);
    let e = net.add("silu", &[], &[e]);
    let f = net.add("concat", &[], &[e, c]);
    let f = net.add("flatten", &[], &[f]);
    let g = net.add("fc", &[("features", Value::Int(50))], &[f]);
    let g = net.add("softmax", &[], &[g]);
    let net = net.with_output(g);
    let weights = Weights::random(9);
    let tensor = |id: ParamId| weights.tensor(&net.graph, id);
    let plan = plan(&net.graph, &plan::Options::default());
    let input = Random(11).tensor(&plan.inputs[0].1).data;
    let program = Program::compile(&plan, &tensor, &Options::default());
    let divided = program.divided();
    assert!(divided >= 8, "only {divided} steps of\n{plan}\nare divided");
    let mut first = program.session(1);
    first.run(&[&input]).unwrap();
    for threads in 2..=5 {
        let mut session = program.session(threads);
        for _ in 0..3 {
            let got = session.run(&[&input]).unwrap();
            assert_eq!(bits(first.outputs()), bits(got), "{threads} threads");
        }
    }
    let sessions: Vec<_> = (1..=3).map(|it| program.session(it)).collect();
    std::thread::scope(|scope| {
        for mut session in sessions {
            let (input, expected) = (&input, bits(first.outputs()));
            scope.spawn(move || {
                let got = session.run(&[input]).unwrap();
                assert_eq!(expected, bits(got), "sessions side by side");
            });
        }
    });
}

#[test]
fn picks_of_boxes() {
    for seed in 1..=12 {
        let mut random = Random::seeded(seed);
        let int = |it: usize| Value::Int(i64::try_from(it).unwrap());
        let (boxes, classes) = (random.between(1, 40), random.between(1, 9));
        let (mut net, x) = Net::new(&[random.between(1, 3), boxes, 4 + classes]);
        let cut = |from, to| [("axis", int(2)), ("from", int(from)), ("to", int(to))];
        let places = net.add("slice", &cut(0, 4), &[x]);
        let scores = net.add("slice", &cut(4, 4 + classes), &[x]);
        let order = Value::List([0, 2, 1].map(int).into());
        let scores = net.add("permute", &[("order", order)], &[scores]);
        let mut args = vec![("iou", Value::Number([0.0, 0.2, 0.5][random.between(0, 2)]))];
        if random.flip() {
            args.push(("score", Value::Number(0.5)));
        }
        if random.flip() {
            args.push(("most", int(random.between(1, 5))));
        }
        if random.flip() {
            args.push(("form", Value::Text("centre".to_owned())));
        }
        if random.flip() {
            args.push(("capacity", int(random.between(1, 60))));
        }
        let picks = net.add("nms", &args, &[places, scores]);
        net.graph.add_output("picks", picks);
        let count = net.add("filled", &[], &[picks]);
        check(net, count, seed);
    }
}
