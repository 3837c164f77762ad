//! Whole graphs, compiled in all ways, against the reference layer by layer: tiles of both widths and loops, weights as
//! they are and as f16, for this machine and for any, memory shared or not, one thread or several, all buffers between
//! guards; and no instruction that the target lacks.

use netc::codegen::{Code, Cpu, Options};
use netc::graph::{Graph, NodeId, ParamId};
use netc::passes;
use netc::plan::{self, Algorithms, Plan, Processor, Storage, plan};
use netc::program::Program;
use netc::tensor::Tensor;
use netc::verify;
use netc::weights::{Weights, rounded};

use crate::case::Random;
#[cfg(target_arch = "x86_64")]
use crate::features;
use crate::guard;

/// Compiles a graph in all ways and compares; gives the plans, which keep all values.
pub(crate) fn check(graph: Graph, seed: u64, algorithms: Algorithms) -> Vec<Plan> {
    let weights = Weights::random(seed);
    let graph = passes::optimise(graph, &mut |_, _| {});
    let mut random = Random(seed * 77 + 1);
    let shapes = graph.inputs().iter().map(|&it| &graph.node(it).shape);
    let inputs = shapes.map(|it| random.tensor(it)).collect();
    let subject = Subject { graph, weights, inputs };
    println!("seed {seed}\n{}", subject.graph);
    [Processor::NARROW, Processor::WIDE]
        .map(|processor| {
            let half_weights = seed.is_multiple_of(2);
            let options =
                plan::Options { algorithms, processor, half_weights, ..Default::default() };
            let tight = plan(&subject.graph, &options);
            let kept = plan(&subject.graph, &plan::Options { keep_all: true, ..options });
            for cpu in [Cpu::Native, Cpu::Baseline] {
                let outputs = subject.layers(&kept, cpu);
                subject.apart(&kept, cpu, &outputs);
                subject.threads(&tight, cpu, &outputs);
            }
            kept
        })
        .into()
}

/// What is compiled.
struct Subject {
    graph: Graph,
    weights: Weights,
    inputs: Vec<Tensor>,
}

impl Subject {
    fn data(&self) -> Vec<&[f32]> {
        self.inputs.iter().map(|it| it.data.as_slice()).collect()
    }

    fn tensor(&self, id: ParamId) -> Tensor {
        self.weights.tensor(&self.graph, id)
    }

    fn compile(&self, plan: &Plan, cpu: Cpu) -> Program {
        let options = Options { cpu, verify: true, texts: true };
        let program = Program::compile(plan, &|id| self.tensor(id), &options);
        self.decode(plan, program.code(), cpu);
        program
    }

    #[cfg(target_arch = "x86_64")]
    fn decode(&self, plan: &Plan, code: &Code, cpu: Cpu) {
        features::check(plan, code, cpu);
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn decode(&self, _: &Plan, _: &Code, _: Cpu) {}

    /// Every layer of a plan that keeps all values is within its bound; gives the outputs.
    fn layers(&self, kept: &Plan, cpu: Cpu) -> Vec<Tensor> {
        let graph = &self.graph;
        let program = self.compile(kept, cpu);
        let mut session = program.session(1);
        session.poison(&kept.values.iter().map(|it| it.1.clone()).collect::<Vec<_>>());
        session.run(&self.data()).unwrap();
        let value = |id: NodeId| match graph.inputs().iter().position(|it| *it == id) {
            Some(at) => self.inputs[at].clone(),
            None => {
                let view = &program.values().iter().find(|it| it.0 == id).unwrap().1;
                session.read(view).unwrap()
            }
        };
        let tensor = |id| match kept.storage(id) {
            Storage::F32 => self.tensor(id),
            Storage::F16 => rounded(self.tensor(id)),
        };
        for layer in verify::layers(graph, &tensor, &value, &|id| kept.spread(id)) {
            assert!(layer.ok, "{cpu:?} {layer:?}\n{graph}\n{kept}");
        }
        session.into_outputs()
    }

    /// Each buffer alone between guards. The parameters go in the other order, so that another one is the last.
    fn apart(&self, kept: &Plan, cpu: Cpu, expected: &[Tensor]) {
        let mut plan = guard::apart(kept);
        plan.packed.reverse();
        for param in plan.steps.iter_mut().flat_map(|it| &mut it.params) {
            param.0 = plan.packed.len() - 1 - param.0;
        }
        let program = self.compile(&plan, cpu);
        guard::check(&plan, program.code(), &self.data(), expected);
    }

    /// Memory that is shared in time and any number of threads change no bit.
    fn threads(&self, tight: &Plan, cpu: Cpu, expected: &[Tensor]) {
        let program = self.compile(tight, cpu);
        for threads in 1..=3 {
            let mut session = program.session(threads);
            session.run(&self.data()).unwrap();
            let found = session.run(&self.data()).unwrap();
            assert_eq!(bits(expected), bits(found), "{threads} {cpu:?}\n{}\n{tight}", self.graph);
        }
        guard::check(tight, program.code(), &self.data(), expected);
    }
}

pub(crate) fn bits(tensors: &[Tensor]) -> Vec<u32> {
    tensors.iter().flat_map(|it| it.data.iter().map(|it| it.to_bits())).collect()
}
