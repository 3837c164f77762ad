//! How far compiled code may be from the reference.

/// How far a compiled layer may be from the reference (u = 2^-24).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// Equal numbers, but a subnormal may become zero.
    Exact,
    /// So many units in the last place of the f32 result, or a zero for a subnormal.
    Ulps(u32),
    /// `c * u * magnitude + 2^-126`.
    Sum(f64),
}

const UNIT: f64 = 1.0 / (1 << 24) as f64;
const LEAST: f64 = f32::MIN_POSITIVE as f64;

impl Tolerance {
    /// Whether an element may come out as `found` where the reference has `value`, summed from terms of this
    /// magnitude. NaN answers to NaN only, and an infinity to the infinity of its sign.
    pub fn allows(self, value: f64, magnitude: f64, found: f32) -> bool {
        let want = value as f32;
        if want.is_nan() || found.is_nan() {
            return want.is_nan() && found.is_nan();
        }
        if want == found || (want.abs() < f32::MIN_POSITIVE && found == 0.0) {
            return true;
        }
        match self {
            Tolerance::Exact => false,
            Tolerance::Ulps(_) if value.is_infinite() => false,
            Tolerance::Ulps(ulps) => order(want).abs_diff(order(found)) <= u64::from(ulps),
            Tolerance::Sum(_) => {
                let bound = self.bound(value, magnitude);
                let overflows = value.abs() + bound > f64::from(f32::MAX);
                let finite = found.is_finite() && value.is_finite();
                (finite && (f64::from(found) - value).abs() <= bound)
                    || (overflows && found.is_infinite() && value.is_finite())
            }
        }
    }

    /// The largest difference allowed for a finite element, of which the reference has `value` and
    /// `magnitude`, besides that of rounding it to f32.
    pub fn bound(self, value: f64, magnitude: f64) -> f64 {
        match self {
            Tolerance::Exact => LEAST,
            Tolerance::Ulps(ulps) => f64::from(ulps) * ulp(value) + LEAST,
            Tolerance::Sum(factor) => factor * UNIT * magnitude + LEAST,
        }
    }
}

/// The distance between neighbouring f32 at a value.
fn ulp(value: f64) -> f64 {
    let binade = if value.is_finite() && value != 0.0 { libm::ilogb(value) } else { -126 };
    libm::exp2(f64::from(binade.clamp(-126, 127) - 23))
}

/// Neighbouring floats have neighbouring numbers; both zeros have 0.
fn order(x: f32) -> i64 {
    let magnitude = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::Tolerance;

    #[test]
    fn sums_are_bounded_by_their_terms() {
        let sum = Tolerance::Sum(8.0);
        assert!(sum.allows(1.0, 2.0, 1.0 + 8.0 * f32::EPSILON));
        assert!(!sum.allows(1.0, 2.0, 1.0 + 9.0 * f32::EPSILON));
        assert!(sum.allows(0.0, 0.0, f32::MIN_POSITIVE));
        assert!(!sum.allows(0.0, 0.0, 1e-30));
        assert!(sum.allows(f64::from(f32::MAX), 4e38, f32::INFINITY));
        assert!(!sum.allows(1e38, 1e38, f32::INFINITY));
    }

    #[test]
    fn units_in_the_last_place_cross_zero() {
        let ulps = Tolerance::Ulps(4);
        assert!(ulps.allows(1.0, 1.0, 1.0 + 4.0 * f32::EPSILON));
        assert!(!ulps.allows(1.0, 1.0, 1.0 + 5.0 * f32::EPSILON));
        assert!(ulps.allows(1e-40, 1e-40, 0.0));
        assert!(!ulps.allows(1e-30, 1e-30, 0.0));
    }

    #[test]
    fn special_numbers_answer_to_themselves() {
        for it in [Tolerance::Exact, Tolerance::Ulps(4), Tolerance::Sum(8.0)] {
            assert!(it.allows(f64::NAN, f64::NAN, f32::NAN));
            assert!(!it.allows(f64::NAN, 1.0, 0.0));
            assert!(!it.allows(0.0, f64::INFINITY, f32::NAN));
            assert!(it.allows(f64::INFINITY, f64::INFINITY, f32::INFINITY));
            assert!(!it.allows(f64::INFINITY, f64::INFINITY, f32::MAX));
            assert!(it.allows(-0.0, 0.0, 0.0));
        }
        assert!(Tolerance::Exact.allows(1e-40, 1e-40, 0.0));
        assert!(!Tolerance::Exact.allows(1.0, 1.0, 1.0 + f32::EPSILON));
    }
}
