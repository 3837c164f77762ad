//! Where an expression is evaluated: the axes in scope, the lanes at work, and what operands look like.

use std::collections::HashMap;

use cranelift::codegen::ir::MemFlagsData;
use cranelift::prelude::*;

use super::super::emit::{CONSTANT, Emit};
use super::super::linear::Linear;
use super::super::pack::{Blob, Table};
use crate::nest::{Affine, Buffer, Index};
use crate::plan::{LANES, View};

/// Lanes of a register.
pub(super) const WIDTH: usize = 4;

/// A tensor as loads and stores see it.
#[derive(Clone, Debug)]
pub(in crate::codegen) struct Operand {
    /// Where its buffer begins.
    pub pointer: Value,
    /// Where its first element lies, in elements from there.
    pub base: i64,
    /// Elements between neighbours, between blocks on axis 1 if blocked.
    pub strides: Vec<i64>,
    /// Whether axis 1 is in blocks that do not follow each other without gaps.
    pub blocked: bool,
    /// How its memory is read.
    pub flags: MemFlagsData,
}

impl Operand {
    /// A view in a buffer.
    pub(in crate::codegen) fn view(emit: &Emit<'_>, view: &View, flags: MemFlagsData) -> Self {
        let lanes = i64::try_from(LANES).expect("few lanes");
        let mut strides: Vec<i64> = view.strides.iter().map(|&it| signed(it)).collect();
        let gapless = view.blocked && strides[1] == lanes;
        if gapless {
            strides[1] = 1;
        }
        Self {
            pointer: emit.buffer(view.buffer),
            base: signed(view.base),
            strides,
            blocked: view.blocked && !gapless,
            flags,
        }
    }

    /// Row-major elements of the blob from some element on. Vectors may be read past its end: the blob goes on.
    pub(super) fn rows(emit: &Emit<'_>, from: usize, extents: &[usize]) -> Self {
        let mut strides = vec![1; extents.len()];
        for axis in (1..extents.len()).rev() {
            strides[axis - 1] = strides[axis] * signed(extents[axis]);
        }
        Self { pointer: emit.blob, base: signed(from), strides, blocked: false, flags: CONSTANT }
    }
}

pub(super) fn signed(extent: usize) -> i64 {
    i64::try_from(extent).expect("an extent is small")
}

/// How far a part of a bundle is from its first point: lanes along the vector axis, points along the row axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shift {
    /// Points along the vector axis.
    pub lane: usize,
    /// Points along the row axis.
    pub point: usize,
}

/// Which points are evaluated together.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// The axis of the lanes of a register.
    pub axis: usize,
    /// The axis of neighbouring points, where there are several.
    pub row: Option<usize>,
    /// The registers of a bundle; each holds four neighbours on `axis`.
    pub parts: Vec<Shift>,
}

/// A number at every point of a bundle.
#[derive(Clone, Debug)]
pub(super) enum Number {
    /// The same everywhere: one f32.
    Same(Value),
    /// Four f32 for each part.
    Parts(Vec<Value>),
}

/// The place and the state of an evaluation.
pub(super) struct Scope<'a, 'p> {
    pub emit: Emit<'a>,
    pub blob: &'p Blob,
    pub inputs: Vec<Operand>,
    pub params: Vec<Operand>,
    pub temps: Vec<Operand>,
    pub output: Operand,
    /// The extents of all axes in scope.
    pub extents: Vec<usize>,
    /// The positions on all axes in scope, of the first point of the bundle.
    pub axes: Vec<Linear>,
    /// The points evaluated together; `None` for one point.
    pub bundle: Option<Bundle>,
    /// What `it` stands for.
    pub it: Option<Number>,
}

/// Indices that were computed for one load, by where they came from.
type Known = HashMap<(usize, Linear), Linear>;

impl Scope<'_, '_> {
    pub(super) fn operand(&self, buffer: Buffer) -> &Operand {
        match buffer {
            Buffer::Input(at) => &self.inputs[at],
            Buffer::Param(at) => &self.params[at],
            Buffer::Temp(at) => &self.temps[at],
            Buffer::Output => panic!("a nest does not read its output"),
        }
    }

    /// Whether an axis differs between the points of a bundle.
    pub(super) fn varies(&self, axis: usize) -> bool {
        self.bundle.as_ref().is_some_and(|it| it.axis == axis || it.row == Some(axis))
    }

    /// Whether an affine position differs between the points of a bundle.
    pub(super) fn affine_varies(&self, affine: &Affine) -> bool {
        affine.terms.iter().any(|it| self.varies(it.0))
    }

    /// Whether an index differs between the points of a bundle.
    pub(super) fn index_varies(&self, index: &Index) -> bool {
        let (Index::Affine(of) | Index::Part { of, .. } | Index::Table { at: of, .. }) = index;
        self.affine_varies(of)
    }

