//! Functions of one number that tiles compute behind a sum.

use crate::nest::{Binary, Expr, Unary};

/// An activation that takes more than a few instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x / (1 + e^-x)`
    Silu,
    /// The hyperbolic tangent.
    Tanh,
    /// `x * min(max(x + 3, 0), 6) / 6`
    Hardswish,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`
    Gelu,
}

impl Function {
    /// All of them.
    pub const ALL: [Function; 5] =
        [Function::Sigmoid, Function::Silu, Function::Tanh, Function::Hardswish, Function::Gelu];

    /// The function whose definition an expression is.
    pub(super) fn of(expr: &Expr) -> Option<Function> {
        Function::ALL.into_iter().find(|it| it.expr() == *expr)
    }

    /// Its definition, of [`Expr::It`].
    pub fn expr(self) -> Expr {
        let scaled = |by: f32| Expr::It.binary(Binary::Mul, Expr::Const(by));
        match self {
            Function::Sigmoid => Expr::It.unary(Unary::Sigmoid),
            Function::Silu => Expr::It.binary(Binary::Mul, Expr::It.unary(Unary::Sigmoid)),
            Function::Tanh => Expr::It.unary(Unary::Tanh),
            Function::Hardswish => {
                let gate = Expr::It.binary(Binary::Add, Expr::Const(3.0));
                let gate = gate.binary(Binary::Positive, Expr::Const(0.0));
                let gate = gate.binary(Binary::Min, Expr::Const(6.0));
                Expr::It.binary(Binary::Mul, gate.binary(Binary::Div, Expr::Const(6.0)))
            }
            Function::Gelu => {
                let gate = scaled(std::f32::consts::FRAC_1_SQRT_2).unary(Unary::Erf);
                scaled(0.5).binary(Binary::Mul, gate.binary(Binary::Add, Expr::Const(1.0)))
            }
        }
    }

    /// Its name in a printed plan.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Sigmoid => "sigmoid",
            Function::Silu => "silu",
            Function::Tanh => "tanh",
            Function::Hardswish => "hardswish",
            Function::Gelu => "gelu",
        }
    }
}
