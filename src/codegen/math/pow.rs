//! a^b, in f64 inside: 2^(b log2 a).

use cranelift::prelude::*;

use super::{from_bits, nearest, scale, select, splat, split, split_sign};

/// 2 / ln 2 / (2 k + 1): log2 of (1 + s) / (1 - s) is `s * sum of c[k] * s^2k`.
const LOG2: [f64; 7] = [
    2.885_390_081_777_926_8,
    0.961_796_693_925_975_6,
    0.577_078_016_355_585_4,
    0.412_198_583_111_132_4,
    0.320_598_897_975_325_2,
    0.262_308_189_252_538_8,
    0.221_953_083_213_686_7,
];

/// (ln 2)^k / k!
const EXP2: [f64; 10] = [
    1.0,
    std::f64::consts::LN_2,
    0.240_226_506_959_100_7,
    0.055_504_108_664_821_58,
    0.009_618_129_107_628_477,
    0.001_333_355_814_642_844_3,
    0.000_154_035_303_933_816_1,
    1.525_273_380_405_984e-5,
    1.321_548_679_014_431e-6,
    1.017_808_600_923_969_9e-7,
];

/// Four powers, with the special values of IEEE 754 `pow`.
pub(super) fn pow(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let (magnitude, _) = split_sign(b, x);
    let (m, e) = split(b, magnitude);
    let e = b.ins().fcvt_from_sint(types::F32X4, e);
    let (zero, infinite) = (splat(b, 0.0), splat(b, f32::INFINITY));
    // The logarithms of zero and of infinity are infinite: let the exponent say so.
    let lowest = splat(b, f32::NEG_INFINITY);
    let none = b.ins().fcmp(FloatCC::Equal, magnitude, zero);
    let e = select(b, none, lowest, e);
    let all = b.ins().fcmp(FloatCC::Equal, magnitude, infinite);
    let e = select(b, all, infinite, e);

    let high = |b: &mut FunctionBuilder<'_>, it: Value| {
        let mask: Vec<u8> = (8..16).chain(8..16).collect();
        let mask = b.func.dfg.immediates.push(mask.into());
        let bytes = b.ins().bitcast(types::I8X16, super::little(), it);
        let bytes = b.ins().shuffle(bytes, bytes, mask);
        b.ins().bitcast(types::F32X4, super::little(), bytes)
    };
    let (p0, n0) = half(b, m, e, y);
    let (m1, e1, y1) = (high(b, m), high(b, e), high(b, y));
    let (p1, n1) = half(b, m1, e1, y1);
    let (power, n) = (join(b, p0, p1), join(b, n0, n1));
    let (_, n) = nearest(b, n);
    let result = scale(b, power, n);
    edges(b, x, y, result)
}

/// Two powers of positive numbers `m * 2^e`: `(p, n)` with the power `p * 2^n`, as the low lanes of f32.
fn half(b: &mut FunctionBuilder<'_>, m: Value, e: Value, y: Value) -> (Value, Value) {
    let (m, e, y) = (b.ins().fvpromote_low(m), b.ins().fvpromote_low(e), b.ins().fvpromote_low(y));
    let one = splat_wide(b, 1.0);
    let (below, above) = (b.ins().fsub(m, one), b.ins().fadd(m, one));
    let s = b.ins().fdiv(below, above);
    let square = b.ins().fmul(s, s);
    let log = polynomial(b, square, &LOG2);
    let log = b.ins().fmul(log, s);
    let log = b.ins().fadd(log, e);
    let t = b.ins().fmul(y, log);
    let t = clamp(b, t, -200.0, 200.0);
    let round = splat_wide(b, 6_755_399_441_055_744.0);
    let n = b.ins().fadd(t, round);
    let n = b.ins().fsub(n, round);
    let r = b.ins().fsub(t, n);
    let power = polynomial(b, r, &EXP2);
    (b.ins().fvdemote(power), b.ins().fvdemote(n))
}