    /// An affine position at a point of the bundle.
    pub(super) fn affine(&self, affine: &Affine, shift: Shift) -> Linear {
        let mut sum = Linear::constant(affine.constant);
        for &(axis, coefficient) in &affine.terms {
            sum.add(&self.axes[axis], coefficient);
            if let Some(bundle) = &self.bundle {
                let by = if bundle.axis == axis { shift.lane } else { 0 }
                    + if bundle.row == Some(axis) { shift.point } else { 0 };
                sum.constant += signed(by) * coefficient;
            }
        }
        sum
    }

    /// An index at a point of the bundle.
    fn index(&mut self, index: &Index, shift: Shift, known: &mut Known, slot: usize) -> Linear {
        let (Index::Affine(of) | Index::Part { of, .. } | Index::Table { at: of, .. }) = index;
        let of = self.affine(of, shift);
        if let Index::Affine(_) = index {
            return of;
        }
        if let Some(found) = known.get(&(slot, of.clone())) {
            return found.clone();
        }
        let result = match index {
            Index::Affine(_) => unreachable!("returned above"),
            Index::Part { by, modulo, .. } if of.terms.is_empty() => {
                let quotient = of.constant / signed(*by);
                Linear::constant(modulo.map_or(quotient, |it| quotient % signed(it)))
            }
            Index::Part { by, modulo, .. } => {
                let of = self.emit.linear(&of);
                let quotient = self.emit.quotient(of, *by);
                let part = modulo.map_or(quotient, |it| self.emit.remainder(quotient, it));
                Linear::value(part, 1)
            }
            Index::Table { table, .. } => {
                let bytes = self.blob.table(Table::Positions(table)) * size_of::<u32>();
                let mut at = Linear::constant(signed(bytes));
                at.add(&of, 4);
                let (pointer, offset) = self.emit.address(self.emit.blob, &at);
                let entry = self.emit.b.ins().load(types::I32, CONSTANT, pointer, offset);
                Linear::value(self.emit.b.ins().uextend(types::I64, entry), 1)
            }
        };
        known.insert((slot, of), result.clone());
        result
    }

    /// The elements from the start of an operand's buffer to one of its elements, at a point of the bundle.
    fn element(
        &mut self,
        operand: &Operand,
        at: &[Index],
        shift: Shift,
        known: &mut Known,
    ) -> Linear {
        let mut sum = Linear::constant(operand.base);
        for (axis, (index, &stride)) in at.iter().zip(&operand.strides).enumerate() {
            let index = self.index(index, shift, known, axis);
            if axis == 1 && operand.blocked {
                self.add_channel(&mut sum, index, stride, known);
            } else {
                sum.add(&index, stride);
            }
        }
        sum
    }

    /// Adds `channel / 8 * stride + channel % 8`.
    fn add_channel(&mut self, sum: &mut Linear, channel: Linear, stride: i64, known: &mut Known) {
        let lanes = signed(LANES);
        if channel.steps_by(lanes) {
            let terms = channel.terms.iter().map(|it| (it.0, it.1 / lanes)).collect();
            let block = Linear { terms, constant: channel.constant.div_euclid(lanes) };
            sum.add(&block, stride);
            sum.constant += channel.constant.rem_euclid(lanes);
            return;
        }
        const BLOCK: usize = usize::MAX;
        const LANE: usize = usize::MAX - 1;
        if !known.contains_key(&(BLOCK, channel.clone())) {
            let value = self.emit.linear(&channel);
            let block = self.emit.b.ins().ushr_imm_u(value, 3);
            let lane = self.emit.b.ins().band_imm_u(value, 7);
            known.insert((BLOCK, channel.clone()), Linear::value(block, 1));
            known.insert((LANE, channel.clone()), Linear::value(lane, 1));
        }
        sum.add(&known[&(BLOCK, channel.clone())], stride);
        sum.add(&known[&(LANE, channel)], 1);
    }

    /// The byte offsets of an element of an operand at every lane of every part (at one point without a bundle).
    pub(super) fn places(&mut self, operand: &Operand, at: &[Index]) -> Vec<[Linear; WIDTH]> {
        let mut known = Known::new();
        let parts =
            self.bundle.as_ref().map_or_else(|| vec![Shift::default()], |it| it.parts.clone());
        let varies = at.iter().any(|it| self.index_varies(it));
        let single = self.bundle.is_none();
        let mut places = Vec::new();
        for part in &parts {
            let mut lane = |lane: usize| {
                let shift = Shift { lane: part.lane + lane, point: part.point };
                let element = self.element(operand, at, shift, &mut known);
                let mut bytes = Linear::default();
                bytes.add(&element, 4);
                bytes
            };
            if !varies || single {
                let first = lane(0);
                places.push(std::array::from_fn(|_| first.clone()));
            } else {
                places.push(std::array::from_fn(&mut lane));
            }
            if !varies {
                break;
            }
        }
        places
    }
}
