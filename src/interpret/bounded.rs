//! Numbers that know how far rounding may have moved them.

use crate::nest::interpret::{binary, unary};
use crate::nest::{Binary, Expr, Unary};
use crate::tensor::max;

/// A value and the magnitude that bounds its error: the error is at most `c * u * size`.
#[derive(Clone, Copy)]
pub(super) struct Bounded {
    pub(super) value: f64,
    pub(super) size: f64,
}

/// The least error that a subnormal intermediate may make, as a magnitude: 2^-126 = 8 * 2^-24 * 2^-105.
const SUBNORMAL: f64 = 1.0 / (1_u128 << 105) as f64;

/// A value this far from 0, as a multiple of its magnitude, has the right sign: no factor `c` reaches 2^8.
const KINK: f64 = 1.0 / (1 << 16) as f64;

/// A jump as a magnitude that allows for it, since the factor `c` of a layer that is not exact, with a step after it, is
/// 4 or more.
const JUMP: f64 = (1 << 22) as f64;

impl Bounded {
    /// `expr` of this: each step adds what its own rounding may do and scales what came before by its slope.
    pub(super) fn through(self, expr: &Expr) -> Bounded {
        match expr {
            Expr::It => self,
            Expr::Const(it) => Bounded { value: f64::from(*it), size: 0.0 },
            Expr::Unary(f, a) => self.through(a).unary(*f),
            Expr::Binary(f, a, b) => self.through(a).binary(*f, self.through(b)),
            Expr::Load(..) | Expr::Table(..) | Expr::Reduce { .. } | Expr::Choose(..) => {
                panic!("a pointwise operator reads nothing but its element")
            }
        }
    }

    fn unary(self, f: Unary) -> Bounded {
        let (a, value) = (self.value, unary(f, self.value));
        let slope = match f {
            Unary::Neg | Unary::Abs => return Bounded { value, size: self.size },
            Unary::Exp => value,
            Unary::Log => 1.0 / a,
            Unary::Sqrt => 0.5 / value,
            Unary::Recip => value * value,
            Unary::Tanh => 1.0 - value * value,
            Unary::Sigmoid => value * (1.0 - value),
            Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-a * a),
            Unary::Floor | Unary::Ceil | Unary::Round | Unary::Sign => {
                // Near a jump an error may take the other side.
                let near = self.size * KINK;
                let jump = unary(f, a + near) - unary(f, a - near);
                let jump = if jump.is_nan() { 0.0 } else { jump };
                return Bounded { value, size: value.abs() + jump * JUMP };
            }
        };
        let own = value.abs() + SUBNORMAL;
        Bounded { value, size: if self.size == 0.0 { own } else { slope.abs() * self.size + own } }
    }

    fn binary(self, f: Binary, other: Bounded) -> Bounded {
        let (a, b) = (self, other);
        let value = binary(f, a.value, b.value);
        let size = match f {
            Binary::Add | Binary::Sub => a.size + b.size + value.abs(),
            Binary::Mul => b.value.abs() * a.size + a.value.abs() * b.size + value.abs(),
            Binary::Div => (a.size + value.abs() * b.size) / b.value.abs() + value.abs(),
            Binary::Pow => (b.value * value / a.value).abs() * a.size + value.abs(),
            // Near the kink an error may take the other branch.
            Binary::Positive if a.value.abs() > a.size * KINK => {
                if a.value < 0.0 {
                    b.size
                } else {
                    a.size
                }
            }
            Binary::Max | Binary::Min | Binary::Positive => max(a.size, b.size),
        };
        Bounded { value, size }
    }
}
