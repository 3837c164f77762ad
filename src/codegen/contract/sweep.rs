//! The loops around tiles.

use cranelift::codegen::ir::{ExtFuncData, ExternalName, FuncRef, UserExternalName};
use cranelift::codegen::isa::CallConv;
use cranelift::prelude::*;

use super::super::emit::{Emit, Units};
use super::super::linear::Linear;
use super::super::pack::Blob;
use super::super::tile::Pointer;
use super::{Offsets, Pass, Sweep};
use crate::plan::{Plan, Step, View};
use crate::shape::Window;

/// Bytes of so many f32.
pub(in crate::codegen) fn bytes(elements: usize) -> i64 {
    signed(elements * size_of::<f32>())
}

/// A count as generated code knows it.
pub(in crate::codegen) fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("memory is smaller than the address space")
}

/// Bytes from one output pixel to the next along an axis, in each operand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PixelStep {
    pub input: i64,
    pub residual: i64,
    pub output: i64,
}

impl PixelStep {
    fn times(self, count: usize) -> PixelStep {
        let count = signed(count);
        PixelStep {
            input: self.input * count,
            residual: self.residual * count,
            output: self.output * count,
        }
    }

    fn of(&self, pointer: Pointer) -> i64 {
        match pointer {
            Pointer::Input => self.input,
            Pointer::Residual => self.residual,
            Pointer::Output => self.output,
            Pointer::Weights | Pointer::Bias | Pointer::Ahead | Pointer::Temp => 0,
        }
    }
}

/// The pixels of an output: rows of neighbours, and the axes of rows.
#[derive(Clone, Debug)]
pub(super) struct Map {
    /// Pixels of a row.
    pub row: usize,
    /// From pixel to pixel.
    pub step: PixelStep,
    /// Axes of rows, outermost first.
    pub axes: Vec<(usize, PixelStep)>,
    /// From the first element of the input's view to the first tap of the first pixel; never positive.
    pub first: i64,
    /// Whether images are pixels of a row.
    pub over_batch: bool,
}

impl Map {
    /// The pixels of a step. Axes whose pixels lie one after another in all operands are joined; of the last such
    /// axis so much is left that there are at least `rows` rows, where that can be.
    pub(super) fn new(
        step: &Step,
        residual: Option<&View>,
        windows: &[Window],
        rows: usize,
    ) -> Map {
        let (input, output) = (&step.inputs[0], &step.output);
        let at = |axis: usize, stride: usize| PixelStep {
            input: bytes(input.strides[axis] * stride),
            residual: residual.map_or(0, |it| bytes(it.strides[axis])),
            output: bytes(output.strides[axis]),
        };
        let dims = output.shape.dims();
        if windows.is_empty() {
            let (row, step) = (output.shape.batch(), at(0, 1));
            return Map { row, step, axes: Vec::new(), first: 0, over_batch: true };
        }
        let mut first = 0;
        let mut axes: Vec<(usize, PixelStep)> = Vec::new();
        for (axis, window) in (2..).zip(windows) {
            first -= bytes(window.before * input.strides[axis]);
            axes.push((dims[axis], at(axis, window.stride)));
        }
        while let [before @ .., outer, inner] = axes.as_slice()
            && outer.1 == inner.1.times(inner.0)
        {
            let left: usize = before.iter().map(|it| it.0).product();
            let divides =
                |taken: &usize| outer.0.is_multiple_of(*taken) && left * (outer.0 / taken) >= rows;
            let taken = (1..=outer.0).rev().find(divides).unwrap_or(1);
            let whole = taken == outer.0;
            let mut joined = before.to_vec();
            if !whole {
                joined.push((outer.0 / taken, outer.1.times(taken)));
            }
            joined.push((inner.0 * taken, inner.1));
            axes = joined;
            if !whole {
                break;
            }
        }
        let (row, step) = axes.pop().expect("there is a window");
        Map { row, step, axes, first, over_batch: false }
    }

    pub(super) fn rows(&self) -> usize {
        self.axes.iter().map(|it| it.0).product()
    }

