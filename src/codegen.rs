//! Machine code: one routine for each step of a plan, and the hot tiles that it calls.
//!
//! Cranelift writes loops, addresses and glue; [`tile`] writes what runs in the innermost loops. A routine is
//! `fn(context, begin, end)`: it computes some of the independent units of its step. Units never share a sum, so the
//! result does not depend on how they are divided among threads.
//!
//! What keeps generated code inside its buffers: the checked plan, addresses formed from loop counters and constants
//! only (tables included), and loops whose bounds are the extents of the views.

mod contract;
mod cost;
mod emit;
mod jit;
mod linear;
mod loops;
pub mod machine;
mod math;
pub mod memory;
mod pack;
mod series;
mod suppress;
pub mod tile;
mod winograd;

use std::collections::HashMap;
use std::fmt::Write as _;

use cranelift::prelude::{FunctionBuilder, FunctionBuilderContext, isa};
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter};

pub use emit::Context;
pub use pack::Blob;
use pack::Pieces;

use crate::plan::{Kernel, Plan};
use crate::weights::Values;

/// For which processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cpu {
    /// This machine's, with all it can do.
    #[default]
    Native,
    /// Any of this architecture (x86-64 with SSE 4.2): no wide vectors, no fused multiply-add.
    Baseline,
}

/// What a compilation may do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For which processor.
    pub cpu: Cpu,
    /// Whether Cranelift checks the intermediate code of every routine.
    pub verify: bool,
    /// Whether the texts of routines are kept for [`Code::clif`] and [`Code::asm`].
    pub texts: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { cpu: Cpu::Native, verify: cfg!(debug_assertions), texts: false }
    }
}

/// The machine code of a plan and the parameters that it reads.
#[derive(Debug)]
pub struct Code {
    image: jit::Image,
    blob: Blob,
    routines: Vec<RoutineInfo>,
    beyond: usize,
}

/// What is known of a step's routine.
#[derive(Clone, Debug)]
struct RoutineInfo {
    units: i64,
    nanoseconds: u64,
    clif: String,
    /// The machine code of the routine and of its leaves, if texts are kept.
    code: Vec<Vec<u8>>,
}

/// What compiling one step gives.
struct Built {
    code: jit::Compiled,
    leaves: Vec<Vec<u8>>,
    units: usize,
    nanoseconds: u64,
    clif: String,
}

/// Compiles a plan, and packs its parameters beside. A value is asked for once for each of its packings; few are
/// held at a time. The same plan, values and options give the same code.
pub fn compile(plan: &Plan, values: &dyn Values, options: &Options) -> Code {
    let mut blob = Blob::lay_out(plan);
    let mut memory = blob.take_memory();
    let recalled = values.recall(&mut memory.as_mut_slice()[..blob.param_elements()]);
    let target = jit::target(options.cpu, options.verify);
    let steps = plan.steps.len();
    let pieces = Pieces::new(plan, &blob, values, memory.as_mut_slice());
    let all = steps + if recalled { 0 } else { pieces.count() };
    let built = jit::in_parallel(all, &|at| match at.checked_sub(steps) {
        None => Some(build(plan, at, &blob, target.as_ref(), options)),
        Some(piece) => {
            pieces.pack(piece);
            None
        }
    });
    let beyond = pieces.beyond();
    drop(pieces);
    blob.put_memory(memory);
    let mut leaves: Vec<jit::Compiled> = Vec::new();
    let mut known = HashMap::new();
    let (mut routines, mut infos) = (Vec::new(), Vec::new());
    for it in built.into_iter().flatten() {
        let mut intern = |code: Vec<u8>| {
            *known.entry(code.clone()).or_insert_with(|| {
                leaves.push(jit::Compiled::leaf(code));
                leaves.len() - 1
            })
        };
        let mut text = Vec::new();
        if options.texts {
            text.push(it.code.code().to_vec());
            text.extend(it.leaves.iter().cloned());
        }
        infos.push(RoutineInfo {
            units: i64::try_from(it.units).expect("a step has few units"),
            nanoseconds: it.nanoseconds,
            clif: it.clif,
            code: text,
        });
        let own = it.leaves.into_iter().map(&mut intern).collect();
        routines.push(jit::Routine { code: it.code, leaves: own });
    }
    let image = jit::Image::new(target, &routines, &leaves);
    Code { image, blob, routines: infos, beyond }
}

