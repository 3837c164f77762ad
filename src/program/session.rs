//! One caller's memory and threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::{Duration, Instant};

use super::flush::Flush;
use super::pool::{Barrier, Pool, Run};
use super::{RunError, Shared, Stage};
use crate::codegen::Context;
use crate::codegen::memory::Floats;
use crate::nest::interpret::for_each_point;
use crate::plan::{Home, LANES, View};
use crate::tensor::Tensor;

/// Memory and threads for runs of one program.
pub struct Session {
    shared: Arc<Shared>,
    arena: Floats,
    /// Of each thread alone.
    scratch: Vec<Floats>,
    /// Copies of the inputs' addresses and the outputs', for the context.
    inputs: Vec<*const f32>,
    outputs: Vec<*mut f32>,
    tensors: Vec<Tensor>,
    /// One for each thread, made anew for each run.
    contexts: Vec<Context>,
    threads: Option<Threads>,
}

// SAFETY: the addresses are of the session's own tensors, or of inputs that are read during `run` only; they say
// nothing of the thread that made them.
unsafe impl Send for Session {}

struct Threads {
    pool: Pool,
    run: Arc<Run>,
    /// The contexts of the threads, in their order.
    contexts: Arc<AtomicPtr<Context>>,
    count: usize,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, threads: usize) -> Session {
        let arena = Floats::zeroed(shared.arena_bytes.div_ceil(size_of::<f32>()));
        let tensors: Vec<_> =
            shared.outputs.iter().map(|it| Tensor::filled(it.1.clone(), 0.0)).collect();
        let useful = shared.stages.iter().any(|it| matches!(it, Stage::Together(_)));
        let threads = (threads > 1 && useful).then(|| Threads::new(&shared, threads));
        let scratch: Vec<_> = (0..threads.as_ref().map_or(1, |it| it.count))
            .map(|_| Floats::zeroed(shared.scratch_bytes.div_ceil(size_of::<f32>())))
            .collect();
        let inputs = Vec::with_capacity(shared.inputs.len());
        let outputs = Vec::with_capacity(tensors.len());
        let contexts = Vec::with_capacity(scratch.len());
        Session { shared, arena, scratch, inputs, outputs, tensors, contexts, threads }
    }

    /// Runs the net; the outputs lie in the session until the next run.
    ///
    /// # Errors
    /// When the inputs are not as many or as long as the net's.
    pub fn run(&mut self, inputs: &[&[f32]]) -> Result<&[Tensor], RunError> {
        self.check(inputs)?;
        self.make_contexts(inputs);
        match &mut self.threads {
            None => {
                let _flush = Flush::new();
                // SAFETY: the context was just made of this session's memory and of inputs of checked lengths, all
                // borrowed until `run` ends; nobody else computes.
                unsafe { self.shared.steps(self.contexts.as_ptr(), 0..self.shared.paths.len()) };
            }
            Some(threads) => {
                threads.contexts.store(self.contexts.as_mut_ptr(), Ordering::Release);
                threads.pool.run(&*threads.run);
            }
        }
        Ok(&self.tensors)
    }

    /// Runs the net step by step on this thread; gives the time of each step.
    ///
    /// # Errors
    /// When the inputs are not as many or as long as the net's.
    pub fn profile(&mut self, inputs: &[&[f32]]) -> Result<Vec<Duration>, RunError> {
        self.check(inputs)?;
        self.make_contexts(inputs);
        let context = self.contexts.as_ptr();
        let _flush = Flush::new();
        let time = |step| {
            let start = Instant::now();
            // SAFETY: as in `run` on one thread.
            unsafe { self.shared.steps(context, step..step + 1) };
            start.elapsed()
        };
        Ok((0..self.shared.paths.len()).map(time).collect())
    }

    /// Contexts of this session's memory and of these inputs, valid while both are borrowed.
    fn make_contexts(&mut self, inputs: &[&[f32]]) {
        self.inputs.clear();
        self.inputs.extend(inputs.iter().map(|it| it.as_ptr()));
        self.outputs.clear();
        self.outputs.extend(self.tensors.iter_mut().map(|it| it.data.as_mut_ptr()));
        self.contexts.clear();
        self.contexts.extend(self.scratch.iter_mut().map(|scratch| Context {
            arena: self.arena.as_mut_slice().as_mut_ptr(),
            blob: self.shared.code.blob().as_slice().as_ptr(),
            inputs: self.inputs.as_ptr(),
            outputs: self.outputs.as_ptr(),
            scratch: scratch.as_mut_slice().as_mut_ptr(),
        }));
    }

    fn check(&self, inputs: &[&[f32]]) -> Result<(), RunError> {
        let expected = &self.shared.inputs;
        if expected.len() != inputs.len() {
            return Err(RunError::Inputs { expected: expected.len(), given: inputs.len() });
        }
        for ((name, shape), input) in expected.iter().zip(inputs) {
            if shape.elements() != input.len() {
                let (expected, given) = (shape.elements(), input.len());
                return Err(RunError::Length { name: name.clone(), expected, given });
            }
        }
        Ok(())
    }

    /// The outputs of the last run; zeros before the first.
    pub fn outputs(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The outputs of the last run, and the end of the session.
    pub fn into_outputs(mut self) -> Vec<Tensor> {
        std::mem::take(&mut self.tensors)
    }

    /// What a view of the arena or of an output holds, row-major; `None` for a caller's input.
    ///
    /// It is the value of the view's node only if the plan kept all values.
    pub fn read(&self, view: &View) -> Option<Tensor> {
        let elements = match self.shared.buffers[view.buffer.0].home {
            Home::Input(_) => return None,
            Home::Output(at) => &self.tensors[at].data,
            Home::Arena(at) => &self.arena.as_slice()[at / size_of::<f32>()..],
        };
        let mut data = Vec::with_capacity(view.shape.elements());
        for_each_point(view.shape.dims(), &mut |place| data.push(elements[view.at(place)]));
        Some(Tensor::new(view.shape.clone(), data))
    }

    /// Fills the memory between views with NaN, so that a read of what was never written shows in the results.
    /// Halos of `views` and everything outside them stay as they are.
    pub fn poison(&mut self, views: &[View]) {
        self.scratch.iter_mut().for_each(|it| it.as_mut_slice().fill(f32::NAN));
        for view in views {
            let Home::Arena(at) = self.shared.buffers[view.buffer.0].home else { continue };
            let elements = &mut self.arena.as_mut_slice()[at / size_of::<f32>()..];
            let mut dims = view.shape.dims().to_vec();
            if view.blocked {
                dims[1] = dims[1].next_multiple_of(LANES);
            }
            for_each_point(&dims, &mut |place| elements[view.at(place)] = f32::NAN);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("outputs", &self.tensors).finish_non_exhaustive()
    }
}

impl Threads {
    fn new(shared: &Arc<Shared>, threads: usize) -> Threads {
        let contexts = Arc::new(AtomicPtr::<Context>::default());
        let (shared, given) = (shared.clone(), contexts.clone());
        let run: Arc<Run> = Arc::new(move |thread, barrier: &Barrier, met: &mut usize| {
            let _flush = Flush::new();
            // SAFETY: `Session::run` made a context for each of so many threads.
            let context = unsafe { given.load(Ordering::Acquire).cast_const().add(thread) };
            for (at, stage) in shared.stages.iter().enumerate() {
                if at > 0 {
                    barrier.meet(met);
                }
                match stage {
                    Stage::Alone(steps) if thread == 0 => {
                        // SAFETY: `Session::run` made the contexts and waits until all threads are done; between
                        // barriers only this thread computes.
                        unsafe { shared.steps(context, steps.clone()) }
                    }
                    Stage::Alone(_) => {}
                    Stage::Together(step) => {
                        let (begin, end) = share(shared.code.units(*step), thread, threads);
                        // SAFETY: as above, and shares of different threads do not overlap.
                        unsafe { shared.code.routine(*step)(context, begin, end) }
                    }
                }
            }
        });
        Threads { pool: Pool::new(threads, &run), run, contexts, count: threads }
    }
}

/// The units of one thread: even, without overlap.
fn share(units: i64, thread: usize, threads: usize) -> (i64, i64) {
    let at = |thread: usize| {
        let share = i128::from(units) * thread as i128 / threads as i128;
        i64::try_from(share).expect("at most all units")
    };
    (at(thread), at(thread + 1))
}

impl Shared {
    /// Runs steps on this thread.
    ///
    /// # Safety
    /// The context must point to an arena, inputs and outputs of this program's sizes and to its blob, and nobody else
    /// may touch them meanwhile.
    unsafe fn steps(&self, context: *const Context, steps: std::ops::Range<usize>) {
        for step in steps {
            // SAFETY: the caller gave a valid context; all units are computed by this thread.
            unsafe { self.code.routine(step)(context, 0, self.code.units(step)) }
        }
    }
}
