//! What a step is expected to take on one thread: enough to decide whether threads are worth their barrier.

use super::math;
use crate::nest::{Binary, Expr};
use crate::plan::{Kernel, Step};

/// Multiply-adds that tiles do in a nanosecond.
const TILE: u64 = 45;
/// Taps of pools that tiles take in a nanosecond.
const POOL: u64 = 10;
/// Bytes of weights that come from memory in a nanosecond, and from a cache.
const MEMORY: u64 = 12;
const CACHE: u64 = 40;
/// Bytes of weights that may stay in a cache from run to run.
const CACHED: u64 = 4 << 20;
/// Operations of bundled loops, and of others, in ten nanoseconds.
const BUNDLED: u64 = 60;
const SINGLE: u64 = 10;
/// Operations of a function that is a polynomial.
const LONG: u64 = 25;

/// Nanoseconds of a step; `bundled` says whether its loops work on vectors.
pub(super) fn nanoseconds(step: &Step, bundled: bool) -> u64 {
    let elements = |it: &crate::shape::Shape| it.elements() as u64;
    match &step.kernel {
        Kernel::Loops(loops) => {
            let points: u64 = loops.stage.extents.iter().map(|&it| it as u64).product();
            let all = loops.epilogue.iter().chain([&loops.stage.value]);
            let operations = all.map(operations).fold(1, u64::saturating_add);
            let speed = if bundled { BUNDLED } else { SINGLE };
            points.saturating_mul(operations) / speed * 10
        }
        Kernel::Contract(it) => {
            let taps: usize = it.windows.iter().map(|it| it.kernel).product();
            let terms = (it.in_channels * taps) as u64;
            let bytes = it.storage.bytes() as u64;
            let weights = terms * (it.groups * it.out_channels) as u64 * bytes;
            let output = step.output.parts(&it.parts).shape;
            let sums = elements(&output).saturating_mul(terms) / TILE;
            sums.max(weights / if weights > CACHED { MEMORY } else { CACHE })
        }
        Kernel::Winograd(it) => {
            let taps: usize = it.windows.iter().map(|it| it.kernel).product();
            let terms = (taps * it.in_channels) as u64;
            elements(&step.output.shape).saturating_mul(terms) / (2 * TILE)
        }
        // Every score is read once, and those that count a few times more.
        Kernel::Suppress(_) => elements(&step.inputs[1].shape).saturating_mul(2),
        Kernel::Pool(it) => {
            let taps: usize = it.axes.iter().map(|it| it.window.kernel).product();
            elements(&step.output.shape).saturating_mul(taps as u64 + 2) / POOL
        }
        Kernel::Depthwise(it) => {
            let taps: usize = it.windows.iter().map(|it| it.kernel).product();
            let output = step.output.parts(&it.parts).shape;
            elements(&output).saturating_mul(taps as u64 + 2) / (TILE / 2)
        }
    }
}

fn operations(expr: &Expr) -> u64 {
    match expr {
        Expr::Const(_) | Expr::It => 0,
        Expr::Load(..) | Expr::Table(..) => 1,
        Expr::Unary(f, a) if math::is_long(*f) => LONG + operations(a),
        Expr::Unary(_, a) => 1 + operations(a),
        Expr::Binary(Binary::Pow, a, b) => 4 * LONG + operations(a) + operations(b),
        Expr::Binary(_, a, b) | Expr::Choose(_, a, b) => 1 + operations(a) + operations(b),
        Expr::Reduce { extents, body, .. } => {
            let places: u64 = extents.iter().map(|&it| it as u64).product();
            places.saturating_mul(1 + operations(body))
        }
    }
}
