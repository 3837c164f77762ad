//! Runs a tile in both forms on the same buffers and compares.

use std::sync::Arc;

use cranelift::codegen::isa::OwnedTargetIsa;
use cranelift::jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift::module::{FuncId, Linkage, Module, default_libcall_names};
use cranelift::prelude::*;
use iced_x86::{CpuidFeature, Decoder, DecoderOptions, Mnemonic};

use crate::codegen::tile::{
    ALIGNMENT, Pointer, Tile, code, emit_clif, emit_portable, emit_x64, signature,
};

/// The buffers of one run, and where in each the tile begins (in f32).
#[derive(Clone, Default)]
pub(super) struct Buffers {
    pub(super) input: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) residual: Vec<f32>,
    pub(super) output: Vec<f32>,
    pub(super) input_at: usize,
    pub(super) output_at: usize,
}

impl Buffers {
    fn address(&mut self, pointer: Pointer) -> *mut f32 {
        let (buffer, at) = match pointer {
            Pointer::Input => (&mut self.input, self.input_at),
            Pointer::Weights | Pointer::Ahead => (&mut self.weights, 0),
            Pointer::Bias => (&mut self.bias, 0),
            Pointer::Residual => (&mut self.residual, self.output_at),
            Pointer::Output => (&mut self.output, self.output_at),
            Pointer::Temp => panic!("the tiles of these tests set nothing aside"),
        };
        buffer[at..].as_mut_ptr()
    }
}

fn host(fma: bool) -> OwnedTargetIsa {
    let mut flags = settings::builder();
    flags.set("opt_level", "speed").expect("a known setting");
    let mut isa = cranelift::native::builder().expect("a host that Cranelift knows");
    if !fma && cfg!(target_arch = "x86_64") {
        isa.set("has_fma", "false").expect("a known setting");
    }
    isa.finish(settings::Flags::new(flags)).expect("valid flags")
}

fn module(isa: &OwnedTargetIsa) -> JITModule {
    let mut builder = JITBuilder::with_isa(Arc::clone(isa), default_libcall_names());
    builder.memory_provider(Box::new(
        ArenaMemoryProvider::new_with_size(1 << 20).expect("memory for the code"),
    ));
    JITModule::new(builder)
}

/// Finishes the module and calls the function with the tile's pointers.
fn call(mut module: JITModule, id: FuncId, tile: &Tile, buffers: &mut Buffers) {
    module.finalize_definitions().expect("memory for the code");
    let code = module.get_finalized_function(id);
    let args: Vec<*mut f32> = tile.pointers().iter().map(|it| buffers.address(*it)).collect();
    // SAFETY: the function was compiled for that many addresses, and each test sizes its buffers
    // for the tile it describes; the module is freed after the last call.
    unsafe {
        match *args {
            [a, b] => std::mem::transmute::<*const u8, extern "C" fn(_, _)>(code)(a, b),
            [a, b, c] => std::mem::transmute::<*const u8, extern "C" fn(_, _, _)>(code)(a, b, c),
            [a, b, c, d] => {
                std::mem::transmute::<*const u8, extern "C" fn(_, _, _, _)>(code)(a, b, c, d);
            }
            [a, b, c, d, e] => {
                std::mem::transmute::<*const u8, extern "C" fn(_, _, _, _, _)>(code)(a, b, c, d, e);
            }
            [a, b, c, d, e, f] => {
                std::mem::transmute::<*const u8, extern "C" fn(_, _, _, _, _, _)>(code)(
                    a, b, c, d, e, f,
                );
            }
            _ => panic!("a tile has two to six pointers"),
        }
        module.free_memory();
    }
}

fn run_code(tile: &Tile, code: &[u8], buffers: &mut Buffers) {
    let mut module = module(&host(true));
    let signature = signature(tile);
    let id = module.declare_function("tile", Linkage::Local, &signature).expect("a new name");
    module.define_function_bytes(id, ALIGNMENT, code, &[]).expect("valid code");
    call(module, id, tile, buffers);
}

/// The portable form through Cranelift's optimiser.
fn run_optimised(tile: &Tile, buffers: &mut Buffers) {
    let isa = host(true);
    let mut module = module(&isa);
    let signature = signature(tile);
    let id = module.declare_function("tile", Linkage::Local, &signature).expect("a new name");
    let mut context = module.make_context();
    context.func = emit_clif(tile, &*isa);
    module.define_function(id, &mut context).expect("valid code");
    call(module, id, tile, buffers);
}

