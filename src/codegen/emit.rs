//! Small words of Cranelift IR: loops, branches, integers, the buffers of a step.

use std::collections::HashMap;

use cranelift::codegen::ir::MemFlagsData;
use cranelift::prelude::*;

use super::linear::Linear;
use crate::plan::{BufferId, Home, Plan};

/// What every routine gets, as the running program lays it out. Code touches nothing outside this memory, of any
/// alignment; tests put guards right behind it and right before it.
#[repr(C)]
#[derive(Debug)]
pub struct Context {
    /// The arena, of the plan's `arena_bytes`; zero where no step has written yet.
    pub arena: *mut f32,
    /// The packed parameters and constant tables: all of [`super::Blob::as_slice`].
    pub blob: *const f32,
    /// The caller's inputs, of their shapes' elements each; only read.
    pub inputs: *const *const f32,
    /// The caller's outputs, of their shapes' elements each.
    pub outputs: *const *mut f32,
    /// Memory of the calling thread alone, of the plan's `scratch_bytes`.
    pub scratch: *mut f32,
}

/// Memory that a step may write.
pub(super) const MEMORY: MemFlagsData = MemFlagsData::new().with_notrap();
/// Memory that nobody writes while the program runs: loads may move and merge.
pub(super) const CONSTANT: MemFlagsData =
    MemFlagsData::new().with_notrap().with_readonly().with_can_move();

/// A function under construction.
pub(super) struct Emit<'a> {
    pub b: FunctionBuilder<'a>,
    plan: &'a Plan,
    context: Value,
    entry: Block,
    arena: Value,
    /// Where the blob begins.
    pub blob: Value,
    buffers: HashMap<BufferId, Value>,
    /// Whether the target multiplies and adds in one instruction.
    pub fused: bool,
}

/// The parameters of a routine besides its context: the first unit and the one past the last.
pub(super) struct Units {
    pub begin: Value,
    pub end: Value,
}

/// An open loop.
pub(super) struct Loop {
    counter: Variable,
    /// The index of this round.
    pub at: Value,
    to: Value,
    head: Block,
    exit: Block,
}

/// An open branch.
pub(super) struct Branch {
    other: Block,
    join: Block,
}

impl<'a> Emit<'a> {
    /// Starts a routine of the signature `fn(context, begin, end)`.
    pub(super) fn start(mut b: FunctionBuilder<'a>, plan: &'a Plan, fused: bool) -> (Self, Units) {
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.switch_to_block(entry);
        let &[context, begin, end] = b.block_params(entry) else {
            panic!("a routine takes its context and a range of units")
        };
        let arena = b.ins().load(types::I64, CONSTANT, context, 0);
        let blob = b.ins().load(types::I64, CONSTANT, context, 8);
        let buffers = HashMap::new();
        (Self { b, plan, context, entry, arena, blob, buffers, fused }, Units { begin, end })
    }

    /// Where a buffer begins. Must be asked for in the entry block first ([`Emit::prepare`]).
    pub(super) fn buffer(&self, id: BufferId) -> Value {
        *self.buffers.get(&id).expect("a step prepares its buffers")
    }

    /// Finds where a buffer begins; only while the entry block is being written.
    pub(super) fn prepare(&mut self, id: BufferId) {
        assert_eq!(self.b.current_block(), Some(self.entry), "buffers are found at the entry");
        let home = self.plan.buffers[id.0].home;
        let (table, at) = match home {
            Home::Arena(at) => {
                let at = i64::try_from(at).expect("an arena is smaller than the address space");
                let value = self.b.ins().iadd_imm_s(self.arena, at);
                self.buffers.insert(id, value);
                return;
            }
            Home::Input(at) => (16, at),
            Home::Output(at) => (24, at),
        };
        let table = self.b.ins().load(types::I64, CONSTANT, self.context, table);
        let offset = i32::try_from(at * 8).expect("a net has few inputs and outputs");
        let value = self.b.ins().load(types::I64, CONSTANT, table, offset);
        self.buffers.insert(id, value);
    }

    /// Where the thread's own memory begins; only while the entry block is being written.
    pub(super) fn scratch(&mut self) -> Value {
        assert_eq!(self.b.current_block(), Some(self.entry), "memory is found at the entry");
        self.b.ins().load(types::I64, CONSTANT, self.context, 32)
    }

    /// A 64-bit integer.
    pub(super) fn int(&mut self, value: i64) -> Value {
        self.b.ins().iconst(types::I64, value)
    }

    /// The value of a linear integer.
    pub(super) fn linear(&mut self, linear: &Linear) -> Value {
        let mut sum = None;
        for &(value, coefficient) in &linear.terms {
            let term = self.scaled(value, coefficient);
            sum = Some(sum.map_or(term, |it| self.b.ins().iadd(it, term)));
        }
        match sum {
            None => self.int(linear.constant),
            Some(sum) if linear.constant == 0 => sum,
            Some(sum) => self.b.ins().iadd_imm_s(sum, linear.constant),
        }
    }

