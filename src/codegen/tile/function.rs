//! Functions of one number, as vector programs.
//!
//! They follow the sum of a tile: its results are stored, taken up again one by one while they are near, and
//! stored for good. All registers are free then; constants keep those that the function itself does not need, and
//! the others are made anew for each result.
//!
//! The polynomials are those of loops (`codegen::series`); products are added without rounding
//! where the target can.

use super::super::series::{self, LN_2_HIGH, LN_2_LOW, ROUND};
use super::{Arithmetic, Instr, Operand, Vector};
use crate::plan::Function;

/// Where e^x is a normal number.
const LOWEST: f32 = -87.336_54;
const HIGHEST: f32 = 88.376_26;

/// A vector and whether it may be overwritten: a result of this function's, not yet used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    vector: Vector,
    owned: bool,
}

impl Held {
    /// A vector that stays as it is.
    pub(super) fn kept(vector: Vector) -> Held {
        Held { vector, owned: false }
    }

    fn borrowed(self) -> Held {
        Held::kept(self.vector)
    }
}

/// Registers while functions are written.
#[derive(Debug)]
pub(super) struct Registers {
    pub(super) body: Vec<Instr>,
    free: Vec<Vector>,
    /// Constants that have registers for good, by their bits.
    constants: Vec<(u32, Vector)>,
    /// All constants in the order of their first use.
    seen: Vec<u32>,
    /// The fewest that were free.
    least: usize,
}

impl Registers {
    /// Some registers, the last of which hold constants.
    pub(super) fn new(free: impl Iterator<Item = u8>, constants: &[u32]) -> Registers {
        let mut free: Vec<Vector> = free.map(Vector).collect();
        let kept = free.split_off(free.len() - constants.len());
        let constants: Vec<_> = constants.iter().copied().zip(kept).collect();
        let splat = |it: &(u32, Vector)| Instr::Splat(it.1, f32::from_bits(it.0));
        let body = constants.iter().map(splat).collect();
        let least = free.len();
        free.reverse();
        Registers { body, free, constants, seen: Vec::new(), least }
    }

    /// The constants that would find a register beside the most that were in use at once.
    pub(super) fn worth_keeping(mut self) -> Vec<u32> {
        self.seen.truncate(self.least);
        self.seen
    }

    /// Two registers for one moment.
    pub(super) fn pair(&mut self) -> [Vector; 2] {
        let [a, b] = [self.take(), self.take()];
        self.free.extend([b, a]);
        [a, b]
    }

    fn take(&mut self) -> Vector {
        let taken = self.free.pop().expect("a function needs few registers");
        self.least = self.least.min(self.free.len());
        taken
    }

    fn release(&mut self, it: Held) {
        if it.owned {
            self.free.push(it.vector);
        }
    }

    fn constant(&mut self, value: f32) -> Held {
        let bits = value.to_bits();
        if let Some(it) = self.constants.iter().find(|it| it.0 == bits) {
            return Held::kept(it.1);
        }
        if !self.seen.contains(&bits) {
            self.seen.push(bits);
        }
        let vector = self.take();
        self.body.push(Instr::Splat(vector, value));
        Held { vector, owned: true }
    }

    /// `op(a, b)`, over an operand that is owned. An exponent is never added in the place of what it is added to.
    fn op(&mut self, op: Arithmetic, a: Held, b: Held) -> Held {
        let fits = |it: &Held| it.owned && (op != Arithmetic::Power || it.vector == b.vector);
        let over = [b, a].into_iter().find(fits);
        let dst = over.map_or_else(|| self.take(), |it| it.vector);
        self.body.push(Instr::Arithmetic { op, dst, a: a.vector, b: Operand::Vector(b.vector) });
        for it in [a, b] {
            if it.vector != dst {
                self.release(it);
            }
        }
        Held { vector: dst, owned: true }
    }

    fn with(&mut self, op: Arithmetic, a: Held, b: f32) -> Held {
        let b = self.constant(b);
        self.op(op, a, b)
    }

    /// `sum * x + plus` in the place of `sum`.
    fn scaled(&mut self, sum: Held, x: Held, plus: Held) -> Held {
        let plus_operand = Operand::Vector(plus.vector);
        self.body.push(Instr::Scale { acc: sum.vector, by: x.vector, plus: plus_operand });
        self.release(plus);
        sum
    }

    /// `sum + a * b` in the place of `sum`.
    fn plus_product(&mut self, sum: Held, a: Held, b: f32) -> Held {
        let b = self.constant(b);
        let operand = Operand::Vector(b.vector);
        self.body.push(Instr::Fma { acc: sum.vector, a: a.vector, b: operand });
        self.release(b);
        sum
    }

    fn copy(&mut self, of: Held) -> Held {
        if of.owned {
            return of;
        }
        self.op(Arithmetic::Or, of, of)
    }

    /// `c[0] + x * (c[1] + x * ..)`; `x` stays.
    fn polynomial(&mut self, x: Held, c: &[f32]) -> Held {
        let (last, rest) = c.split_last().expect("a polynomial has coefficients");
        let last = self.constant(*last);
        let mut sum = self.copy(last);
        for &c in rest.iter().rev() {
            let c = self.constant(c);
            sum = self.scaled(sum, x, c);
        }
        sum
    }

    /// The number between two bounds; NaN stays.
    fn clamp(&mut self, x: Held, low: f32, high: f32) -> Held {
        let low = self.constant(low);
        let x = self.op(Arithmetic::Max, low, x);
        let high = self.constant(high);
        self.op(Arithmetic::Min, high, x)
    }

