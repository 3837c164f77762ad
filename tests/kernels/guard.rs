//! Code with all its memory between guards: each buffer ends or begins where the process may touch nothing, so that
//! one byte too many, read or written, ends it. What code may read beyond a value, such as the line behind the
//! parameters, is part of the buffer.
//!
//! A fault ends the tests without a word; with `--nocapture` the last lines name the case.

use netc::codegen::{Code, Context};
use netc::nest::interpret::for_each_point;
use netc::plan::{Home, LANES, Plan, View};
use netc::tensor::Tensor;
use region::{Allocation, Protection};

/// The page that a buffer lies flush against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    Begin,
    End,
}

/// Numbers between two pages that nobody may touch.
struct Guarded {
    pages: Allocation,
    /// Bytes from the first page to the numbers.
    skip: usize,
    len: usize,
}

impl Guarded {
    fn new(numbers: &[f32], flush: Flush, access: Protection) -> Guarded {
        let page = region::page::size();
        let bytes = size_of_val(numbers);
        let inner = bytes.next_multiple_of(page).max(page);
        let pages = region::alloc(inner + 2 * page, Protection::NONE).unwrap();
        let room = if flush == Flush::End { inner - bytes } else { 0 };
        let mut guarded = Guarded { pages, skip: page + room, len: numbers.len() };
        let inside = guarded.pages.as_ptr::<u8>().wrapping_add(page);
        // SAFETY: the pages between the first and the last are this value's own, and the numbers fit into them.
        unsafe {
            region::protect(inside, inner, Protection::READ_WRITE).unwrap();
            guarded.data().copy_from_nonoverlapping(numbers.as_ptr(), numbers.len());
            region::protect(inside, inner, access).unwrap();
        }
        guarded
    }

    fn data(&mut self) -> *mut f32 {
        self.pages.as_mut_ptr::<u8>().wrapping_add(self.skip).cast()
    }

    fn numbers(&self) -> &[f32] {
        let data = self.pages.as_ptr::<u8>().wrapping_add(self.skip).cast();
        // SAFETY: so many numbers were written there, which may be read while the pages live.
        unsafe { std::slice::from_raw_parts(data, self.len) }
    }
}

/// The plan with every buffer of its arena as memory of its own: outputs behind those that it has.
pub(crate) fn apart(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let mut outputs = plan.outputs.len();
    for buffer in &mut plan.buffers {
        if matches!(buffer.home, Home::Arena(_)) {
            buffer.home = Home::Output(outputs);
            outputs += 1;
        }
    }
    plan.arena_bytes = 0;
    plan
}

/// Runs the code of a plan between guards, on both sides, and some units at a time; the outputs must be as expected,
/// and a halo must stay zero.
pub(crate) fn check(plan: &Plan, code: &Code, inputs: &[&[f32]], expected: &[Tensor]) {
    for (flush, parts) in [(Flush::End, 1), (Flush::Begin, 3)] {
        let outputs = run(plan, code, inputs, flush, parts);
        for (tensor, found) in expected.iter().zip(&outputs) {
            // Subnormal numbers are not flushed here.
            let same =
                |(a, b): (&f32, &f32)| (a - b).abs() < 1e-30 || a.is_nan() && b.is_nan() || a == b;
            assert!(tensor.data.iter().zip(found).all(same), "{flush:?} {parts}\n{plan}");
        }
        let poisoned = poisoned(plan);
        for ((found, first), at) in outputs.iter().zip(&poisoned).zip(0..) {
            let kept = |(found, first): (&f32, &f32)| first.is_nan() || found.to_bits() == 0;
            assert!(found.iter().zip(first).all(kept), "the halo of output {at}\n{plan}");
        }
    }
}

/// What outputs hold before a run: NaN where steps write, zero in halos.
fn poisoned(plan: &Plan) -> Vec<Vec<f32>> {
    let mut outputs = Vec::new();
    for buffer in &plan.buffers {
        if let Home::Output(at) = buffer.home {
            if outputs.len() <= at {
                outputs.resize(at + 1, Vec::new());
            }
            outputs[at] = vec![0.0; buffer.elements];
        }
    }
    for view in plan.steps.iter().flat_map(|it| it.temps.iter().chain([&it.output])) {
        if let Home::Output(at) = plan.buffers[view.buffer.0].home {
            for_each_element(view, &mut |it| outputs[at][it] = f32::NAN);
        }
    }
    outputs
}

/// The elements that a view owns without its halo.
fn for_each_element(view: &View, visit: &mut dyn FnMut(usize)) {
    let mut dims = view.shape.dims().to_vec();
    if view.blocked {
        dims[1] = dims[1].next_multiple_of(LANES);
    }
    for_each_point(&dims, &mut |place| visit(view.at(place)));
}

/// The outputs of one run, the units of each step in so many parts.
fn run(plan: &Plan, code: &Code, inputs: &[&[f32]], flush: Flush, parts: i64) -> Vec<Vec<f32>> {
    let guarded = |numbers: &[f32]| Guarded::new(numbers, flush, Protection::READ_WRITE);
    let constant = |numbers: &[f32]| Guarded::new(numbers, flush, Protection::READ);
    let mut blob = constant(code.blob().as_slice());
    let mut scratch = guarded(&vec![f32::NAN; plan.scratch_bytes / size_of::<f32>()]);
    let mut arena = guarded(&vec![0.0; plan.arena_bytes / size_of::<f32>()]);
    let mut inputs: Vec<Guarded> = inputs.iter().map(|it| constant(it)).collect();
    let mut outputs: Vec<Guarded> = poisoned(plan).iter().map(|it| guarded(it)).collect();
    let inputs: Vec<*const f32> = inputs.iter_mut().map(|it| it.data().cast_const()).collect();
    let to: Vec<*mut f32> = outputs.iter_mut().map(Guarded::data).collect();
    let context = Context {
        arena: arena.data(),
        blob: blob.data(),
        inputs: inputs.as_ptr(),
        outputs: to.as_ptr(),
        scratch: scratch.data(),
    };
    for step in 0..plan.steps.len() {
        let units = code.units(step);
        for part in 0..parts {
            let (begin, end) = (units * part / parts, units * (part + 1) / parts);
            // SAFETY: the context points to memory of the sizes that the plan asks for, which nobody else uses.
            unsafe { code.routine(step)(&raw const context, begin, end) };
        }
    }
    outputs.iter().map(|it| it.numbers().to_vec()).collect()
}

#[test]
fn guards_are_where_they_should_be() {
    for flush in [Flush::Begin, Flush::End] {
        for len in [0, 1, 7, 1024, 1025] {
            let numbers = vec![1.5; len];
            let guarded = Guarded::new(&numbers, flush, Protection::READ);
            assert_eq!(guarded.numbers(), numbers);
            let begin = guarded.numbers().as_ptr().addr();
            let beyond = match flush {
                Flush::Begin => begin - 1,
                Flush::End => begin + 4 * len,
            };
            let access = |at: usize| region::query(at as *const u8).unwrap().protection();
            assert_eq!(access(beyond), Protection::NONE, "{flush:?} {len}");
        }
    }
}
