//! Weights stored as f16: the bits of a net whose weights were rounded before it was compiled.

use half::f16;
use netc::codegen::{Cpu, Options};
use netc::graph::{Graph, NodeId, ParamId};
use netc::ops::Value;
use netc::passes;
use netc::plan::{self, Plan, Processor, Storage, plan};
use netc::program::Program;
use netc::tensor::Tensor;
use netc::verify;
use netc::weights::Weights;

use crate::case::Random;
use crate::net::Net;

/// Numbers that f16 has as they are, not at all, or in its own way.
const SPECIAL: [f32; 10] =
    [0.0, -0.0, 5.96e-8, -3.1e-5, 2.9e-8, 1e-40, 65504.0, -7e4, 1.000_488_3, 65519.0];

fn rounded(weight: f32) -> f32 {
    let near = f16::from_f32(weight).to_f32();
    if weight.is_finite() { near.clamp(-65504.0, 65504.0) } else { near }
}

/// The plans with weights as they are and as f16, for all kinds of vectors, and the code of both.
fn check(graph: &Graph, seed: u64, halves: usize, spoil: &(dyn Fn(&mut Tensor) + Sync)) {
    let graph = passes::optimise(graph.clone(), &mut |_, _| {});
    let weights = Weights::random(seed);
    let tensor = |id: ParamId| {
        let mut tensor = weights.tensor(&graph, id);
        spoil(&mut tensor);
        tensor
    };
    let targets = [
        (Processor::WIDE, Cpu::Native),
        (Processor::NARROW, Cpu::Native),
        (Processor::NARROW, Cpu::Baseline),
        (Processor::WIDE, Cpu::Baseline),
    ];
    for (processor, cpu) in targets {
        let options = plan::Options { processor, ..Default::default() };
        let half = plan::Options { half_weights: true, ..options.clone() };
        let (whole, half) = (plan(&graph, &options), plan(&graph, &half));
        let is_half = |id: ParamId| half.storage(id) == Storage::F16;
        let found = (0..graph.params().len()).filter(|&it| is_half(ParamId(it))).count();
        assert_eq!(found, halves, "{half}");
        let near = |id: ParamId| {
            let mut tensor = tensor(id);
            if is_half(id) {
                tensor.data.iter_mut().for_each(|it| *it = rounded(*it));
            }
            tensor
        };
        let want = run(&whole, cpu, &near, seed);
        assert_eq!(run(&half, cpu, &tensor, seed), want, "{cpu:?}\n{half}");
    }
}

/// The bits of what a plan computes from inputs that the seed draws; a NaN is any NaN.
fn run(plan: &Plan, cpu: Cpu, tensor: &(dyn Fn(ParamId) -> Tensor + Sync), seed: u64) -> Vec<u32> {
    let options = Options { cpu, verify: true, ..Options::default() };
    let program = Program::compile(plan, &tensor, &options);
    let mut random = Random(seed * 77 + 1);
    let inputs: Vec<Tensor> = plan.inputs.iter().map(|it| random.tensor(&it.1)).collect();
    let data: Vec<&[f32]> = inputs.iter().map(|it| it.data.as_slice()).collect();
    let outputs = program.run(&data, 2).unwrap();
    let all = outputs.iter().flat_map(|it| &it.data);
    all.map(|it| if it.is_nan() { f32::NAN.to_bits() } else { it.to_bits() }).collect()
}

/// 1x1 convolutions of all kinds and fully connected layers, with what does not become f16 between them.
fn net(random: &mut Random) -> Net {
    let int = |it: usize| Value::Int(i64::try_from(it).unwrap());
    let channels = [1, 3, 4, 8, 11, 24, 40][random.between(0, 6)];
    let space = [random.between(1, 9), random.between(1, 9)];
    let (mut net, x) = Net::new(&[random.between(1, 3), channels, space[0], space[1]]);
    let to = [8, 16, 48, 144][random.between(0, 3)];
    let a = net.conv(x, to, [1, random.between(1, 2), 0, 1, 1]);
    let a = net.add(["relu", "silu"][random.between(0, 1)], &[], &[a]);
    let b = net.conv(a, to, [3, 1, 1, 1, 1]);
    let b = net.conv(b, to, [1, 1, random.between(0, 1), 1, 1 + usize::from(to >= 16)]);
    let b = net.conv(b, to, [1, 1, 0, 1, to]);
    let c = net.conv(b, [1, 7, 20, 72][random.between(0, 3)], [1, 1, 0, 1, 1]);
    let d = net.add("flatten", &[], &[c]);
    let d = net.add("fc", &[("features", int([1, 13, 130, 300][random.between(0, 3)]))], &[d]);
    let d = net.add("relu", &[], &[d]);
    let e = net.add("fc", &[("features", int(9))], &[d]);
    net.with_output(e)
}