/// The low halves of two registers.
fn join(b: &mut FunctionBuilder<'_>, low: Value, high: Value) -> Value {
    let mask: Vec<u8> = (0..8).chain(16..24).collect();
    let mask = b.func.dfg.immediates.push(mask.into());
    let low = b.ins().bitcast(types::I8X16, super::little(), low);
    let high = b.ins().bitcast(types::I8X16, super::little(), high);
    let bytes = b.ins().shuffle(low, high, mask);
    b.ins().bitcast(types::F32X4, super::little(), bytes)
}

fn splat_wide(b: &mut FunctionBuilder<'_>, value: f64) -> Value {
    let value = b.ins().f64const(value);
    b.ins().splat(types::F64X2, value)
}

fn polynomial(b: &mut FunctionBuilder<'_>, x: Value, c: &[f64]) -> Value {
    let (last, rest) = c.split_last().expect("a polynomial has coefficients");
    let mut sum = splat_wide(b, *last);
    for &c in rest.iter().rev() {
        let c = splat_wide(b, c);
        sum = b.ins().fmul(sum, x);
        sum = b.ins().fadd(sum, c);
    }
    sum
}

/// Between two bounds; NaN stays.
fn clamp(b: &mut FunctionBuilder<'_>, x: Value, low: f64, high: f64) -> Value {
    let choose = |b: &mut FunctionBuilder<'_>, mask: Value, yes: Value, no: Value| {
        let mask = b.ins().bitcast(types::F64X2, super::little(), mask);
        b.ins().bitselect(mask, yes, no)
    };
    let (low, high) = (splat_wide(b, low), splat_wide(b, high));
    let below = b.ins().fcmp(FloatCC::LessThan, x, low);
    let x = choose(b, below, low, x);
    let above = b.ins().fcmp(FloatCC::LessThan, high, x);
    choose(b, above, high, x)
}

/// Signs, and the pairs for which the logarithm says nothing.
fn edges(b: &mut FunctionBuilder<'_>, x: Value, y: Value, power: Value) -> Value {
    let (zero, one, half) = (splat(b, 0.0), splat(b, 1.0), splat(b, 0.5));
    let (lowest, nan) = (splat(b, f32::NEG_INFINITY), splat(b, f32::NAN));
    let (magnitude, sign) = split_sign(b, x);
    let is_whole = |b: &mut FunctionBuilder<'_>, it: Value| {
        let floor = b.ins().floor(it);
        b.ins().fcmp(FloatCC::Equal, floor, it)
    };
    let halved = b.ins().fmul(y, half);
    let (whole, even) = (is_whole(b, y), is_whole(b, halved));
    let even_bits = from_bits(b, even);
    let whole_bits = from_bits(b, whole);
    let odd = b.ins().band_not(whole_bits, even_bits);
    let sign = b.ins().band(sign, odd);
    let result = b.ins().bor(power, sign);
    // A negative finite base has only whole powers.
    let negative = b.ins().fcmp(FloatCC::LessThan, x, zero);
    let finite = b.ins().fcmp(FloatCC::LessThan, lowest, x);
    let roots = b.ins().band(negative, finite);
    let roots = b.ins().band_not(roots, whole);
    let result = select(b, roots, nan, result);
    // NaN stays NaN, but anything to the 0 is 1 and so is 1 to anything; -1 to infinity is 1.
    let unordered = b.ins().fcmp(FloatCC::Unordered, x, y);
    let sum = b.ins().fadd(x, y);
    let result = select(b, unordered, sum, result);
    let no_power = b.ins().fcmp(FloatCC::Equal, y, zero);
    let unit = b.ins().fcmp(FloatCC::Equal, x, one);
    let trivial = b.ins().bor(no_power, unit);
    let result = select(b, trivial, one, result);
    let endless = b.ins().fabs(y);
    let infinite = splat(b, f32::INFINITY);
    let endless = b.ins().fcmp(FloatCC::Equal, endless, infinite);
    let units = b.ins().fcmp(FloatCC::Equal, magnitude, one);
    let endless = b.ins().band(endless, units);
    select(b, endless, one, result)
}
