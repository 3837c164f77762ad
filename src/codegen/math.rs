//! The functions of the kernel language on four f32 lanes, as straight-line vector code.
//!
//! No call leaves generated code: results are the same wherever it runs. Products and sums are rounded
//! separately, also where the target could fuse them. The polynomials are interpolations at Chebyshev nodes;
//! errors are measured against f64 in the tests.

mod pow;
mod root;

use cranelift::codegen::ir::{Endianness, MemFlagsData};
use cranelift::prelude::*;

pub(super) use root::{Root, root};

use super::series::{self, LN_2_HIGH, LN_2_LOW, ROUND};
use crate::nest::{Binary, Unary};

/// Whether a function is many instructions.
pub(super) fn is_long(f: Unary) -> bool {
    matches!(f, Unary::Exp | Unary::Log | Unary::Tanh | Unary::Sigmoid | Unary::Erf)
}

/// `f` of four lanes.
pub(super) fn unary(b: &mut FunctionBuilder<'_>, f: Unary, x: Value) -> Value {
    match f {
        Unary::Exp => exp(b, x),
        Unary::Log => log(b, x),
        Unary::Tanh => tanh(b, x),
        Unary::Sigmoid => sigmoid(b, x),
        Unary::Erf => erf(b, x),
        Unary::Sign => sign(b, x),
        Unary::Recip => {
            let one = splat(b, 1.0);
            b.ins().fdiv(one, x)
        }
        _ => short(b, f, x),
    }
}

/// `f` of one number: the same bits as [`unary`].
pub(super) fn unary_scalar(b: &mut FunctionBuilder<'_>, f: Unary, x: Value) -> Value {
    if is_long(f) || matches!(f, Unary::Recip | Unary::Sign) {
        let x = b.ins().splat(types::F32X4, x);
        let y = unary(b, f, x);
        return b.ins().extractlane(y, 0);
    }
    short(b, f, x)
}

/// One instruction, or nearly, for one number and for four.
fn short(b: &mut FunctionBuilder<'_>, f: Unary, x: Value) -> Value {
    let ins = b.ins();
    match f {
        Unary::Neg => ins.fneg(x),
        Unary::Abs => ins.fabs(x),
        Unary::Sqrt => ins.sqrt(x),
        Unary::Floor => ins.floor(x),
        Unary::Ceil => ins.ceil(x),
        Unary::Round => ins.nearest(x),
        _ => panic!("{f:?} is not one instruction"),
    }
}

/// `f` of four pairs.
pub(super) fn binary(b: &mut FunctionBuilder<'_>, f: Binary, x: Value, y: Value) -> Value {
    match f {
        Binary::Add => b.ins().fadd(x, y),
        Binary::Sub => b.ins().fsub(x, y),
        Binary::Mul => b.ins().fmul(x, y),
        Binary::Div => b.ins().fdiv(x, y),
        Binary::Max => {
            let greater = larger(b, y, x);
            or_nan(b, greater, y)
        }
        Binary::Min => {
            let less = smaller(b, y, x);
            or_nan(b, less, y)
        }
        Binary::Pow => pow::pow(b, x, y),
        Binary::Positive => {
            let zero = splat(b, 0.0);
            let negative = b.ins().fcmp(FloatCC::LessThan, x, zero);
            select(b, negative, y, x)
        }
    }
}

/// `f` of a pair: the same bits as [`binary`].
pub(super) fn binary_scalar(b: &mut FunctionBuilder<'_>, f: Binary, x: Value, y: Value) -> Value {
    match f {
        Binary::Add => b.ins().fadd(x, y),
        Binary::Sub => b.ins().fsub(x, y),
        Binary::Mul => b.ins().fmul(x, y),
        Binary::Div => b.ins().fdiv(x, y),
        Binary::Max | Binary::Min | Binary::Pow | Binary::Positive => {
            let x = b.ins().splat(types::F32X4, x);
            let y = b.ins().splat(types::F32X4, y);
            let value = binary(b, f, x, y);
            b.ins().extractlane(value, 0)
        }
    }
}

fn little() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

fn splat(b: &mut FunctionBuilder<'_>, value: f32) -> Value {
    let value = b.ins().f32const(value);
    b.ins().splat(types::F32X4, value)
}

fn splat_int(b: &mut FunctionBuilder<'_>, value: i32) -> Value {
    let value = b.ins().iconst(types::I32, i64::from(value));
    b.ins().splat(types::I32X4, value)
}

fn bits(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    b.ins().bitcast(types::I32X4, little(), x)
}

