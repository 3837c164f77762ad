//! What a tile sums over: nested steps through the input, and the loops they become.

use super::program::{bump, displacement};
use super::{Address, Instr, Pointer};

/// Steps of one kind through the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// How many.
    pub count: u32,
    /// Bytes from one to the next.
    pub step: i32,
}

impl Axis {
    /// An axis of a window: `count` taps, `step` bytes apart (dilation included).
    #[must_use]
    pub fn new(count: u32, step: i32) -> Axis {
        Axis { count, step }
    }
}

/// A box of steps, outermost axis first, from some place of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    offset: i32,
    axes: Vec<Axis>,
}

/// What a tile sums over: every step reads the input somewhere and takes the next weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduction {
    segments: Vec<Segment>,
}

impl Reduction {
    /// Exactly `channels` channels of a blocked input, and the taps of a window, outermost first.
    ///
    /// The order is block, tap, lane; of the last block only `channels % 8` lanes are read.
    #[must_use]
    pub fn blocked(channels: u32, block_pitch: i32, taps: &[Axis]) -> Reduction {
        Self::in_blocks(8, channels, block_pitch, taps)
    }

    /// As [`Reduction::blocked`], with so many channels in a block.
    #[must_use]
    pub fn in_blocks(lanes: u32, channels: u32, block_pitch: i32, taps: &[Axis]) -> Reduction {
        let segment = |blocks: u32, lanes: u32, offset: i32| {
            let mut axes = vec![Axis::new(blocks, block_pitch)];
            axes.extend_from_slice(taps);
            axes.push(Axis::new(lanes, 4));
            Segment { offset, axes }
        };
        let (blocks, rest) = (channels / lanes, channels % lanes);
        let tail = i64::from(blocks) * i64::from(block_pitch);
        let mut segments = Vec::new();
        if blocks > 0 {
            segments.push(segment(blocks, lanes, 0));
        }
        if rest > 0 {
            let offset = i32::try_from(tail).expect("an input is smaller than 2 GiB");
            segments.push(segment(1, rest, offset));
        }
        Reduction { segments }
    }

    /// Some planes of an unblocked input, and the taps of a window, outermost first.
    ///
    /// The order is channel, tap. An axis of one lane apart serves any other layout as well.
    #[must_use]
    pub fn plain(channels: u32, plane_pitch: i32, taps: &[Axis]) -> Reduction {
        let mut axes = vec![Axis::new(channels, plane_pitch)];
        axes.extend_from_slice(taps);
        Reduction { segments: vec![Segment { offset: 0, axes }] }
    }

    /// The taps of a window alone: what depthwise and pooling tiles walk over.
    #[must_use]
    pub fn window(taps: &[Axis]) -> Reduction {
        Reduction { segments: vec![Segment { offset: 0, axes: taps.to_vec() }] }
    }

    /// How many steps, hence how many rows of weights.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.segments.iter().map(|it| steps(&it.axes)).sum()
    }
}

fn steps(axes: &[Axis]) -> u64 {
    axes.iter().map(|it| u64::from(it.count)).product()
}

/// The most axes of a window, and so the most loops over one.
pub(super) const AXES: usize = 3;

/// How a reduction becomes loops.
pub(super) struct Walk {
    /// Bytes of weights that a step takes; none leaves the weights' pointer alone.
    pub(super) weights: i32,
    /// Unrolled instructions that a loop body should not pass.
    pub(super) budget: u64,
    /// Instructions of a step.
    pub(super) step: u64,
    /// Bytes to prefetch meanwhile.
    pub(super) ahead: u32,
    /// Loops that may nest: more is unrolled than the budget allows where registers for their counters lack.
    pub(super) loops: usize,
}

/// Bytes that a prefetch brings.
const LINE: u32 = 64;