    /// e^x = 2^n * e^r with `|r| <= ln 2 / 2`, a normal number whatever x: [`LOWEST`] and [`HIGHEST`] bound it.
    fn exp(&mut self, x: Held) -> Held {
        let x = self.clamp(x, LOWEST, HIGHEST);
        let n = self.with(Arithmetic::Mul, x.borrowed(), std::f32::consts::LOG2_E);
        let n = self.with(Arithmetic::Add, n, ROUND);
        let whole = self.with(Arithmetic::Sub, n.borrowed(), ROUND);
        let r = self.plus_product(x, whole, -LN_2_HIGH);
        let r = self.plus_product(r, whole, -LN_2_LOW);
        self.release(whole);
        let tail = self.polynomial(r, &series::EXP);
        let square = self.op(Arithmetic::Mul, r.borrowed(), r.borrowed());
        let tail = self.scaled(tail, square, r);
        self.release(square);
        let y = self.with(Arithmetic::Add, tail, 1.0);
        let one = self.constant(1.0);
        let power = self.op(Arithmetic::Power, one, n);
        self.op(Arithmetic::Mul, y, power)
    }

    fn sigmoid(&mut self, x: Held) -> Held {
        let zero = self.constant(0.0);
        let x = self.op(Arithmetic::Sub, zero, x);
        let power = self.exp(x);
        let power = self.with(Arithmetic::Add, power, 1.0);
        let one = self.constant(1.0);
        self.op(Arithmetic::Div, one, power)
    }

    fn magnitude(&mut self, x: Held) -> Held {
        let zero = self.constant(0.0);
        let negated = self.op(Arithmetic::Sub, zero, x.borrowed());
        self.op(Arithmetic::Max, negated, x)
    }

    /// `x` with the sign of another number, if it has none.
    fn signed(&mut self, x: Held, of: Held) -> Held {
        let sign = self.with(Arithmetic::And, of, -0.0);
        self.op(Arithmetic::Or, x, sign)
    }

    /// `near` where `magnitude < border`, else `far`.
    fn split(&mut self, magnitude: Held, border: f32, near: Held, far: Held) -> Held {
        let mask = self.with(Arithmetic::Sub, magnitude, border);
        let (mask_at, negative, other) = (mask.vector, near.vector, far.vector);
        self.body.push(Instr::Select { dst: other, mask: mask_at, negative, other });
        self.release(mask);
        self.release(near);
        far
    }

    /// Odd polynomial below 5/8, else 1 - 2 / (e^2x + 1).
    fn tanh(&mut self, x: Held) -> Held {
        let magnitude = self.magnitude(x.borrowed());
        let double = self.op(Arithmetic::Add, magnitude.borrowed(), magnitude.borrowed());
        let power = self.exp(double);
        let power = self.with(Arithmetic::Add, power, 1.0);
        let two = self.constant(2.0);
        let part = self.op(Arithmetic::Div, two, power);
        let one = self.constant(1.0);
        let far = self.op(Arithmetic::Sub, one, part);
        let far = self.signed(far, x.borrowed());
        let square = self.op(Arithmetic::Mul, x.borrowed(), x.borrowed());
        let tail = self.polynomial(square, &series::TANH);
        let tail = self.op(Arithmetic::Mul, tail, square);
        let near = self.scaled(tail, x, x.borrowed());
        let y = self.split(magnitude, 0.625, near, far);
        self.release(x);
        y
    }

    /// Odd polynomial below 1, else 1 - e^(-q) where q is a polynomial that follows -ln(1 - erf).
    fn erf(&mut self, x: Held) -> Held {
        let magnitude = self.magnitude(x.borrowed());
        let clamped = self.clamp(magnitude.borrowed(), 0.0, 4.0);
        let q = self.polynomial(clamped, &series::ERF_FAR);
        self.release(clamped);
        let zero = self.constant(0.0);
        let q = self.op(Arithmetic::Sub, zero, q);
        let rest = self.exp(q);
        let one = self.constant(1.0);
        let far = self.op(Arithmetic::Sub, one, rest);
        let far = self.signed(far, x.borrowed());
        let square = self.op(Arithmetic::Mul, x.borrowed(), x.borrowed());
        let tail = self.polynomial(square, &series::ERF_NEAR);
        self.release(square);
        let near = self.op(Arithmetic::Mul, tail, x);
        self.split(magnitude, 1.0, near, far)
    }

    /// The function of a vector, in its place.
    pub(super) fn apply(&mut self, function: Function, it: Vector) {
        let x = Held::kept(it);
        let y = match function {
            Function::Sigmoid => self.sigmoid(x),
            Function::Silu => {
                let gate = self.sigmoid(x);
                self.op(Arithmetic::Mul, gate, x)
            }
            Function::Tanh => self.tanh(x),
            Function::Hardswish => {
                let gate = self.with(Arithmetic::Add, x, 3.0);
                let gate = self.clamp(gate, 0.0, 6.0);
                let gate = self.with(Arithmetic::Mul, gate, 1.0 / 6.0);
                self.op(Arithmetic::Mul, gate, x)
            }
            Function::Gelu => {
                let scaled = self.with(Arithmetic::Mul, x, std::f32::consts::FRAC_1_SQRT_2);
                let gate = self.erf(scaled);
                let gate = self.with(Arithmetic::Add, gate, 1.0);
                let gate = self.with(Arithmetic::Mul, gate, 0.5);
                self.op(Arithmetic::Mul, gate, x)
            }
        };
        let (op, b) = (Arithmetic::Or, Operand::Vector(y.vector));
        self.body.push(Instr::Arithmetic { op, dst: it, a: y.vector, b });
        self.release(y);
    }
}
