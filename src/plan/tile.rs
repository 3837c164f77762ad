//! The shape of tiles: how many pixels by how many channel blocks, and what they sum at a time.
//!
//! The figures are of a core with two multiply-adds and two loads a cycle, a latency of four
//! cycles, and 16 vectors of 8 lanes (Zen 3; current Intel cores do no worse) or, where it is `wide`, 32 vectors of
//! 16 lanes (Zen 5), which hold two blocks of channels each.

/// Vector registers.
const fn registers(wide: bool) -> usize {
    if wide { 32 } else { 16 }
}
/// Half cycles from a multiply-add to one that needs its result, and a little: eight accumulators
/// leave no slack.
const LATENCY: usize = 9;
/// Half cycles that a call costs beside its steps: loop starts, first loads, last sums, stores.
const CALL: usize = 80;
/// One part in how many a narrower last group costs: more code, threads that share less evenly.
const UNEVEN: usize = 50;
/// Input channels that one call sums over, at most.
const CHANNELS: usize = 128;
/// Bytes of weights that one call reads, at most: a quarter of a small second-level cache.
const SLICE: usize = 128 << 10;

/// Whether the registers hold the accumulators and operands of a contraction of that many pixels
/// and vectors of output channels. What fits leaves the
/// epilogue two.
#[must_use]
pub fn fits(wide: bool, pixels: usize, vectors: usize) -> bool {
    let vectors = if wide { vectors.div_ceil(2) } else { vectors };
    let operands = pixels.min(vectors) + 1;
    pixels > 0 && vectors > 0 && pixels * vectors + operands <= registers(wide)
}

/// Half cycles of one step of a contraction: one multiply-add a result, one load a pixel and a
/// block.
fn half_cycles(wide: bool, pixels: usize, vectors: usize) -> usize {
    let vectors = if wide { vectors.div_ceil(2) } else { vectors };
    (pixels * vectors).max(pixels + vectors).max(LATENCY)
}

/// The tiles that cover a row of `width` pixels: pixels and how often, the widest first.
///
/// `steps` is what each result sums over.
#[must_use]
pub fn row(wide: bool, width: usize, vectors: usize, steps: usize) -> Vec<(usize, usize)> {
    let mut counts = [0; registers(true)];
    let mut left = width;
    if let Some(more) = width.checked_sub(LONG) {
        // The tile that takes the least time a pixel covers all but an end.
        let cost = |it: usize| steps * half_cycles(wide, it, vectors) + CALL;
        let fitting = (1..).take_while(|&it| fits(wide, it, vectors));
        let best = fitting.min_by(|&a, &b| (cost(a) * b).cmp(&(cost(b) * a)));
        let best = best.expect("one pixel always fits");
        counts[best] = more / best;
        left -= more / best * best;
    }
    let (_, last) = cover(wide, left, vectors, steps);
    while left > 0 {
        counts[last[left]] += 1;
        left -= last[left];
    }
    let used = counts.into_iter().enumerate().rev().filter(|it| it.1 > 0);
    used.collect()
}

/// Half cycles for a row, and the last tile of the best cover of every width up to it.
fn cover(wide: bool, width: usize, vectors: usize, steps: usize) -> (usize, Vec<usize>) {
    let mut best = vec![(0, 0)];
    for covered in 1..=width {
        let options =
            (1..=covered).take_while(|&pixels| fits(wide, pixels, vectors)).map(|pixels| {
                let own = steps * half_cycles(wide, pixels, vectors) + CALL;
                (best[covered - pixels].0 + own, pixels)
            });
        best.push(options.min().expect("one pixel always fits"));
    }
    (best[width].0, best.into_iter().map(|it| it.1).collect())
}

/// The vectors of output channels of a tile, for rows of `width` pixels, `blocks` blocks of 8
/// output channels and results that sum over `steps`. Blocks beyond a multiple of it make one
/// narrower group.
#[must_use]
pub fn vectors(wide: bool, width: usize, blocks: usize, steps: usize) -> usize {
    options(wide, width, blocks, steps)[0].0
}

/// Half cycles of a row of `width` pixels over all blocks of output channels, with the best tiles.
#[must_use]
pub fn cost(wide: bool, width: usize, blocks: usize, steps: usize) -> usize {
    options(wide, width, blocks, steps)[0].1
}

