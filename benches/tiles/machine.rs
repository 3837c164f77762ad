//! Tiles as code that can be called, and memory in huge pages.

use cranelift::jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift::module::{Linkage, Module, default_libcall_names};
use cranelift::prelude::*;
use netc::codegen::tile::{ALIGNMENT, Tile, emit_portable, emit_x64, signature};

/// Which emitter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Avx2,
    Portable,
}

/// Code that lives as long as the process.
#[derive(Default)]
pub(crate) struct Machine {
    modules: Vec<JITModule>,
}

/// A tile's code.
#[derive(Clone)]
pub(crate) struct Leaf {
    code: *const u8,
    /// The pointer that each argument is; beyond the last, anything.
    order: [usize; 6],
}

impl Machine {
    pub(crate) fn leaf(&mut self, tile: &Tile, form: Form) -> Leaf {
        let flags = settings::Flags::new(settings::builder());
        let host = cranelift::native::builder().expect("a host that Cranelift knows");
        let isa = host.finish(flags).expect("valid flags");
        let bytes = match form {
            Form::Avx2 => emit_x64(tile),
            Form::Portable => emit_portable(tile, &*isa),
        };
        let mut builder = JITBuilder::with_isa(isa, default_libcall_names());
        let memory = ArenaMemoryProvider::new_with_size(1 << 20).expect("memory for the code");
        builder.memory_provider(Box::new(memory));
        let mut module = JITModule::new(builder);
        let signature = signature(tile);
        let id = module.declare_function("tile", Linkage::Local, &signature).expect("a new name");
        module.define_function_bytes(id, ALIGNMENT, &bytes, &[]).expect("valid code");
        module.finalize_definitions().expect("memory for the code");
        let code = module.get_finalized_function(id);
        self.modules.push(module);
        let mut order = [0; 6];
        for (place, pointer) in order.iter_mut().zip(tile.pointers()) {
            *place = *pointer as usize;
        }
        Leaf { code, order }
    }
}

impl Leaf {
    /// Calls the tile; `at` holds an address for every pointer, in the order of `Pointer::ALL`.
    #[inline(always)]
    pub(crate) fn call(&self, at: &[*mut f32; 6]) {
        let [i, j, k, l, m, n] = self.order;
        let (a, b, c, d, e, f) = (at[i], at[j], at[k], at[l], at[m], at[n]);
        // SAFETY: the code takes the first of these arguments and ignores the others, as System V
        // allows; the machine keeps it, and the work sizes its buffers for the tiles it makes.
        unsafe {
            let code: extern "sysv64" fn(_, _, _, _, _, _) = std::mem::transmute(self.code);
            code(a, b, c, d, e, f);
        }
    }
}

/// Numbers in huge pages, where the system has them: a tile prefetches across many small ones.
pub(crate) fn huge(count: usize) -> &'static mut [f32] {
    const PAGE: usize = 2 << 20;
    let bytes = (count * 4).next_multiple_of(PAGE);
    let layout = std::alloc::Layout::from_size_align(bytes, PAGE).expect("a valid layout");
    // SAFETY: the block is `bytes` long, aligned beyond an f32 and never freed; advice about it
    // changes no contents.
    let numbers = unsafe {
        let block = std::alloc::alloc(layout);
        assert!(!block.is_null(), "no memory");
        #[cfg(target_os = "linux")]
        madvise(block, bytes, 14);
        block.write_bytes(0, bytes);
        std::slice::from_raw_parts_mut(block.cast::<f32>(), count)
    };
    for (index, number) in numbers.iter_mut().enumerate() {
        *number = (index * 7919 % 101) as f32 / 50.0 - 1.0;
    }
    numbers
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn madvise(start: *mut u8, bytes: usize, advice: i32) -> i32;
}
