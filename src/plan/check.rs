//! Proof that a plan keeps to its memory, made anew for every plan, in every build.

mod reach;

use std::ops::Range;

use super::{Home, Kernel, Loops, Plan, Post, Step, View};
use crate::nest::{Affine, Buffer, Expr, Index};

impl Plan {
    /// Panics with the printed plan unless:
    ///
    /// 1. every view lies inside its buffer and every buffer inside the arena;
    /// 2. no step writes a caller's input or reads a caller's output;
    /// 3. what a step reads was written by an earlier step (or is a caller's input), and nothing else has
    ///    been written over it since;
    /// 4. what a step writes overlaps nothing that it reads, except an operand of the same geometry that
    ///    it reads only at the place it writes;
    /// 5. a halo is never written;
    /// 6. what a step writes for itself overlaps nothing that it reads or leaves;
    /// 7. windows of tiles lie in their operand and its halo, and within 32-bit displacements;
    /// 8. (in debug builds) every index of a loop lies on its axis, for all points that guards let through.
    pub fn check(&self) {
        let mut memory = Memory { plan: self, live: Vec::new() };
        for (at, step) in self.steps.iter().enumerate() {
            if let Err(fault) = memory.step(step).and_then(|()| reach::check(self, step)) {
                panic!("step {at}: {fault}\n{self}");
            }
        }
    }

    /// The bytes of the arena that a view owns; `None` for a caller's memory.
    fn arena_range(&self, view: &View) -> Option<Range<usize>> {
        match self.buffers[view.buffer.0].home {
            Home::Arena(at) => {
                let range = view.range();
                Some(at + range.start * 4..at + range.end * 4)
            }
            Home::Input(_) | Home::Output(_) => None,
        }
    }
}

/// What has been written and not yet overwritten.
struct Memory<'a> {
    plan: &'a Plan,
    live: Vec<Written<'a>>,
}

/// What is left of a written view: some of its channel blocks.
struct Written<'a> {
    view: &'a View,
    range: Range<usize>,
    channels: Range<usize>,
}

impl<'a> Memory<'a> {
    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        let temps = temps_read(step).map(|it| (usize::MAX, it));
        let reads: Vec<(usize, &View)> = inputs_read(step).chain(temps).collect();
        for &(i, view) in &reads {
            self.inside(view)?;
            match self.plan.buffers[view.buffer.0].home {
                Home::Input(_) => {}
                Home::Output(_) => return Err(format!("operand {i} is a caller's output")),
                Home::Arena(_) => {
                    self.is_written(view).map_err(|it| format!("operand {i}: {it}"))?
                }
            }
        }
        if let Some(scratch) = scratch(step) {
            self.inside(scratch)?;
            let others = reads.iter().map(|it| it.1).chain([&step.output]);
            if others.into_iter().any(|it| self.overlap(it, scratch)) {
                return Err("works in the memory of an operand or of its output".to_owned());
            }
            self.write(scratch);
        }
        self.inside(&step.output)?;
        match self.plan.buffers[step.output.buffer.0].home {
            Home::Input(_) => return Err("writes a caller's input".to_owned()),
            Home::Output(_) => return Ok(()),
            Home::Arena(_) => {}
        }
        for &(i, view) in &reads {
            if self.overlap(view, &step.output) && !in_place(step, i, view) {
                return Err(format!("writes over operand {i} while reading it"));
            }
        }
        self.write(&step.output);
        Ok(())
    }

    fn inside(&self, view: &View) -> Result<(), String> {
        let buffer = &self.plan.buffers[view.buffer.0];
        if view.range().end > buffer.elements {
            return Err(format!(
                "a view ends at {} of a buffer of {}",
                view.range().end,
                buffer.elements
            ));
        }
        match buffer.home {
            Home::Arena(at) if at + buffer.elements * 4 > self.plan.arena_bytes => {
                Err(format!("a buffer ends at {} of the arena", at + buffer.elements * 4))
            }
            _ => Ok(()),
        }
    }

    fn overlap(&self, a: &View, b: &View) -> bool {
        match (self.plan.arena_range(a), self.plan.arena_range(b)) {
            (Some(x), Some(y)) => x.start < y.end && y.start < x.end && !disjoint_channels(a, b),
            _ => false,
        }
    }

    fn is_written(&self, view: &View) -> Result<(), String> {
        let mut missing = channels(view);
        loop {
            let next = self.live.iter().filter(|it| same_grid(it.view, view)).find_map(|it| {
                let has = &it.channels;
                (has.start <= missing.start && missing.start < has.end).then_some(has.end)
            });
            match next {
                Some(end) if end >= missing.end => return Ok(()),
                Some(end) => missing.start = end,
                None => {
                    return Err(format!(
                        "channel block {} was never written or is gone",
                        missing.start
                    ));
                }
            }
        }
    }

    fn write(&mut self, view: &'a View) {
        let range = self.plan.arena_range(view).expect("only the arena is tracked");
        let written = channels(view);
        let mut left = Vec::new();
        for it in self.live.drain(..) {
            let apart = it.range.end <= range.start || range.end <= it.range.start;
            if apart || disjoint_channels(it.view, view) {
                left.push(it);
            } else if same_grid(it.view, view) {
                let (from, to) = (it.channels.start, it.channels.end);
                for channels in [from..to.min(written.start), from.max(written.end)..to] {
                    if !channels.is_empty() {
                        left.push(Written { channels, range: it.range.clone(), view: it.view });
                    }
                }
            }
        }
        left.push(Written { view, range, channels: written });
        self.live = left;
    }
}