    fn scaled(&mut self, value: Value, by: i64) -> Value {
        match by {
            1 => value,
            _ if by > 0 && by.count_ones() == 1 => {
                self.b.ins().ishl_imm_u(value, i64::from(by.trailing_zeros()))
            }
            _ => self.b.ins().imul_imm_s(value, by),
        }
    }

    /// A pointer and an immediate offset that together are `base + bytes`. Terms are added in order, so that what
    /// outer loops know is computed there.
    pub(super) fn address(&mut self, base: Value, bytes: &Linear) -> (Value, i32) {
        let mut pointer = base;
        for &(value, coefficient) in &bytes.terms {
            let term = self.scaled(value, coefficient);
            pointer = self.b.ins().iadd(pointer, term);
        }
        match i32::try_from(bytes.constant) {
            Ok(offset) => (pointer, offset),
            Err(_) => (self.b.ins().iadd_imm_s(pointer, bytes.constant), 0),
        }
    }

    /// `value / by` for `0 <= value < 2^31`, rounded down.
    ///
    /// With `k = 31 + ceil(log2 by)` and `m = ceil(2^k / by)` the quotient is `value * m >> k`: the error of `m` is
    /// below `by / 2^k`, so that of the product below `1 / by` (Granlund and Montgomery 1994).
    pub(super) fn quotient(&mut self, value: Value, by: usize) -> Value {
        let by = u64::try_from(by).expect("an extent is small");
        assert!((1..1 << 31).contains(&by), "a divisor is an extent");
        if by.is_power_of_two() {
            return self.b.ins().ushr_imm_u(value, i64::from(by.trailing_zeros()));
        }
        let shift = 31 + u64::BITS - (by - 1).leading_zeros();
        let magic = (1_u64 << shift).div_ceil(by);
        let magic = i64::try_from(magic).expect("at most 2^32");
        let product = self.b.ins().imul_imm_s(value, magic);
        self.b.ins().ushr_imm_u(product, i64::from(shift))
    }

    /// `value mod by` for `0 <= value < 2^31`.
    pub(super) fn remainder(&mut self, value: Value, by: usize) -> Value {
        let quotient = self.quotient(value, by);
        let by = i64::try_from(by).expect("an extent is small");
        let whole = self.scaled(quotient, by);
        self.b.ins().isub(value, whole)
    }

    /// Opens `for i in from..to`; `to` may be below `from`. [`Emit::close`] ends the body.
    pub(super) fn open(&mut self, from: Value, to: Value) -> Loop {
        let counter = self.b.declare_var(types::I64);
        self.b.def_var(counter, from);
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        let some = self.b.ins().icmp(IntCC::SignedLessThan, from, to);
        self.b.ins().brif(some, head, &[], exit, &[]);
        self.b.switch_to_block(head);
        let at = self.b.use_var(counter);
        Loop { counter, at, to, head, exit }
    }

    /// Opens `for i in 0..count`; a loop of one round is none.
    pub(super) fn open_times(&mut self, count: usize) -> (Linear, Option<Loop>) {
        if count == 1 {
            return (Linear::default(), None);
        }
        let from = self.int(0);
        let to = self.int(i64::try_from(count).expect("an extent is small"));
        let open = self.open(from, to);
        (Linear::value(open.at, 1), Some(open))
    }

    /// As [`Emit::open_times`], and no loop either where there is no round: the caller leaves the body out.
    pub(super) fn open_some(&mut self, count: usize) -> (Linear, Option<Loop>) {
        if count == 0 { (Linear::default(), None) } else { self.open_times(count) }
    }

    /// Ends the body of a loop.
    pub(super) fn close(&mut self, open: impl Into<Option<Loop>>) {
        let Some(Loop { counter, at, to, head, exit }) = open.into() else { return };
        let next = self.b.ins().iadd_imm_s(at, 1);
        self.b.def_var(counter, next);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, to);
        self.b.ins().brif(more, head, &[], exit, &[]);
        self.b.switch_to_block(exit);
    }

    /// Opens `if condition`; [`Emit::otherwise`] and [`Emit::end`] follow.
    pub(super) fn when(&mut self, condition: Value) -> Branch {
        let (then, other, join) =
            (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(condition, then, &[], other, &[]);
        self.b.switch_to_block(then);
        Branch { other, join }
    }

    /// Ends the first side of a branch and opens the second.
    pub(super) fn otherwise(&mut self, branch: &Branch) {
        self.b.ins().jump(branch.join, &[]);
        self.b.switch_to_block(branch.other);
    }

    /// Ends the second side of a branch.
    pub(super) fn end(&mut self, branch: &Branch) {
        self.b.ins().jump(branch.join, &[]);
        self.b.switch_to_block(branch.join);
    }

    /// Ends the routine.
    pub(super) fn finish(mut self, isa: &dyn isa::TargetIsa) {
        self.b.ins().return_(&[]);
        self.b.seal_all_blocks();
        self.b.finalize(isa.frontend_config());
    }
}
