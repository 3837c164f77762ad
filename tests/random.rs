//! Random valid nets: optimised means the same as plain, compiled the same as the reference, and the bits do
//! not depend on the number of threads.

#[path = "support/nets.rs"]
mod nets;

use netc::codegen::{self, Cpu};
use netc::diag::{Source, Sources};
use netc::elaborate::{self, elaborate};
use netc::graph::{Graph, NodeId, ParamId};
use netc::plan::{self, Processor, Storage};
use netc::program::Program;
use netc::tensor::Tensor;
use netc::weights::Weights;
use netc::{interpret, passes, verify};
use nets::{Numbers, random_net};

/// Nets in one run of the suite; each is compiled for this machine, and every fourth for any.
const NETS: u64 = 2_000;

fn graph(text: &str) -> Graph {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "random.net".to_owned(), text: text.to_owned() });
    let mut no_files = |_: &str| Err("a random net uses no file".to_owned());
    match elaborate(&mut sources, root, &mut no_files, &elaborate::Options::default()) {
        Ok(elaborated) => elaborated.graph,
        Err(diagnostics) => panic!("a random net is valid, but {diagnostics:#?}\n{text}"),
    }
}

fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let mut numbers = Numbers::new(seed);
    let tensor = |id: &NodeId| {
        let shape = graph.node(*id).shape.clone();
        let data = (0..shape.elements()).map(|_| numbers.normal()).collect();
        Tensor::new(shape, data)
    };
    graph.inputs().iter().map(tensor).collect()
}

fn run(program: &Program, inputs: &[Tensor], threads: usize) -> Vec<Vec<u32>> {
    let slices: Vec<&[f32]> = inputs.iter().map(|it| it.data.as_slice()).collect();
    let outputs = program.run(&slices, threads).expect("the inputs are the net's");
    outputs.iter().map(|it| it.data.iter().map(|x| x.to_bits()).collect()).collect()
}

fn same_function(
    plain: &Graph,
    optimised: &Graph,
    weights: &Weights,
    inputs: &[Tensor],
    text: &str,
) {
    let before = interpret::outputs(plain, &|id: ParamId| weights.tensor(plain, id), inputs);
    let after = interpret::outputs(optimised, &|id: ParamId| weights.tensor(optimised, id), inputs);
    for (a, b) in before.iter().zip(&after) {
        let size =
            a.data.iter().fold(0.0_f32, |size, it| if it.abs() > size { it.abs() } else { size });
        for (x, y) in a.data.iter().zip(&b.data) {
            assert!(
                (x - y).abs() <= 1e-4 * size + 1e-6,
                "{x} became {y}\n{text}\n{plain}\n{optimised}"
            );
        }
    }
}

fn compiled_is_reference(
    graph: &Graph,
    weights: &Weights,
    inputs: &[Tensor],
    (cpu, processor, half_weights): (Cpu, Processor, bool),
    text: &str,
) {
    let tensor = |id: ParamId| weights.tensor(graph, id);
    let options = codegen::Options { cpu, ..codegen::Options::default() };
    let shared = plan::Options { processor, half_weights, ..Default::default() };
    let kept = plan::plan(graph, &plan::Options { keep_all: true, ..shared.clone() });
    let program = Program::compile(&kept, &tensor, &options);
    let mut session = program.session(1);
    session.poison(&kept.values.iter().map(|it| it.1.clone()).collect::<Vec<_>>());
    let slices: Vec<&[f32]> = inputs.iter().map(|it| it.data.as_slice()).collect();
    session.run(&slices).expect("the inputs are the net's");
    let value = |id: NodeId| match graph.inputs().iter().position(|it| *it == id) {
        Some(at) => inputs[at].clone(),
        None => {
            let view = &kept.values.iter().find(|it| it.0 == id).expect("every node has a value").1;
            session.read(view).expect("a layer's value is in the arena")
        }
    };
    let stored = |id: ParamId| match kept.storage(id) {
        Storage::F32 => tensor(id),
        Storage::F16 => netc::weights::rounded(tensor(id)),
    };
    for check in verify::layers(graph, &stored, &value, &|id| kept.spread(id)) {
        assert!(check.ok, "{cpu:?} {check:?}\n{text}\n{graph}\n{kept}");
    }
    let shared = plan::plan(graph, &shared);
    let program = Program::compile(&shared, &tensor, &options);
    let one = run(&program, inputs, 1);
    let kept: Vec<Vec<u32>> =
        session.outputs().iter().map(|it| it.data.iter().map(|x| x.to_bits()).collect()).collect();
    assert_eq!(one, kept, "memory that is shared in time changes nothing\n{text}\n{shared}");
    for threads in [2, 3] {
        assert_eq!(one, run(&program, inputs, threads), "{threads} threads\n{text}\n{shared}");
    }
}

fn check(seed: u64) {
    let text = random_net(seed);
    let plain = graph(&text);
    let weights = Weights::random(seed);
    let inputs = inputs(&plain, seed);
    let optimised = passes::optimise(plain.clone(), &mut |_, _| {});
    same_function(&plain, &optimised, &weights, &inputs, &text);
    let processor = if seed.is_multiple_of(2) { Processor::host() } else { Processor::NARROW };
    let native = (Cpu::Native, processor, seed % 6 >= 4);
    compiled_is_reference(&optimised, &weights, &inputs, native, &text);
    if seed.is_multiple_of(4) {
        let baseline = (Cpu::Baseline, Processor::NARROW, seed.is_multiple_of(8));
        compiled_is_reference(&optimised, &weights, &inputs, baseline, &text);
    }
    if seed.is_multiple_of(8) {
        compiled_is_reference(&plain, &weights, &inputs, native, &text);
    }
}

// Two halves, so that two cores share the work.

#[test]
fn random_nets_mean_the_same_everywhere() {
    (0..NETS / 2).for_each(check);
}

#[test]
fn more_random_nets_mean_the_same_everywhere() {
    (NETS / 2..NETS).for_each(check);
}