fn from_bits(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    b.ins().bitcast(types::F32X4, little(), x)
}

/// Lane by lane, where a comparison holds and where it does not.
fn select(b: &mut FunctionBuilder<'_>, mask: Value, yes: Value, no: Value) -> Value {
    let mask = from_bits(b, mask);
    b.ins().bitselect(mask, yes, no)
}

/// `x > y ? x : y`, so `y` when either is NaN: one `maxps`.
fn larger(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let mask = b.ins().fcmp(FloatCC::LessThan, y, x);
    select(b, mask, x, y)
}

/// `x < y ? x : y`, so `y` when either is NaN: one `minps`.
fn smaller(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let mask = b.ins().fcmp(FloatCC::LessThan, x, y);
    select(b, mask, x, y)
}

/// `x`, but NaN where `y` is: a mask of ones makes it one.
fn or_nan(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let nan = b.ins().fcmp(FloatCC::Unordered, y, y);
    let nan = from_bits(b, nan);
    b.ins().bor(x, nan)
}

/// `x` between two bounds; NaN stays.
fn clamp(b: &mut FunctionBuilder<'_>, x: Value, low: f32, high: f32) -> Value {
    let (low, high) = (splat(b, low), splat(b, high));
    let x = larger(b, low, x);
    smaller(b, high, x)
}

/// `c[0] + x * (c[1] + x * ..)`
fn polynomial(b: &mut FunctionBuilder<'_>, x: Value, c: &[f32]) -> Value {
    let (last, rest) = c.split_last().expect("a polynomial has coefficients");
    let mut sum = splat(b, *last);
    for &c in rest.iter().rev() {
        let c = splat(b, c);
        sum = b.ins().fmul(sum, x);
        sum = b.ins().fadd(sum, c);
    }
    sum
}

/// The nearest integer to `|x| < 2^22`, as f32 and as i32.
fn nearest(b: &mut FunctionBuilder<'_>, x: Value) -> (Value, Value) {
    let round = splat(b, ROUND);
    let shifted = b.ins().fadd(x, round);
    let whole = b.ins().fsub(shifted, round);
    let offset = splat_int(b, ROUND.to_bits().cast_signed());
    let shifted = bits(b, shifted);
    (whole, b.ins().isub(shifted, offset))
}

/// `x * 2^n` in two steps, so that results outside the normal range come out right.
fn scale(b: &mut FunctionBuilder<'_>, x: Value, n: Value) -> Value {
    let half = b.ins().sshr_imm_u(n, 1);
    let rest = b.ins().isub(n, half);
    let bias = splat_int(b, 127);
    let mut x = x;
    for n in [half, rest] {
        let exponent = b.ins().iadd(n, bias);
        let exponent = b.ins().ishl_imm_u(exponent, 23);
        let power = from_bits(b, exponent);
        x = b.ins().fmul(x, power);
    }
    x
}

/// e^x = 2^n * e^r with `|r| <= ln 2 / 2`. Zero below -104, infinite above 89.
fn exp(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let x = clamp(b, x, -104.0, 89.0);
    let inverse = splat(b, std::f32::consts::LOG2_E);
    let n = b.ins().fmul(x, inverse);
    let (whole, n) = nearest(b, n);
    let (high, low) = (splat(b, LN_2_HIGH), splat(b, LN_2_LOW));
    let high = b.ins().fmul(whole, high);
    let low = b.ins().fmul(whole, low);
    let r = b.ins().fsub(x, high);
    let r = b.ins().fsub(r, low);
    let tail = polynomial(b, r, &series::EXP);
    let square = b.ins().fmul(r, r);
    let tail = b.ins().fmul(tail, square);
    let tail = b.ins().fadd(tail, r);
    let one = splat(b, 1.0);
    let y = b.ins().fadd(tail, one);
    scale(b, y, n)
}

/// Splits a positive number into `m * 2^e`, `sqrt(1/2) <= m < sqrt(2)`; `e` as i32.
fn split(b: &mut FunctionBuilder<'_>, x: Value) -> (Value, Value) {
    let root = splat_int(b, std::f32::consts::FRAC_1_SQRT_2.to_bits().cast_signed());
    let x = bits(b, x);
    let above = b.ins().isub(x, root);
    let e = b.ins().sshr_imm_u(above, 23);
    let exponent = b.ins().ishl_imm_u(e, 23);
    let m = b.ins().isub(x, exponent);
    (from_bits(b, m), e)
}