fn build(
    plan: &Plan,
    at: usize,
    blob: &Blob,
    target: &dyn isa::TargetIsa,
    options: &Options,
) -> Built {
    let step = &plan.steps[at];
    let mut function = jit::routine(target, at);
    let mut context = FunctionBuilderContext::new();
    let builder = FunctionBuilder::new(&mut function, &mut context);
    let fused = jit::has_fma(target);
    let mut bundled = true;
    let (leaves, units) = match &step.kernel {
        Kernel::Loops(loops) => {
            let schedule = loops::emit(builder, target, plan, step, loops, blob, fused);
            bundled = schedule.is_bundled();
            (Vec::new(), schedule.units)
        }
        Kernel::Contract(it) => contract::emit_contract(builder, target, plan, step, it, blob),
        Kernel::Depthwise(it) => contract::emit_depthwise(builder, target, plan, step, it, blob),
        Kernel::Winograd(it) => winograd::emit(builder, target, plan, step, it, blob),
        Kernel::Suppress(it) => (Vec::new(), suppress::emit(builder, target, plan, step, it)),
        Kernel::Pool(it) => contract::emit_pool(builder, target, plan, step, it, blob),
    };
    let clif = if options.texts { function.display().to_string() } else { String::new() };
    let code = jit::compile(function, target);
    Built { code, leaves, units, nanoseconds: cost::nanoseconds(step, bundled), clif }
}

/// A routine in executable memory: `fn(context, begin, end)`.
pub type Routine = unsafe extern "C" fn(*const Context, i64, i64);

impl Code {
    /// The routine of a step.
    ///
    /// It may be called while this `Code` lives, with a context whose pointers are valid for the plan's arena, inputs
    /// and outputs and for this code's blob, and with `0 <= begin <= end <= units`. Calls for ranges of units that
    /// do not overlap may run at once.
    pub fn routine(&self, step: usize) -> Routine {
        let address = self.image.entries()[step].0;
        // SAFETY: the image holds at this address a routine of this signature, in the default calling convention of
        // the target.
        unsafe { std::mem::transmute::<*const u8, Routine>(address) }
    }

    /// The independent units of a step.
    pub fn units(&self, step: usize) -> i64 {
        self.routines[step].units
    }

    /// What a step is expected to take on one thread, in nanoseconds.
    pub fn nanoseconds(&self, step: usize) -> u64 {
        self.routines[step].nanoseconds
    }

    /// The packed parameters and tables.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// How many weights were to become f16, are beyond the greatest, and became that. None is known where all were
    /// recalled.
    pub fn beyond_half(&self) -> usize {
        self.beyond
    }

    /// The intermediate code of a step's routine, if texts were kept.
    pub fn clif(&self, step: usize) -> &str {
        &self.routines[step].clif
    }

    /// The machine code of a step's routine, then of the tiles that it calls, if texts were kept.
    pub fn machine_code(&self, step: usize) -> &[Vec<u8>] {
        &self.routines[step].code
    }

    /// [`Code::machine_code`] in AT&T syntax.
    pub fn asm(&self, step: usize) -> String {
        let mut text = String::new();
        for (at, code) in self.routines[step].code.iter().enumerate() {
            match at {
                0 => writeln!(text, "routine:"),
                _ => writeln!(text, "tile {at}:"),
            }
            .expect("a string takes text");
            disassemble(code, &mut text);
        }
        text
    }
}

fn disassemble(code: &[u8], text: &mut String) {
    let mut formatter = GasFormatter::new();
    for instruction in Decoder::new(64, code, DecoderOptions::NONE) {
        write!(text, "{:6x}  ", instruction.ip()).expect("a string takes text");
        formatter.format(&instruction, text);
        text.push('\n');
    }
}
