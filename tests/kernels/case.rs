//! A nest on random data, run as code in random layouts and as its definition.

use netc::codegen::{Cpu, Options};
use netc::graph::ParamId;
use netc::nest::interpret::interpret;
use netc::nest::{self, Affine, Expr, Nest, Stage};
use netc::plan::{
    Buffer, BufferId, Home, Kernel, LANES, Loops, Packed, PackedId, Packing, Plan, Step, View,
};
use netc::program::Program;
use netc::shape::Shape;
use netc::tensor::Tensor;

/// A small generator of numbers (xorshift, Marsaglia 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A generator that has forgotten how much alike neighbouring seeds are.
    pub(crate) fn seeded(seed: u64) -> Random {
        let mut random = Random(seed * 0x9e37_79b9);
        (0..9).for_each(|_| assert_ne!(random.next(), 0));
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number between two bounds, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + usize::try_from(self.next() % (high - low + 1) as u64).unwrap()
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.between(0, all.len() - 1)]
    }

    /// Multiples of 1/64 between -2 and 2: sums of few products are exact.
    pub(crate) fn tensor(&mut self, shape: &Shape) -> Tensor {
        let data = (0..shape.elements()).map(|_| (self.between(0, 256) as f32 - 128.0) / 64.0);
        Tensor::new(shape.clone(), data.collect())
    }
}

/// What is computed from what.
pub(crate) struct Case {
    pub(crate) nest: Nest,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) params: Vec<Tensor>,
    pub(crate) output: Shape,
}

impl Case {
    /// The definition's result.
    pub(crate) fn expected(&self) -> Tensor {
        let inputs: Vec<_> = self.inputs.iter().collect();
        let params: Vec<_> = self.params.iter().collect();
        interpret(&self.nest, &inputs, &params, &self.output)
    }

    /// The code's result, operands and temporaries in layouts drawn at random.
    pub(crate) fn run(&self, random: &mut Random, cpu: Cpu, threads: usize) -> Tensor {
        let plan = self.plan(random);
        self.run_plan(&plan, cpu, threads)
    }

    pub(crate) fn run_plan(&self, plan: &Plan, cpu: Cpu, threads: usize) -> Tensor {
        let options = Options { cpu, verify: true, ..Options::default() };
        let tensor = |id: ParamId| self.params[id.0].clone();
        let program = Program::compile(plan, &tensor, &options);
        let inputs: Vec<&[f32]> = self.inputs.iter().map(|it| it.data.as_slice()).collect();
        let mut session = program.session(threads);
        let arena: Vec<View> = plan.steps.iter().map(|it| it.output.clone()).collect();
        session.poison(&arena);
        session.run(&inputs).unwrap();
        session.into_outputs().remove(0)
    }

    /// Copies of the inputs, the stages, a copy of the output.
    pub(crate) fn plan(&self, random: &mut Random) -> Plan {
        let mut plan = Plan {
            name: "case".to_owned(),
            steps: Vec::new(),
            buffers: Vec::new(),
            packed: Vec::new(),
            arena_bytes: 0,
            scratch_bytes: 0,
            winograd: Vec::new(),
            values: Vec::new(),
            inputs: Vec::new(),
            outputs: vec![("out".to_owned(), self.output.clone())],
        };
        let mut inputs = Vec::new();
        for (at, tensor) in self.inputs.iter().enumerate() {
            plan.inputs.push((format!("in{at}"), tensor.shape.clone()));
            let given = place(&mut plan, &tensor.shape, Some(Home::Input(at)), None);
            if random.between(0, 3) == 0 {
                inputs.push(given);
                continue;
            }
            let view = place(&mut plan, &tensor.shape, None, Some(random));
            plan.steps.push(copy(given, view.clone()));
            inputs.push(view);
        }
        let mut params = Vec::new();
        for (at, tensor) in self.params.iter().enumerate() {
            let elements = tensor.shape.elements().next_multiple_of(LANES);
            let (param, shape) = (ParamId(at), tensor.shape.clone());
            plan.packed.push(Packed { param, shape, packing: Packing::Rows, elements });
            params.push(PackedId(at));
        }
        let temps: Vec<View> =
            self.nest.temps.iter().map(|it| place(&mut plan, it, None, Some(random))).collect();
        let given = place(&mut plan, &self.output, Some(Home::Output(0)), None);
        let direct = random.between(0, 3) == 0;
        let output =
            if direct { given.clone() } else { place(&mut plan, &self.output, None, Some(random)) };
        for stage in &self.nest.stages {
            let to = match stage.target {
                nest::Buffer::Temp(at) => temps[at].clone(),
                _ => output.clone(),
            };
            plan.steps.push(Step {
                path: "case".to_owned(),
                node: None,
                kernel: Kernel::Loops(Loops { stage: stage.clone(), epilogue: Vec::new() }),
                inputs: inputs.clone(),
                params: params.clone(),
                temps: temps.clone(),
                output: to,
                choice: None,
            });
        }
        if !direct {
            plan.steps.push(copy(output, given));
        }
        plan
    }
}

fn place(plan: &mut Plan, shape: &Shape, home: Option<Home>, layout: Option<&mut Random>) -> View {
    let id = BufferId(plan.buffers.len());
    let (view, elements) = match layout {
        None => View::plain(id, shape, &[]),
        Some(random) => {
            let halo: Vec<_> = shape
                .spatial()
                .iter()
                .map(|_| (random.between(0, 2), random.between(0, 2)))
                .collect();
            if shape.rank() >= 2 && random.between(0, 3) > 0 {
                View::blocked(id, shape, &halo)
            } else {
                View::plain(id, shape, &halo)
            }
        }
    };
    let home = home.unwrap_or_else(|| {
        let at = plan.arena_bytes;
        plan.arena_bytes += (elements * 4).next_multiple_of(64);
        Home::Arena(at)
    });
    plan.buffers.push(Buffer { elements, home });
    view
}

pub(crate) fn copy(from: View, to: View) -> Step {
    let at = (0..from.shape.rank()).map(Affine::axis);
    let value = Expr::load(nest::Buffer::Input(0), at);
    let stage = Stage::each(nest::Buffer::Output, &from.shape, value);
    Step {
        path: "copy".to_owned(),
        node: None,
        kernel: Kernel::Loops(Loops { stage, epilogue: Vec::new() }),
        inputs: vec![from],
        params: Vec::new(),
        temps: Vec::new(),
        output: to,
        choice: None,
    }
}

/// Asserts equal numbers but for `ulps` units in the last place (and zero for subnormal).
pub(crate) fn assert_close(
    expected: &Tensor,
    got: &Tensor,
    ulps: u32,
    what: &dyn std::fmt::Display,
) {
    for (at, (&e, &g)) in expected.data.iter().zip(&got.data).enumerate() {
        assert!(is_close(e, g, ulps), "element {at}: expected {e:?}, got {g:?} in\n{what}");
    }
}

pub(crate) fn is_close(expected: f32, got: f32, ulps: u32) -> bool {
    if expected.is_nan() || got.is_nan() {
        return expected.is_nan() && got.is_nan();
    }
    let order = |it: f32| {
        let bits = i64::from(it.to_bits() & 0x7fff_ffff);
        if it.is_sign_negative() { -bits } else { bits }
    };
    let tiny = expected.abs() < f32::MIN_POSITIVE && got.abs() <= f32::MIN_POSITIVE;
    tiny || (order(expected) - order(got)).abs() <= i64::from(ulps)
}