/// Of rows longer than this all but an end is covered by one kind of tile.
const LONG: usize = 4096;
/// Rows longer than this are costed as if they were as long.
const ROW: usize = 256;

/// The vectors of output channels that a tile may have, with the half cycles of a row over all blocks, the best
/// first. There is at least one.
#[must_use]
pub fn options(wide: bool, width: usize, blocks: usize, steps: usize) -> Vec<(usize, usize)> {
    let counted = width.min(ROW);
    let most = match width {
        1 if blocks < registers(false) - 1 => blocks,
        1 => registers(wide) / 2,
        _ => registers(wide) / 4,
    };
    let cost = |vectors: usize| {
        let full = blocks / vectors * cover(wide, counted, vectors, steps).0;
        let all = match blocks % vectors {
            0 => full,
            rest => {
                let cost = full + cover(wide, counted, rest, steps).0;
                cost + cost / UNEVEN
            }
        };
        all * width / counted
    };
    let mut options: Vec<_> =
        (1..=blocks.min(most)).map(|vectors| (vectors, cost(vectors))).collect();
    options.sort_by_key(|&(vectors, cost)| (cost, vectors));
    options
}

/// Half cycles as nanoseconds: a core does two multiply-adds of eight numbers in a cycle, and 45 numbers in a
/// nanosecond.
#[must_use]
pub fn nanoseconds(half_cycles: usize) -> u64 {
    half_cycles as u64 * 8 / 45
}

/// How many input channels one call of a tile sums over: a multiple of 8, or all of them.
///
/// Fewer calls load and store their sums less often; the weights of a call are read again for
/// every tile of the map and should stay near.
#[must_use]
pub fn channels_at_once(channels: usize, taps: usize, vectors: usize) -> usize {
    let most = (SLICE / (taps * vectors * 32)).clamp(8, CHANNELS) / 8 * 8;
    let calls = channels.div_ceil(most);
    if calls == 1 { channels } else { channels.div_ceil(calls).next_multiple_of(8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(channels: usize) -> usize {
        channels * 9
    }

    #[test]
    fn every_row_is_covered_by_tiles_that_fit() {
        for (wide, vectors) in [(false, 1..=4), (true, 1..=8)]
            .into_iter()
            .flat_map(|(wide, vectors)| vectors.map(move |it| (wide, it)))
        {
            for width in (1..=120).chain([4095, 4096, 4097, 50_000]) {
                let tiles = row(wide, width, vectors, 64);
                assert!(tiles.iter().all(|it| fits(wide, it.0, vectors)));
                assert_eq!(tiles.iter().map(|it| it.0 * it.1).sum::<usize>(), width);
            }
        }
    }

    #[test]
    fn narrow_maps_have_no_slow_tile() {
        assert_eq!(row(false, 7, 3, steps_of(512)), [(4, 1), (3, 1)]);
        assert_eq!(row(false, 7, 4, steps_of(512)), [(3, 1), (2, 2)]);
        assert_eq!(row(false, 49, 3, 128), [(4, 10), (3, 3)]);
        assert_eq!(row(false, 28, 2, steps_of(128)), [(6, 3), (5, 2)]);
    }

    #[test]
    fn blocks_are_divided_without_waste() {
        assert_eq!(vectors(false, 56, 3, 64), 3);
        assert_eq!(vectors(false, 56, 1, 27), 1);
        assert!([2, 4].contains(&vectors(false, 56, 8, steps_of(64))));
        assert!([2, 4].contains(&vectors(false, 28, 16, steps_of(128))));
        assert_eq!((vectors(false, 1, 125, 2048), vectors(false, 1, 11, 120)), (8, 11));
    }

    #[test]
    fn a_call_reads_few_weights() {
        assert_eq!(channels_at_once(512, 9, 3), 128);
        assert_eq!(channels_at_once(2048, 1, 4), 128);
        assert_eq!(channels_at_once(3, 49, 3), 3);
        assert_eq!(channels_at_once(192, 1, 4), 96);
        assert_eq!(channels_at_once(256, 36, 8), 8);
    }
}