    pub(super) fn pixels(&self) -> usize {
        self.row * self.rows()
    }

    /// Images that are not pixels of a row.
    pub(super) fn images(&self, output: &View) -> usize {
        if self.over_batch { 1 } else { output.shape.batch() }
    }
}

/// Where each pointer begins: a value and bytes from there.
struct Bases {
    input: Value,
    blob: Value,
    residual: Value,
    output: Value,
    fixed: Offsets,
}

impl Bases {
    fn of(&self, pointer: Pointer) -> Value {
        match pointer {
            Pointer::Input => self.input,
            Pointer::Weights | Pointer::Ahead | Pointer::Bias | Pointer::Temp => self.blob,
            Pointer::Residual => self.residual,
            Pointer::Output => self.output,
        }
    }
}

impl Pass {
    /// Those of some rows that the pass is for.
    fn rows(&self, emit: &mut Emit<'_>, rows: &Units) -> Units {
        let Some(own) = &self.rows else { return Units { begin: rows.begin, end: rows.end } };
        let (begin, end) = (emit.int(signed(own.start)), emit.int(signed(own.end)));
        let begin = emit.b.ins().smax(begin, rows.begin);
        let end = emit.b.ins().smin(end, rows.end);
        Units { begin, end }
    }
}

/// Leaves as a routine names them, by position.
#[derive(Default)]
pub(in crate::codegen) struct Names(Vec<Option<FuncRef>>);

impl Names {
    /// The name of a leaf that takes so many addresses.
    pub(in crate::codegen) fn of(
        &mut self,
        emit: &mut Emit<'_>,
        target: &dyn isa::TargetIsa,
        leaf: usize,
        addresses: usize,
    ) -> FuncRef {
        if self.0.len() <= leaf {
            self.0.resize(leaf + 1, None);
        }
        *self.0[leaf].get_or_insert_with(|| {
            let mut signature = Signature::new(CallConv::triple_default(target.triple()));
            signature.params = vec![AbiParam::new(types::I64); addresses];
            let index = u32::try_from(leaf).expect("few leaves");
            let function = &mut emit.b.func;
            let name =
                function.declare_imported_user_function(UserExternalName { namespace: 0, index });
            let signature = function.import_signature(signature);
            let name = ExternalName::user(name);
            let data = ExtFuncData { name, signature, colocated: true, patchable: false };
            function.import_function(data)
        })
    }
}

impl Sweep {
    pub(super) fn units(&self) -> usize {
        self.batch * self.groups * self.tiles * self.map.rows()
    }

    pub(super) fn emit(
        &self,
        builder: FunctionBuilder<'_>,
        target: &dyn isa::TargetIsa,
        plan: &Plan,
        step: &Step,
        residual: Option<&View>,
        blob: &Blob,
    ) {
        let (mut emit, units) = Emit::start(builder, plan, false);
        let (input, output) = (&step.inputs[0], &step.output);
        for view in [input, output].into_iter().chain(residual) {
            emit.prepare(view.buffer);
        }
        let param = |at: usize| step.params.get(at).map_or(0, |&it| bytes(blob.param(it).0));
        let bases = Bases {
            input: emit.buffer(input.buffer),
            blob: emit.blob,
            residual: residual.map_or(emit.blob, |it| emit.buffer(it.buffer)),
            output: emit.buffer(output.buffer),
            fixed: Offsets {
                input: bytes(input.base) + self.map.first,
                weights: param(0),
                bias: param(1),
                residual: residual.map_or(0, |it| bytes(it.base)),
                output: bytes(output.base),
                ahead: param(0),
            },
        };
        let mut names = Names::default();
        for run in self.passes.iter().flatten().flat_map(|it| &it.runs) {
            names.of(&mut emit, target, run.leaf, run.pointers.len());
        }
        self.groups(&mut emit, &bases, &names, &units);
        emit.finish(target);
    }

