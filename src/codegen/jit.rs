//! Executable memory: the target, compiled routines, and their owner.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cranelift::codegen::control::ControlPlane;
use cranelift::codegen::ir::{Function, UserFuncName};
use cranelift::codegen::isa::{CallConv, OwnedTargetIsa};
use cranelift::codegen::{Context, ir};
use cranelift::jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift::module::{FuncId, Linkage, Module, ModuleReloc, ModuleRelocTarget};
use cranelift::prelude::*;

use super::Cpu;

/// The alignment of routines and tiles.
const ALIGNMENT: usize = 64;
/// A page of memory, at most.
const PAGE: usize = 64 << 10;

/// The target as Cranelift sees it. Without `verify` the intermediate code is trusted.
pub(super) fn target(cpu: Cpu, verify: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    let mut set = |name, value| flags.set(name, value).expect("a flag of Cranelift");
    set("opt_level", "speed");
    set("is_pic", "false");
    set("enable_verifier", if verify { "true" } else { "false" });
    let flags = settings::Flags::new(flags);
    let builder = match cpu {
        Cpu::Native => cranelift::native::builder(),
        Cpu::Baseline => cranelift::native::builder_with_options(false).map(|mut builder| {
            for feature in ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"] {
                // Only x86-64 has these; elsewhere the baseline is what it is.
                let _unknown = builder.enable(feature);
            }
            builder
        }),
    };
    let builder = builder.expect("Cranelift generates code for this machine");
    builder.finish(flags).expect("the flags suit the target")
}

/// Whether the target multiplies and adds in one instruction.
pub(super) fn has_fma(isa: &dyn isa::TargetIsa) -> bool {
    let is_x64 = isa.triple().architecture.into_str() == "x86_64";
    !is_x64 || isa.isa_flags().iter().any(|it| it.name == "has_fma" && it.as_bool() == Some(true))
}

/// `fn(context, begin, end)`
pub(super) fn routine(isa: &dyn isa::TargetIsa, index: usize) -> Function {
    let mut signature = Signature::new(CallConv::triple_default(isa.triple()));
    signature.params = vec![AbiParam::new(types::I64); 3];
    let index = u32::try_from(index).expect("a net has few steps");
    Function::with_name_signature(UserFuncName::user(0, index), signature)
}

/// Machine code before it has a place. Its references name leaves of the same routine by position.
pub(super) struct Compiled {
    code: Vec<u8>,
    relocations: Vec<ModuleReloc>,
}

impl Compiled {
    /// Code that refers to nothing.
    pub(super) fn leaf(code: Vec<u8>) -> Self {
        Self { code, relocations: Vec::new() }
    }

    pub(super) fn code(&self) -> &[u8] {
        &self.code
    }
}

/// Compiles a function; panics with its text if Cranelift refuses it.
pub(super) fn compile(function: Function, isa: &dyn isa::TargetIsa) -> Compiled {
    let mut context = Context::for_function(function);
    if let Err(error) = context.compile(isa, &mut ControlPlane::default()) {
        panic!("{:?} in\n{}", error.inner, context.func.display());
    }
    let compiled = context.compiled_code().expect("it has been compiled");
    let nowhere = FuncId::from_u32(0);
    let relocations = compiled
        .buffer
        .relocs()
        .iter()
        .map(|it| ModuleReloc::from_mach_reloc(it, &context.func, nowhere))
        .collect();
    Compiled { code: compiled.code_buffer().to_vec(), relocations }
}

/// Runs a function for `0..count` on as many threads as the machine has, at most eight.
pub(super) fn in_parallel<T: Send>(count: usize, run: &(dyn Fn(usize) -> T + Sync)) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8).min(count);
    if threads <= 1 {
        return (0..count).map(run).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, run(at)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = worker();
        for it in workers {
            match it.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|it| it.0);
    all.into_iter().map(|it| it.1).collect()
}

/// Code in executable memory, freed with its owner.
pub(super) struct Image {
    module: Mutex<Option<JITModule>>,
    /// Where each routine begins, in the order in which they were given.
    entries: Vec<Address>,
}

/// Where a routine begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub *const u8);

// SAFETY: the address of code that is never written after it was made executable; calling it is unsafe anyway.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

/// A routine and the leaves that it calls, by position among all leaves.
pub(super) struct Routine {
    pub code: Compiled,
    pub leaves: Vec<usize>,
}

impl Image {
    /// Places routines and leaves in one range of memory and makes them executable.
    pub(super) fn new(isa: OwnedTargetIsa, routines: &[Routine], leaves: &[Compiled]) -> Image {
        let all = || routines.iter().map(|it| &it.code).chain(leaves);
        let bytes: usize =
            all().map(|it| it.code.len().next_multiple_of(ALIGNMENT) + ALIGNMENT).sum();
        // The provider asks for whole pages for each piece of code that what it has cannot hold.
        let largest = all().map(|it| it.code.len()).max().unwrap_or(0);
        let memory = ArenaMemoryProvider::new_with_size(bytes + largest + 2 * PAGE)
            .unwrap_or_else(|error| panic!("no memory for {bytes} bytes of code: {error}"));
        let names = Box::new(|call: ir::LibCall| panic!("generated code calls {call}"));
        let mut builder = JITBuilder::with_isa(isa, names);
        builder.memory_provider(Box::new(memory));
        let mut module = JITModule::new(builder);
        let signature = module.make_signature();
        let mut declare = |kind: &str, at: usize| {
            module
                .declare_function(&format!("netc.{kind}.{at}"), Linkage::Local, &signature)
                .expect("every name is new")
        };
        let leaf_ids: Vec<FuncId> = (0..leaves.len()).map(|it| declare("leaf", it)).collect();
        let ids: Vec<FuncId> = (0..routines.len()).map(|it| declare("step", it)).collect();
        for (&id, leaf) in leaf_ids.iter().zip(leaves) {
            define(&mut module, id, leaf, &[]);
        }
        for (&id, routine) in ids.iter().zip(routines) {
            let targets: Vec<_> = routine.leaves.iter().map(|&it| leaf_ids[it]).collect();
            define(&mut module, id, &routine.code, &targets);
        }
        module.finalize_definitions().expect("memory can be made executable");
        let entries = ids.iter().map(|&it| Address(module.get_finalized_function(it))).collect();
        Image { module: Mutex::new(Some(module)), entries }
    }

    /// Where each routine begins.
    pub(super) fn entries(&self) -> &[Address] {
        &self.entries
    }
}

/// Puts code in its place; its references are positions in `targets`.
fn define(module: &mut JITModule, id: FuncId, compiled: &Compiled, targets: &[FuncId]) {
    let mut relocations = compiled.relocations.clone();
    for relocation in &mut relocations {
        let ModuleRelocTarget::User { index, .. } = relocation.name else {
            panic!("generated code refers to {}", relocation.name)
        };
        relocation.name = ModuleRelocTarget::user(0, targets[index as usize].as_u32());
    }
    let alignment = u64::try_from(ALIGNMENT).expect("64");
    module
        .define_function_bytes(id, alignment, &compiled.code, &relocations)
        .expect("the arena holds all code");
}

impl Drop for Image {
    fn drop(&mut self) {
        let module = self.module.get_mut().map(Option::take);
        if let Ok(Some(module)) = module {
            // SAFETY: addresses of the code leave this owner only through `entries`, whose callers hold the owner
            // while they call; nobody can be inside when it is dropped.
            unsafe { module.free_memory() }
        }
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("entries", &self.entries).finish_non_exhaustive()
    }
}