/// ln x = e ln 2 + ln(1 + f). Zero (and what is flushed to it) gives -inf, negative numbers NaN.
fn log(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let (m, e) = split(b, x);
    let e = b.ins().fcvt_from_sint(types::F32X4, e);
    let one = splat(b, 1.0);
    let f = b.ins().fsub(m, one);
    let tail = polynomial(
        b,
        f,
        &[
            0.333_333_3,
            -0.249_999_9,
            0.200_007_1,
            -0.166_684_88,
            0.142_498_91,
            -0.124_108_29,
            0.116_617_61,
            -0.115_730_08,
            0.071_513_59,
        ],
    );
    let square = b.ins().fmul(f, f);
    let cube = b.ins().fmul(square, f);
    let tail = b.ins().fmul(tail, cube);
    let (high, low, half) = (splat(b, LN_2_HIGH), splat(b, LN_2_LOW), splat(b, 0.5));
    let low = b.ins().fmul(e, low);
    let tail = b.ins().fadd(tail, low);
    let half = b.ins().fmul(square, half);
    let tail = b.ins().fsub(tail, half);
    let y = b.ins().fadd(f, tail);
    let high = b.ins().fmul(e, high);
    let y = b.ins().fadd(y, high);
    log_edges(b, x, y)
}

/// The logarithms of 0, of negative numbers, of infinity and of NaN.
fn log_edges(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let (zero, infinite) = (splat(b, 0.0), splat(b, f32::INFINITY));
    let (lowest, nan) = (splat(b, f32::NEG_INFINITY), splat(b, f32::NAN));
    let below = b.ins().fcmp(FloatCC::LessThan, x, infinite);
    let y = select(b, below, y, x);
    let is_zero = b.ins().fcmp(FloatCC::Equal, x, zero);
    let y = select(b, is_zero, lowest, y);
    let negative = b.ins().fcmp(FloatCC::LessThan, x, zero);
    select(b, negative, nan, y)
}

/// `|x|` and the sign bit alone.
fn split_sign(b: &mut FunctionBuilder<'_>, x: Value) -> (Value, Value) {
    let magnitude = b.ins().fabs(x);
    let mask = splat(b, -0.0);
    (magnitude, b.ins().band(x, mask))
}

/// Odd polynomial below 5/8, else 1 - 2 / (e^2x + 1).
fn tanh(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let (magnitude, sign) = split_sign(b, x);
    let square = b.ins().fmul(x, x);
    let tail = polynomial(b, square, &series::TANH);
    let tail = b.ins().fmul(tail, square);
    let tail = b.ins().fmul(tail, x);
    let near = b.ins().fadd(x, tail);
    let (one, two, border) = (splat(b, 1.0), splat(b, 2.0), splat(b, 0.625));
    let double = b.ins().fadd(magnitude, magnitude);
    let power = exp(b, double);
    let power = b.ins().fadd(power, one);
    let part = b.ins().fdiv(two, power);
    let far = b.ins().fsub(one, part);
    let far = b.ins().bor(far, sign);
    let is_near = b.ins().fcmp(FloatCC::LessThan, magnitude, border);
    select(b, is_near, near, far)
}

fn sigmoid(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let one = splat(b, 1.0);
    let x = b.ins().fneg(x);
    let power = exp(b, x);
    let power = b.ins().fadd(one, power);
    b.ins().fdiv(one, power)
}

/// Odd polynomial below 1, else 1 - e^(-q) where q is a polynomial that follows -ln(1 - erf).
fn erf(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let (magnitude, sign) = split_sign(b, x);
    let square = b.ins().fmul(x, x);
    let tail = polynomial(b, square, &series::ERF_NEAR);
    let near = b.ins().fmul(tail, x);
    let clamped = clamp(b, magnitude, 0.0, 4.0);
    let q = polynomial(b, clamped, &series::ERF_FAR);
    let q = b.ins().fneg(q);
    let rest = exp(b, q);
    let one = splat(b, 1.0);
    let far = b.ins().fsub(one, rest);
    let far = b.ins().bor(far, sign);
    let is_near = b.ins().fcmp(FloatCC::LessThan, magnitude, one);
    select(b, is_near, near, far)
}

/// -1, 1, or the number itself where it is zero or NaN.
fn sign(b: &mut FunctionBuilder<'_>, x: Value) -> Value {
    let (magnitude, sign) = split_sign(b, x);
    let (zero, one) = (splat(b, 0.0), splat(b, 1.0));
    let unit = b.ins().bor(one, sign);
    let some = b.ins().fcmp(FloatCC::LessThan, zero, magnitude);
    select(b, some, unit, x)
}
