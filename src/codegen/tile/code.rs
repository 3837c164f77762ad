//! A tile as bytes, for whatever machine.

use cranelift::codegen::control::ControlPlane;
use cranelift::codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift::codegen::{Context, settings};
use cranelift::prelude::Configurable;

use super::{Tile, emit_clif, emit_x64};

/// The alignment to give `Module::define_function_bytes` with any tile's code.
pub const ALIGNMENT: u64 = 32;

/// What wide tiles need of a target, as Cranelift names it.
const AVX512: [&str; 3] = ["has_avx512f", "has_avx512vl", "has_avx512dq"];

/// The tile as machine code of the target: AVX2 and FMA (AVX-512 for a wide tile, F16C for a narrow one that reads f16)
/// where it has them, else four lanes.
///
/// The code needs no relocation and has the [`super::signature`] of the tile.
#[must_use]
pub fn code(tile: &Tile, isa: &dyn TargetIsa) -> Vec<u8> {
    let flags = isa.isa_flags();
    let has = |name: &&str| flags.iter().any(|it| it.name == *name && it.as_bool() == Some(true));
    let needed: &[&str] = if tile.is_wide() { &AVX512 } else { &["has_avx2", "has_fma"] };
    let converts = tile.is_wide() || !tile.widens() || has_f16c();
    if converts && needed.iter().all(has) { emit_x64(tile) } else { emit_portable(tile, isa) }
}

/// Whether this machine converts f16, which Cranelift does not tell of a target.
#[cfg(target_arch = "x86_64")]
fn has_f16c() -> bool {
    std::arch::is_x86_feature_detected!("f16c")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_f16c() -> bool {
    false
}

/// The tile as machine code made by Cranelift from [`emit_clif`].
///
/// It is compiled without Cranelift's optimiser, which computes what is pure as late as it can:
/// in a body of several steps it loads all operands first, spills them, and runs at less than
/// half the speed.
///
/// # Panics
/// When Cranelift cannot compile the tile, which is a fault of ours.
#[must_use]
pub fn emit_portable(tile: &Tile, isa: &dyn TargetIsa) -> Vec<u8> {
    let isa = in_order(isa);
    let mut context = Context::for_function(emit_clif(tile, &*isa));
    let compiled = context.compile(&*isa, &mut ControlPlane::default());
    let compiled = compiled.unwrap_or_else(|error| panic!("{:?} in\n{tile}", error.inner));
    assert!(compiled.buffer.relocs().is_empty(), "a tile calls nothing:\n{tile}");
    compiled.code_buffer().to_vec()
}

/// The same target, instructions in the order in which they are written.
fn in_order(isa: &dyn TargetIsa) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    for flag in isa.flags().iter() {
        flags.set(flag.name, &flag.value_string()).expect("a setting of the same Cranelift");
    }
    flags.set("opt_level", "none").expect("a setting of Cranelift");
    let mut target = isa::lookup(isa.triple().clone()).expect("a target that was looked up before");
    for flag in isa.isa_flags() {
        target.set(flag.name, &flag.value_string()).expect("a setting of the same target");
    }
    target.finish(settings::Flags::new(flags)).expect("settings that were valid before")
}