    /// Units are the rows of the tiles of the groups of the images; rows of one tile are taken together.
    fn groups(&self, emit: &mut Emit<'_>, bases: &Bases, names: &Names, units: &Units) {
        let rows = self.map.rows();
        let some = emit.b.ins().icmp(IntCC::SignedLessThan, units.begin, units.end);
        let some = emit.when(some);
        let from = emit.quotient(units.begin, rows);
        let end = emit.b.ins().iadd_imm_s(units.end, signed(rows) - 1);
        let to = emit.quotient(end, rows);
        let group = emit.open(from, to);
        let start = emit.linear(&Linear::value(group.at, signed(rows)));
        let begin = emit.b.ins().smax(start, units.begin);
        let begin = emit.b.ins().isub(begin, start);
        let left = emit.b.ins().isub(units.end, start);
        let all = emit.int(signed(rows));
        let end = emit.b.ins().smin(left, all);
        self.group(emit, bases, names, group.at, &Units { begin, end });
        emit.close(group);
        emit.otherwise(&some);
        emit.end(&some);
    }

    /// Some rows of one tile of one group of one image.
    fn group(&self, emit: &mut Emit<'_>, bases: &Bases, names: &Names, at: Value, rows: &Units) {
        let mut left = at;
        let mut places = Vec::new();
        for (axis, extent) in [(2, self.tiles), (1, self.groups), (0, self.batch)] {
            if extent > 1 {
                let rest = emit.remainder(left, extent);
                left = emit.quotient(left, extent);
                places.push((rest, self.strides[axis]));
            }
        }
        let [full, last] = &self.passes;
        if self.tiles == 1 || full.len() == last.len() && full == last {
            return self.sweep(emit, bases, names, &places, rows, last);
        }
        let is_full =
            emit.b.ins().icmp_imm_s(IntCC::SignedLessThan, places[0].0, signed(self.tiles) - 1);
        let branch = emit.when(is_full);
        self.sweep(emit, bases, names, &places, rows, full);
        emit.otherwise(&branch);
        self.sweep(emit, bases, names, &places, rows, last);
        emit.end(&branch);
    }

    fn sweep(
        &self,
        emit: &mut Emit<'_>,
        bases: &Bases,
        names: &Names,
        places: &[(Value, Offsets)],
        rows: &Units,
        passes: &[Pass],
    ) {
        for pass in passes {
            let (round, repeat) = emit.open_times(pass.count);
            let rows = pass.rows(emit, rows);
            let row = emit.open(rows.begin, rows.end);
            let axes = self.row_axes(emit, row.at);
            for run in &pass.runs {
                let mut args = Vec::new();
                for &pointer in &run.pointers {
                    let fixed = bases.fixed.of(pointer) + pass.offsets.of(pointer);
                    let mut sum = Linear::constant(fixed + run.offsets.of(pointer));
                    for (value, step) in places {
                        sum.add(&Linear::value(*value, 1), step.of(pointer));
                    }
                    sum.add(&round, pass.step.of(pointer));
                    for (value, step) in &axes {
                        sum.add(&Linear::value(*value, 1), step.of(pointer));
                    }
                    if pointer == Pointer::Ahead {
                        sum.add(&Linear::value(row.at, 1), pass.ahead);
                    }
                    let (base, offset) = emit.address(bases.of(pointer), &sum);
                    args.push(emit.b.ins().iadd_imm_s(base, i64::from(offset)));
                }
                let leaf = names.0[run.leaf].expect("every leaf is declared");
                emit.b.ins().call(leaf, &args);
            }
            emit.close(row);
            emit.close(repeat);
        }
    }

    /// The places of a row on the axes of rows.
    fn row_axes(&self, emit: &mut Emit<'_>, row: Value) -> Vec<(Value, PixelStep)> {
        let mut left = row;
        let mut axes = Vec::new();
        for (at, (extent, step)) in self.map.axes.iter().enumerate().rev() {
            if at == 0 {
                axes.push((left, *step));
            } else {
                axes.push((emit.remainder(left, *extent), *step));
                left = emit.quotient(left, *extent);
            }
        }
        axes
    }
}