fn random(seed: u64) -> Random {
    let mut random = Random(seed * 0x9e37_79b9);
    (0..9).for_each(|_| assert_ne!(random.next(), 0));
    random
}

#[test]
fn half_weights_are_rounded_weights() {
    for seed in 1..=12 {
        check(&net(&mut random(seed)).graph, seed, 5, &|_| {});
    }
}

#[test]
fn small_and_great_weights_are_rounded_too() {
    for seed in 1..=6 {
        check(&net(&mut random(seed)).graph, seed, 5, &|tensor| {
            for (at, weight) in tensor.data.iter_mut().enumerate() {
                match at % 3 {
                    0 => *weight = SPECIAL[at / 3 % SPECIAL.len()],
                    1 => *weight *= 1e-6,
                    _ => {}
                }
            }
        });
    }
}

#[test]
fn nan_and_infinities_stay_what_they_are() {
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let (mut net, x) = Net::new(&[1, 20]);
        let y = net.add("fc", &[("features", Value::Int(40))], &[x]);
        let net = net.with_output(y);
        check(&net.graph, 3, 1, &|tensor| {
            if tensor.shape.rank() == 2 {
                tensor.data[45] = special;
            }
        });
        let plan = plan(&net.graph, &plan::Options { half_weights: true, ..Default::default() });
        let tensor = |id: ParamId| {
            let shape = net.graph.param(id).shape.clone();
            let fill = if shape.rank() == 2 { special } else { 0.0 };
            Tensor::new(shape.clone(), vec![fill; shape.elements()])
        };
        let outputs = Program::compile(&plan, &tensor, &Options::default());
        let outputs = outputs.run(&[&[1.0; 20]], 1).unwrap();
        assert!(outputs[0].data.iter().all(|it| *it == special || it.is_nan() && special.is_nan()));
    }
}

/// What is said of the bound in `docs/numerics.md`: the reference on rounded weights.
#[test]
fn half_weights_keep_the_bound_of_rounded_weights() {
    let net = net(&mut random(5));
    let graph = passes::optimise(net.graph, &mut |_, _| {});
    let weights = Weights::random(5);
    let tensor = |id: ParamId| weights.tensor(&graph, id);
    let options = plan::Options { half_weights: true, keep_all: true, ..Default::default() };
    let plan = plan(&graph, &options);
    let near = |id: ParamId| match plan.storage(id) {
        Storage::F32 => tensor(id),
        Storage::F16 => netc::weights::rounded(tensor(id)),
    };
    let program = Program::compile(&plan, &tensor, &Options::default());
    let mut session = program.session(1);
    let input = Random(5).tensor(&plan.inputs[0].1);
    session.run(&[&input.data]).unwrap();
    let value = |id: NodeId| match graph.inputs().contains(&id) {
        true => input.clone(),
        false => {
            let view = &program.values().iter().find(|it| it.0 == id).unwrap().1;
            session.read(view).unwrap()
        }
    };
    let spread = |id| plan.spread(id);
    assert!(verify::layers(&graph, &near, &value, &spread).all(|it| it.ok));
    assert!(
        !verify::layers(&graph, &tensor, &value, &spread).all(|it| it.ok),
        "nothing was rounded"
    );
}

/// A weight that anything else reads too stays what it is.
#[test]
fn a_weight_has_one_value_in_a_net() {
    let (mut net, x) = Net::new(&[1, 20]);
    let product = net.add("fc", &[("features", Value::Int(40))], &[x]);
    net.graph.add_output("product", product);
    let extents = Value::List([Value::Int(20)].into());
    let table = net.add("param", &[("shape", extents), ("batch", Value::Int(40))], &[]);
    let mut net = net.with_output(table);
    check(&net.graph, 1, 1, &|_| {});
    let weight = net.graph.layer(product).unwrap().params[0];
    net.graph.layer_mut(table).params[0] = weight;
    check(&net.graph, 1, 0, &|_| {});
}
