//! Expressions: loads, functions, choices.

use cranelift::prelude::*;

use super::super::emit::{CONSTANT, MEMORY};
use super::super::linear::Linear;
use super::super::math;
use super::super::pack::Table;
use super::scope::{Number, Operand, Scope, Shift, WIDTH, signed};
use crate::nest::{Affine, Binary, Buffer, Expr, Guard, Index, Unary};

/// What is known of a condition while compiling.
pub(super) enum Truth {
    Always,
    Never,
    /// Known when running.
    Open(Value),
}

impl Scope<'_, '_> {
    /// Whether an expression differs between the points of a bundle.
    pub(super) fn expr_varies(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Const(_) => false,
            Expr::It => matches!(self.it, Some(Number::Parts(_))),
            Expr::Load(_, at) => at.iter().any(|it| self.index_varies(it)),
            Expr::Table(_, at) => self.affine_varies(at),
            Expr::Unary(_, a) => self.expr_varies(a),
            Expr::Binary(_, a, b) | Expr::Choose(_, a, b) => {
                self.expr_varies(a) || self.expr_varies(b)
            }
            Expr::Reduce { body, .. } => self.expr_varies(body),
        }
    }

    /// The value of an expression at the bundle.
    pub(super) fn eval(&mut self, expr: &Expr) -> Number {
        match expr {
            Expr::Const(it) => Number::Same(self.emit.b.ins().f32const(*it)),
            Expr::It => self.it.clone().expect("`it` stands for a value only in an epilogue"),
            Expr::Load(buffer, at) => self.load(*buffer, at),
            Expr::Table(table, at) => {
                let from = self.blob.table(Table::Numbers(table));
                let operand = Operand::rows(&self.emit, from, &[table.len()]);
                self.load_from(&operand, &[Index::Affine(at.clone())])
            }
            Expr::Unary(f, a) => {
                let a = self.eval(a);
                self.unary(*f, a)
            }
            Expr::Binary(f, a, b) => match math::Root::of(*f, b) {
                Some(root) => {
                    let a = self.eval(a);
                    self.root(root, a)
                }
                None => {
                    let (a, b) = (self.eval(a), self.eval(b));
                    self.binary(*f, a, b)
                }
            },
            Expr::Reduce { op, extents, guards, body } => self.reduce(*op, extents, guards, body),
            Expr::Choose(guards, a, b) => self.choose(guards, a, b),
        }
    }

    fn load(&mut self, buffer: Buffer, at: &[Index]) -> Number {
        let operand = self.operand(buffer).clone();
        self.load_from(&operand, at)
    }

    fn load_from(&mut self, operand: &Operand, at: &[Index]) -> Number {
        let places = self.places(operand, at);
        let single = self.bundle.is_none() || !at.iter().any(|it| self.index_varies(it));
        if single {
            return Number::Same(self.scalar(operand, &places[0][0]));
        }
        Number::Parts(places.iter().map(|lanes| self.register(operand, lanes)).collect())
    }

    fn scalar(&mut self, operand: &Operand, place: &Linear) -> Value {
        let (pointer, offset) = self.emit.address(operand.pointer, place);
        self.emit.b.ins().load(types::F32, operand.flags, pointer, offset)
    }

    /// Four lanes: one load where they are neighbours, one broadcast where they are one, else gathered.
    fn register(&mut self, operand: &Operand, lanes: &[Linear; WIDTH]) -> Value {
        if are_steps(lanes, 4) {
            let (pointer, offset) = self.emit.address(operand.pointer, &lanes[0]);
            return self.emit.b.ins().load(types::F32X4, operand.flags, pointer, offset);
        }
        let first = self.scalar(operand, &lanes[0]);
        let mut sum = self.splat(first);
        if !are_steps(lanes, 0) {
            for (lane, place) in (1..).zip(&lanes[1..]) {
                let value = self.scalar(operand, place);
                sum = self.emit.b.ins().insertlane(sum, value, lane as u8);
            }
        }
        sum
    }

    pub(super) fn splat(&mut self, value: Value) -> Value {
        self.emit.b.ins().splat(types::F32X4, value)
    }

    /// A number as one register for each part of the bundle; as one f32 without a bundle.
    pub(super) fn spread(&mut self, number: Number) -> Vec<Value> {
        match (number, self.bundle.as_ref().map(|it| it.parts.len())) {
            (Number::Parts(parts), _) => parts,
            (Number::Same(value), None) => vec![value],
            (Number::Same(value), Some(parts)) => {
                let value = self.splat(value);
                vec![value; parts]
            }
        }
    }

    fn unary(&mut self, f: Unary, a: Number) -> Number {
        let b = &mut self.emit.b;
        match a {
            Number::Same(a) => Number::Same(math::unary_scalar(b, f, a)),
            Number::Parts(parts) => {
                Number::Parts(parts.into_iter().map(|it| math::unary(b, f, it)).collect())
            }
        }
    }

    fn root(&mut self, root: math::Root, a: Number) -> Number {
        let b = &mut self.emit.b;
        match a {
            Number::Same(a) => {
                let a = b.ins().splat(types::F32X4, a);
                let y = math::root(b, root, a);
                Number::Same(b.ins().extractlane(y, 0))
            }
            Number::Parts(parts) => {
                Number::Parts(parts.into_iter().map(|it| math::root(b, root, it)).collect())
            }
        }
    }

    pub(super) fn binary(&mut self, f: Binary, x: Number, y: Number) -> Number {
        if let (Number::Same(x), Number::Same(y)) = (&x, &y) {
            return Number::Same(math::binary_scalar(&mut self.emit.b, f, *x, *y));
        }
        let (x, y) = (self.spread(x), self.spread(y));
        let b = &mut self.emit.b;
        Number::Parts(x.into_iter().zip(y).map(|(x, y)| math::binary(b, f, x, y)).collect())
    }

    fn choose(&mut self, guards: &[Guard], yes: &Expr, no: &Expr) -> Number {
        let condition = match self.holds(guards) {
            Truth::Always => return self.eval(yes),
            Truth::Never => return self.eval(no),
            Truth::Open(condition) => condition,
        };
        let varies = self.expr_varies(yes) || self.expr_varies(no);
        let cells = self.cells(varies);
        let branch = self.emit.when(condition);
        let value = self.eval(yes);
        self.put(&cells, value);
        self.emit.otherwise(&branch);
        let value = self.eval(no);
        self.put(&cells, value);
        self.emit.end(&branch);
        self.get(&cells, varies)
    }

    /// Variables for a number: one for each part, or one if it is the same everywhere.
    pub(super) fn cells(&mut self, varies: bool) -> Vec<Variable> {
        match &self.bundle {
            Some(bundle) if varies => {
                bundle.parts.iter().map(|_| self.emit.b.declare_var(types::F32X4)).collect()
            }
            _ => vec![self.emit.b.declare_var(types::F32)],
        }
    }

    pub(super) fn put(&mut self, cells: &[Variable], number: Number) {
        let values = match number {
            Number::Same(value) if cells.len() == 1 => vec![value],
            number => self.spread(number),
        };
        for (&cell, value) in cells.iter().zip(values) {
            self.emit.b.def_var(cell, value);
        }
    }

    pub(super) fn get(&mut self, cells: &[Variable], varies: bool) -> Number {
        let values: Vec<Value> = cells.iter().map(|&it| self.emit.b.use_var(it)).collect();
        match self.bundle {
            Some(_) if varies => Number::Parts(values),
            _ => Number::Same(values[0]),
        }
    }

    /// Whether all guards hold. None of them differs between the points of a bundle.
    pub(super) fn holds(&mut self, guards: &[Guard]) -> Truth {
        let mut all: Option<Value> = None;
        for guard in guards {
            let one = match self.hold(guard) {
                Truth::Always => continue,
                Truth::Never => return Truth::Never,
                Truth::Open(one) => one,
            };
            all = Some(all.map_or(one, |it| self.emit.b.ins().band(it, one)));
        }
        all.map_or(Truth::Always, Truth::Open)
    }

    fn hold(&mut self, guard: &Guard) -> Truth {
        let (Guard::Within(affine, extent) | Guard::Divides(affine, extent)) = guard;
        debug_assert!(!self.affine_varies(affine), "a bundle has one truth");
        let at = self.affine(affine, Shift::default());
        let by = signed(*extent);
        let known = |it: bool| if it { Truth::Always } else { Truth::Never };
        match guard {
            Guard::Within(..) => {
                let (low, high) = self.range(affine);
                if 0 <= low && high < by {
                    return Truth::Always;
                }
                if at.terms.is_empty() {
                    return known((0..by).contains(&at.constant));
                }
                let at = self.emit.linear(&at);
                Truth::Open(self.emit.b.ins().icmp_imm_s(IntCC::UnsignedLessThan, at, by))
            }
            Guard::Divides(..) => {
                if at.steps_by(by) {
                    return known(at.constant % by == 0);
                }
                // A multiple of the divisor makes it positive without changing the answer.
                let (low, _) = self.range(affine);
                let lift = if low < 0 { (-low + by - 1) / by * by } else { 0 };
                let at = self.emit.linear(&at.plus(lift));
                let rest = self.emit.remainder(at, *extent);
                Truth::Open(self.emit.b.ins().icmp_imm_s(IntCC::Equal, rest, 0))
            }
        }
    }

    /// The least and the greatest value of a position over all axes in scope.
    pub(super) fn range(&self, affine: &Affine) -> (i64, i64) {
        let mut range = (affine.constant, affine.constant);
        for &(axis, coefficient) in &affine.terms {
            let reach = coefficient * (signed(self.extents[axis]) - 1);
            range.0 += reach.min(0);
            range.1 += reach.max(0);
        }
        range
    }

    /// Stores a number at the bundle.
    pub(super) fn store(&mut self, at: &[Affine], number: Number) {
        let at: Vec<Index> = at.iter().cloned().map(Index::Affine).collect();
        let operand = self.output.clone();
        let places = self.places(&operand, &at);
        let values = self.spread(number);
        if self.bundle.is_none() {
            let (pointer, offset) = self.emit.address(operand.pointer, &places[0][0]);
            self.emit.b.ins().store(MEMORY, values[0], pointer, offset);
            return;
        }
        for (value, lanes) in values.into_iter().zip(&places) {
            if are_steps(lanes, 4) {
                let (pointer, offset) = self.emit.address(operand.pointer, &lanes[0]);
                self.emit.b.ins().store(MEMORY, value, pointer, offset);
                continue;
            }
            for (lane, place) in (0_u8..).zip(lanes) {
                let one = self.emit.b.ins().extractlane(value, lane);
                let (pointer, offset) = self.emit.address(operand.pointer, place);
                self.emit.b.ins().store(MEMORY, one, pointer, offset);
            }
        }
    }
}

/// Whether each lane lies so many bytes after the one before.
fn are_steps(lanes: &[Linear; WIDTH], bytes: i64) -> bool {
    lanes
        .windows(2)
        .all(|pair| pair[0].terms == pair[1].terms && pair[1].constant - pair[0].constant == bytes)
}

const _: () = assert!(CONSTANT.readonly());