impl Walk {
    /// Emits the reduction. `chunk` gets the unrolled steps of a body: the input offset of each,
    /// in order; the weights of step `i` begin at byte `i * self.weights`.
    ///
    /// The order of steps is the order of the axes, whatever is unrolled.
    pub(super) fn emit(
        &self,
        reduction: &Reduction,
        body: &mut Vec<Instr>,
        chunk: &mut dyn FnMut(&mut Vec<Instr>, &[i32]),
    ) {
        let before = displacement(body, Pointer::Input);
        let mut ahead = self.ahead.div_ceil(LINE);
        for segment in &reduction.segments {
            let at = displacement(body, Pointer::Input) - before;
            bump(body, Pointer::Input, segment.offset - at);
            let (counted, unrolled) = self.split(&segment.axes);
            let mut inner = Vec::new();
            let offsets = offsets(&unrolled);
            chunk(&mut inner, &offsets);
            let taken = i32::try_from(offsets.len()).expect("few steps are unrolled");
            bump(&mut inner, Pointer::Weights, taken * self.weights);
            let mut bodies: u64 = counted.iter().map(|it| u64::from(it.count)).product();
            for axis in counted.iter().rev() {
                if u64::from(ahead) >= bodies {
                    prefetch(&mut inner, u64::from(ahead).div_ceil(bodies));
                    ahead = 0;
                }
                bodies /= u64::from(axis.count);
                let step = axis.step - displacement(&inner, Pointer::Input);
                bump(&mut inner, Pointer::Input, step);
                inner = vec![Instr::Loop { count: axis.count, body: inner }];
            }
            prefetch(&mut inner, u64::from(std::mem::take(&mut ahead)));
            body.append(&mut inner);
        }
    }

    /// The loops that nest in a reduction.
    pub(super) fn depth(&self, reduction: &Reduction) -> usize {
        reduction.segments.iter().map(|it| self.split(&it.axes).0.len()).fold(0, usize::max)
    }

    /// Counted axes, then unrolled ones: as many steps as the budget allows, the innermost first.
    fn split(&self, axes: &[Axis]) -> (Vec<Axis>, Vec<Axis>) {
        let limit = u32::try_from((self.budget / self.step.max(1)).max(1)).unwrap_or(u32::MAX);
        let mut axes: Vec<Axis> = axes.iter().copied().filter(|it| it.count > 1).collect();
        let mut unrolled = Vec::new();
        let mut taken = 1;
        while let Some(axis) = axes.pop() {
            let divides = |part: &u32| axis.count % part == 0;
            let part = (1..=axis.count.min(limit / taken)).rev().find(divides).unwrap_or(1);
            taken *= part;
            unrolled.insert(0, Axis::new(part, axis.step));
            if part < axis.count {
                let step = axis.step * i32::try_from(part).expect("few steps are unrolled");
                axes.push(Axis::new(axis.count / part, step));
                break;
            }
        }
        while merged(&axes).len() > self.loops {
            unrolled.splice(..0, axes.pop());
        }
        (merged(&axes), unrolled)
    }
}

/// Spreads some prefetches over a body and moves on.
fn prefetch(body: &mut Vec<Instr>, lines: u64) {
    if lines == 0 {
        return;
    }
    let lines = i32::try_from(lines).expect("a call fetches less than 2 GiB");
    let line = LINE.cast_signed();
    let apart = body.len() / lines.unsigned_abs() as usize;
    for index in (0..lines).rev() {
        let at = Address { base: Pointer::Ahead, offset: index * line };
        body.insert(index as usize * apart, Instr::Prefetch(at));
    }
    bump(body, Pointer::Ahead, lines * line);
}

/// The axes, those joined that together are one: nothing lies between their steps.
fn merged(axes: &[Axis]) -> Vec<Axis> {
    let mut result: Vec<Axis> = Vec::new();
    for axis in axes {
        match result.last_mut() {
            Some(outer)
                if i64::from(outer.step) == i64::from(axis.step) * i64::from(axis.count) =>
            {
                *outer = Axis::new(outer.count * axis.count, axis.step);
            }
            _ => result.push(*axis),
        }
    }
    result
}

/// Byte offsets of all steps of a box, in order.
fn offsets(axes: &[Axis]) -> Vec<i32> {
    axes.iter().fold(vec![0], |outer, axis| {
        let steps = || (0..).take(axis.count as usize).map(|it: i32| it * axis.step);
        outer.iter().flat_map(|base| steps().map(move |it| base + it)).collect()
    })
}