/// The operands that a step reads, by position: loops may read only some of those they are given.
fn inputs_read(step: &Step) -> impl Iterator<Item = (usize, &View)> {
    let is_read = |at: usize| match &step.kernel {
        Kernel::Loops(it) => {
            let mut exprs = it.epilogue.iter().chain([&it.stage.value]);
            exprs.any(|it| reads(it, Buffer::Input(at)))
        }
        Kernel::Contract(_)
        | Kernel::Depthwise(_)
        | Kernel::Winograd(_)
        | Kernel::Pool(_)
        | Kernel::Suppress(_) => true,
    };
    step.inputs.iter().enumerate().filter(move |it| is_read(it.0))
}

/// The temporaries that a step's stage reads.
fn temps_read(step: &Step) -> impl Iterator<Item = &View> {
    step.temps.iter().enumerate().filter_map(|(i, view)| {
        let Kernel::Loops(it) = &step.kernel else { return None };
        reads(&it.stage.value, Buffer::Temp(i)).then_some(view)
    })
}

/// The temporary that a step writes for itself and reads.
fn scratch(step: &Step) -> Option<&View> {
    matches!(step.kernel, Kernel::Suppress(_)).then(|| &step.temps[0])
}

fn reads(expr: &Expr, buffer: Buffer) -> bool {
    let mut found = false;
    for_each_load(expr, &mut |it, _| found |= it == buffer);
    found
}

fn for_each_load(expr: &Expr, visit: &mut dyn FnMut(Buffer, &[Index])) {
    match expr {
        Expr::Const(_) | Expr::Table(..) | Expr::It => {}
        Expr::Load(buffer, at) => visit(*buffer, at),
        Expr::Unary(_, a) => for_each_load(a, visit),
        Expr::Binary(_, a, b) | Expr::Choose(_, a, b) => {
            for_each_load(a, visit);
            for_each_load(b, visit);
        }
        Expr::Reduce { body, .. } => for_each_load(body, visit),
    }
}

/// Whether a step reads an operand only at the place that it is about to write, in the same geometry.
fn in_place(step: &Step, operand: usize, view: &View) -> bool {
    let output = &step.output;
    let alike = view.base == output.base
        && view.strides == output.strides
        && view.shape == output.shape
        && view.blocked == output.blocked;
    alike
        && match &step.kernel {
            Kernel::Loops(it) => is_pointwise(it, Buffer::Input(operand)),
            // Partial sums lie in the output before the operand is added.
            Kernel::Contract(_) => false,
            Kernel::Depthwise(it) => operand > 0 && it.epilogue.contains(&Post::Add(operand)),
            Kernel::Winograd(it) => operand > 0 && it.epilogue.contains(&Post::Add(operand)),
            Kernel::Suppress(_) => false,
            Kernel::Pool(it) => operand > 0 && it.epilogue.contains(&Post::Add(operand)),
        }
}

/// Whether loops read a buffer only at the place where they write, each place once.
pub(super) fn is_pointwise(loops: &Loops, buffer: Buffer) -> bool {
    let place = &loops.stage.at;
    let mut pointwise = true;
    let mut visit = |it, at: &[Index]| {
        let same = at.len() == place.len()
            && at
                .iter()
                .zip(place)
                .all(|(index, axis)| matches!(index, Index::Affine(it) if it == axis));
        pointwise &= it != buffer || same;
    };
    for_each_load(&loops.stage.value, &mut visit);
    loops.epilogue.iter().for_each(|it| for_each_load(it, &mut visit));
    pointwise && is_whole(place)
}

fn is_whole(at: &[Affine]) -> bool {
    at.iter().enumerate().all(|(axis, it)| *it == Affine::axis(axis))
}

/// Whether two views lie on one grid of one buffer, so that they differ at most in their channels (and in how
/// they name a space of one pixel).
fn same_grid(a: &View, b: &View) -> bool {
    let axes = a.strides.len().min(b.strides.len()).min(2);
    a.buffer == b.buffer
        && a.blocked == b.blocked
        && a.strides[..axes] == b.strides[..axes]
        && a.shape.batch() == b.shape.batch()
        && a.shape.spatial().iter().product::<usize>()
            == b.shape.spatial().iter().product::<usize>()
}

/// The channel blocks of a view, counted from the start of its buffer's grid (whole, if it has no channels).
fn channels(view: &View) -> Range<usize> {
    let Some(&stride) = view.strides.get(1) else { return 0..1 };
    let first = view.base / stride.max(1);
    first..first + blocks(view)
}

fn blocks(view: &View) -> usize {
    if view.blocked { view.shape.channels().div_ceil(super::LANES) } else { view.shape.channels() }
}

/// Whether two slices of one grid have no channel in common.
fn disjoint_channels(a: &View, b: &View) -> bool {
    let one_grid = a.buffer == b.buffer
        && a.strides == b.strides
        && a.blocked == b.blocked
        && a.strides.len() > 1;
    one_grid && {
        let (x, y) = (channels(a), channels(b));
        x.end <= y.start || y.end <= x.start
    }
}
