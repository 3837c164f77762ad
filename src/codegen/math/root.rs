//! Powers that are square roots and products: a division by `x^0.75` is what `lrn` does to every element.

use cranelift::prelude::*;

use super::{select, splat};
use crate::nest::{Binary, Expr};

/// An exponent that needs no logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codegen) enum Root {
    /// 1/2
    Half,
    /// 3/4
    ThreeQuarters,
}

impl Root {
    /// What `f(.., exponent)` is, if it is one of these.
    pub(in crate::codegen) fn of(f: Binary, exponent: &Expr) -> Option<Root> {
        match (f, exponent) {
            (Binary::Pow, Expr::Const(0.5)) => Some(Root::Half),
            (Binary::Pow, Expr::Const(0.75)) => Some(Root::ThreeQuarters),
            _ => None,
        }
    }
}

/// Four powers, each rounded at most three times, with the special values of IEEE 754 `pow`.
pub(in crate::codegen) fn root(b: &mut FunctionBuilder<'_>, root: Root, x: Value) -> Value {
    let half = b.ins().sqrt(x);
    let power = match root {
        // A negative zero has the power zero.
        Root::Half => {
            let zero = splat(b, 0.0);
            b.ins().fadd(half, zero)
        }
        Root::ThreeQuarters => {
            let quarter = b.ins().sqrt(half);
            b.ins().fmul(half, quarter)
        }
    };
    let (lowest, infinite) = (splat(b, f32::NEG_INFINITY), splat(b, f32::INFINITY));
    let is_lowest = b.ins().fcmp(FloatCC::Equal, x, lowest);
    select(b, is_lowest, infinite, power)
}
