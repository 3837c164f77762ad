//! The running program: memory, threads, inputs and outputs of compiled code.
//!
//! A [`Program`] never changes and may be shared. A [`Session`] is one caller's memory and threads; several sessions
//! of one program run side by side. After the first run of a session nothing is allocated.

mod flush;
mod pool;
mod session;

use std::sync::Arc;

pub use session::Session;

use crate::codegen::{self, Code};
use crate::graph::NodeId;
use crate::plan::{Buffer, Plan, View};
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::Values;

/// A step expected to take less than this, in nanoseconds, runs on one thread: waking another may take as
/// long.
const PARALLEL_NS: u64 = 20_000;

/// Where all steps that are worth dividing are expected to take less than this together, nothing is divided: a
/// thread that sleeps between runs wakes in some tens of microseconds.
const WAKE_NS: u64 = 80_000;

/// A compiled network.
#[derive(Clone, Debug)]
pub struct Program {
    shared: Arc<Shared>,
}

/// What all sessions of a program read.
#[derive(Debug)]
struct Shared {
    code: Code,
    stages: Vec<Stage>,
    buffers: Vec<Buffer>,
    arena_bytes: usize,
    scratch_bytes: usize,
    values: Vec<(NodeId, View)>,
    paths: Vec<String>,
    inputs: Vec<(String, Shape)>,
    outputs: Vec<(String, Shape)>,
}

/// Steps between two barriers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// These steps, by the first thread alone.
    Alone(std::ops::Range<usize>),
    /// One step, its units divided evenly.
    Together(usize),
}

/// Why a run did not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Too few or too many inputs.
    #[error("the net takes {expected} inputs, {given} were given")]
    Inputs {
        /// How many the net takes.
        expected: usize,
        /// How many there were.
        given: usize,
    },
    /// An input of another size.
    #[error("input `{name}` has {expected} values, {given} were given")]
    Length {
        /// The input's name.
        name: String,
        /// How many values it has.
        expected: usize,
        /// How many there were.
        given: usize,
    },
}

impl Program {
    /// Compiles a plan; see [`codegen::compile`].
    pub fn compile(plan: &Plan, values: &dyn Values, options: &codegen::Options) -> Program {
        let code = codegen::compile(plan, values, options);
        let stages = stages(&code, plan.steps.len());
        let shared = Shared {
            code,
            stages,
            buffers: plan.buffers.clone(),
            arena_bytes: plan.arena_bytes,
            scratch_bytes: plan.scratch_bytes,
            values: plan.values.clone(),
            paths: plan.steps.iter().map(|it| it.path.clone()).collect(),
            inputs: plan.inputs.clone(),
            outputs: plan.outputs.clone(),
        };
        Program { shared: Arc::new(shared) }
    }

    /// Memory and threads for runs of this program. One thread is the caller's own.
    pub fn session(&self, threads: usize) -> Session {
        Session::new(self.shared.clone(), threads)
    }

    /// One run in a session of its own.
    ///
    /// # Errors
    /// When the inputs are not as many or as long as [`Program::inputs`] says.
    pub fn run(&self, inputs: &[&[f32]], threads: usize) -> Result<Vec<Tensor>, RunError> {
        let mut session = self.session(threads);
        session.run(inputs)?;
        Ok(session.into_outputs())
    }

    /// Names and shapes of the inputs, in order.
    pub fn inputs(&self) -> &[(String, Shape)] {
        &self.shared.inputs
    }

    /// Names and shapes of the outputs, in order.
    pub fn outputs(&self) -> &[(String, Shape)] {
        &self.shared.outputs
    }

    /// Where each node's value lies after a run, if the plan kept them all.
    pub fn values(&self) -> &[(NodeId, View)] {
        &self.shared.values
    }

    /// The layer path of each step.
    pub fn paths(&self) -> &[String] {
        &self.shared.paths
    }

    /// How many steps are divided among threads, where a session has several.
    pub fn divided(&self) -> usize {
        self.shared.stages.iter().filter(|it| matches!(it, Stage::Together(_))).count()
    }

    /// The machine code.
    pub fn code(&self) -> &Code {
        &self.shared.code
    }

    /// Bytes that each thread of a session has for itself, beside the arena.
    pub fn scratch_bytes(&self) -> usize {
        self.shared.scratch_bytes
    }

    /// Bytes of a session's arena.
    pub fn arena_bytes(&self) -> usize {
        self.shared.arena_bytes
    }
}

/// Groups steps: those worth dividing stand alone, the others in runs.
fn stages(code: &Code, steps: usize) -> Vec<Stage> {
    let is_worth = |step: usize| code.nanoseconds(step) >= PARALLEL_NS && code.units(step) > 1;
    let divided: u64 = (0..steps).filter(|&it| is_worth(it)).map(|it| code.nanoseconds(it)).sum();
    let mut stages = Vec::new();
    for step in 0..steps {
        if divided >= WAKE_NS && is_worth(step) {
            stages.push(Stage::Together(step));
        } else if let Some(Stage::Alone(run)) = stages.last_mut() {
            run.end = step + 1;
        } else {
            stages.push(Stage::Alone(step..step + 1));
        }
    }
    stages
}
