//! The numbers of elementary functions, for loops and for tiles; `codegen::math` has the error bounds.

/// Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;

/// The leading bits of ln 2: products with small integers are exact.
pub(super) const LN_2_HIGH: f32 = 355.0 / 512.0;
/// The rest of ln 2.
pub(super) const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `(e^r - 1 - r) / r^2` in r, where `|r| <= ln 2 / 2`.
pub(super) const EXP: [f32; 6] =
    [0.5, 0.166_666_67, 0.041_666_463, 0.008_333_298, 0.001_393_367_7, 0.000_198_993_19];

/// `(tanh x - x) / x^3` in x^2, below 5/8.
pub(super) const TANH: [f32; 6] =
    [-0.333_333_34, 0.133_333_01, -0.053_958_625, 0.021_763_634, -0.008_326_402, 0.002_272_704_8];

/// `erf(x) / x` in x^2, below 1.
pub(super) const ERF_NEAR: [f32; 8] = [
    std::f32::consts::FRAC_2_SQRT_PI,
    -0.376_126_38,
    0.112_837_83,
    -0.026_865_438,
    0.005_221_053_5,
    -0.000_848_439_64,
    0.000_112_682_54,
    -9.673_59e-6,
];

/// `-ln(1 - erf(x))` in x, from 1 to 4.
pub(super) const ERF_FAR: [f32; 9] = [
    -0.000_300_268_82,
    1.130_155_1,
    0.631_956_2,
    0.109_960_8,
    -0.026_355_121,
    0.004_736_950_6,
    -0.000_592_092_75,
    4.551_277_4e-5,
    -1.610_240_4e-6,
];