/// Runs the tile in every form that the host has and returns the output of the portable one;
/// the wide form must agree with it bit for bit, every NaN being the same.
pub(super) fn run(tile: &Tile, buffers: &Buffers) -> Vec<f32> {
    check_features(tile);
    let mut portable = buffers.clone();
    run_code(tile, &emit_portable(tile, &*host(true)), &mut portable);
    let mut optimised = buffers.clone();
    run_optimised(tile, &mut optimised);
    assert_eq!(bits(&optimised.output), bits(&portable.output), "optimised\n{tile}");
    if has_vectors(tile) {
        let mut wide = buffers.clone();
        run_code(tile, &emit_x64(tile), &mut wide);
        assert_eq!(emit_x64(tile), code(tile, &*host(true)));
        assert_eq!(bits(&wide.output), bits(&portable.output), "the two forms of\n{tile}");
    }
    portable.output
}

/// Whether the host has the vectors of a tile.
fn has_vectors(tile: &Tile) -> bool {
    use std::arch::is_x86_feature_detected as has;
    let narrow = has!("avx2") && has!("fma") && (!tile.widens() || has!("f16c"));
    narrow && (!tile.is_wide() || has!("avx512f") && has!("avx512vl") && has!("avx512dq"))
}

/// Runs the portable form without a fused multiply-add.
pub(super) fn run_unfused(tile: &Tile, buffers: &Buffers) -> Vec<f32> {
    let mut portable = buffers.clone();
    run_code(tile, &code(tile, &*host(false)), &mut portable);
    portable.output
}

fn bits(values: &[f32]) -> Vec<u32> {
    let canonical = |it: &f32| if it.is_nan() { f32::NAN.to_bits() } else { it.to_bits() };
    values.iter().map(canonical).collect()
}

/// Decodes the form for x86-64: it must end in `vzeroupper; ret`, branch only within itself, need
/// nothing beyond AVX2 and FMA (or AVX-512, if wide; and F16C, if it widens), and be about as long as estimated.
fn check_features(tile: &Tile) {
    let code = emit_x64(tile);
    let mut allowed = vec![
        // prefetch
        CpuidFeature::SSE,
        CpuidFeature::AVX,
        CpuidFeature::AVX2,
        CpuidFeature::FMA,
        CpuidFeature::X64,
        CpuidFeature::INTEL386,
        CpuidFeature::INTEL8086,
    ];
    if tile.widens() {
        allowed.push(CpuidFeature::F16C);
    }
    if tile.is_wide() {
        let wide = [CpuidFeature::AVX512F, CpuidFeature::AVX512VL, CpuidFeature::AVX512DQ];
        allowed.extend(wide);
    }
    let mut tail = Vec::new();
    for instr in Decoder::with_ip(64, &code, 0, DecoderOptions::NONE).iter() {
        assert!(!instr.is_invalid(), "invalid code at {:#x} of\n{tile}", instr.ip());
        let features = instr.cpuid_features();
        assert!(features.iter().all(|it| allowed.contains(it)), "{instr:?}: {features:?}");
        if instr.is_jcc_short_or_near() {
            assert!(instr.near_branch_target() < instr.ip(), "loops go back");
        }
        tail.push(instr.mnemonic());
    }
    assert_eq!(tail[tail.len() - 2..], [Mnemonic::Vzeroupper, Mnemonic::Ret]);
    let (estimate, exact) = (tile.estimate().code_bytes as f64, code.len() as f64);
    let slack = if tile.is_wide() { 0.35 } else { 0.2 };
    assert!((estimate / exact - 1.0).abs() < slack, "{estimate} bytes, in truth {exact}\n{tile}");
}

/// Numbers in [-1, 1], the same on every run.
pub(super) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Asserts |found - expected| <= 8 * 2^-24 * magnitude, the sum of the absolute terms.
pub(super) fn assert_close(found: f32, expected: f64, magnitude: f64, place: &str) {
    let bound = 8.0 * magnitude * 2f64.powi(-24);
    let error = (f64::from(found) - expected).abs();
    assert!(error <= bound, "{place}: {found} is not {expected}, off by {error} > {bound}");
}
