//! A net, its weights and random inputs, and the ways to run it.

use std::hint::black_box;
use std::path::Path;

use netc::codegen::{self, Cpu};
use netc::diag::Source;
use netc::elaborate::Options;
use netc::graph::Graph;
use netc::program::{Program, Session};
use netc::tensor::Tensor;
use netc::weights::{Weights, noise};
use netc::{interpret, model, passes, plan};

/// One run whose results nobody reads.
pub(crate) fn run(session: &mut Session, inputs: &[&[f32]]) {
    black_box(session.run(inputs).expect("the inputs fit"));
}

/// A net with random weights.
pub(crate) struct Net {
    pub(crate) graph: Graph,
    pub(crate) weights: Weights,
}

impl Net {
    /// The only net of a text.
    pub(crate) fn of(text: &str) -> Net {
        let graph = model::parse("bench.net", text).unwrap_or_else(|it| panic!("{it}")).graph;
        Net { weights: Weights::random(1), graph }
    }

    /// A net of `models/`, perhaps at another size of its input.
    pub(crate) fn model(file: &str, net: &str, input: Option<&[usize]>) -> Net {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(file);
        let text = std::fs::read_to_string(path).expect("a model of the project");
        let inputs = input.map(|it| ("image".to_owned(), it.to_vec()));
        let options = Options {
            net: Some(net.to_owned()),
            inputs: inputs.into_iter().collect(),
            ..Options::default()
        };
        let mut read = |_: &str| Err("models stand alone".to_owned());
        let source = Source { name: file.to_owned(), text };
        let built = model::build(source, &mut read, &options);
        let graph = built.unwrap_or_else(|it| panic!("{it}")).graph;
        Net { weights: Weights::random(1), graph }
    }

    pub(crate) fn compile(&self, cpu: Cpu) -> Program {
        let graph = passes::optimise(self.graph.clone(), &mut |_, _| {});
        let plan = plan::plan(&graph, &plan::Options::default());
        let tensor = |id| self.weights.tensor(&graph, id);
        Program::compile(&plan, &tensor, &codegen::Options { cpu, ..codegen::Options::default() })
    }

    /// Native code on one thread, ready to run.
    pub(crate) fn session(&self, cpu: Cpu) -> Session {
        self.compile(cpu).session(1)
    }

    pub(crate) fn inputs(&self) -> Vec<Tensor> {
        let ids = self.graph.inputs().iter().enumerate();
        ids.map(|(i, &id)| {
            let node = self.graph.node(id);
            noise(i as u64, &node.path, &node.shape)
        })
        .collect()
    }

    /// One run of the reference.
    pub(crate) fn reference(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let params = |id| self.weights.tensor(&self.graph, id);
        interpret::outputs(&self.graph, &params, inputs)
    }
}
