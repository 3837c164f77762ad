//! Proof that what a kernel forms addresses of lies in its views.

use super::super::view::View;
use super::super::winograd::overhang;
use super::super::{Kernel, Loops, Part, Plan, Pool, REACH_MAX, Step};
use crate::nest::{Affine, Buffer, Expr, Guard, Index};
use crate::shape::{Shape, Window};

/// Says what a step would reach outside its views, if anything.
pub(super) fn check(plan: &Plan, step: &Step) -> Result<(), String> {
    match &step.kernel {
        Kernel::Contract(it) => tiles(step, &it.parts, &it.windows, &vec![0; it.windows.len()]),
        Kernel::Depthwise(it) => tiles(step, &it.parts, &it.windows, &vec![0; it.windows.len()]),
        Kernel::Winograd(it) => {
            let overhang = overhang(&step.output.shape, it.cut.scheme.outputs);
            tiles(step, &[], &it.windows, &overhang)
        }
        Kernel::Pool(it) => pool(step, it),
        // The definition checks every index that a test meets; the proof is for all others.
        Kernel::Loops(it) if cfg!(debug_assertions) => loops(plan, step, it),
        Kernel::Loops(_) | Kernel::Suppress(_) => Ok(()),
    }
}

/// Tiles read their windows without looking for borders: halos hold what lies outside. So many rows are read past the
/// last window.
fn tiles(
    step: &Step,
    parts: &[Part],
    windows: &[Window],
    overhang: &[usize],
) -> Result<(), String> {
    let (input, output) = (&step.inputs[0], step.output.parts(parts));
    for (axis, window) in windows.iter().enumerate() {
        let (before, after) = input.halo.get(axis).copied().unwrap_or((0, 0));
        let extent = input.shape.spatial()[axis];
        let start = parts.get(axis).map_or(0, |it| it.start);
        let last = start + (output.shape.spatial()[axis] - 1) * window.stride + window.reach();
        if before + start < window.before || last + overhang[axis] > window.before + extent + after
        {
            return Err(format!("axis {axis} of the windows leaves the halo of operand 0"));
        }
    }
    near(step)
}

/// A pool reads the taps that lie on its operand, which differ from span to span.
fn pool(step: &Step, pool: &Pool) -> Result<(), String> {
    for (axis, of) in pool.axes.iter().enumerate() {
        let (window, mut first) = (&of.window, 0);
        for span in &of.spans {
            let row = |place: usize, tap: usize| place * window.stride + tap * window.dilation;
            let least = row(first, span.taps.start);
            let most = row(first + span.places - 1, span.taps.end - 1);
            let end = window.before + step.inputs[0].shape.spatial()[axis];
            if least < window.before || most >= end {
                return Err(format!("axis {axis} of the windows leaves operand 0"));
            }
            first += span.places;
        }
    }
    near(step)
}

/// Displacements in tiles are of 32 bits.
fn near(step: &Step) -> Result<(), String> {
    let views = step.inputs.iter().chain([&step.output]);
    match views.map(View::reach).max() {
        Some(reach) if reach > REACH_MAX => Err(format!("a tile would reach {reach} elements")),
        _ => Ok(()),
    }
}

fn loops(plan: &Plan, step: &Step, loops: &Loops) -> Result<(), String> {
    let stage = &loops.stage;
    let mut scope = Scope { plan, step, axes: Vec::new(), guards: Vec::new() };
    scope.open(&stage.extents);
    for (axis, at) in stage.at.iter().enumerate() {
        let extent = step.output.shape.dims()[axis];
        scope.inside(scope.bounds(at), extent, &format!("axis {axis} of the output"))?;
    }
    scope.expr(&stage.value)?;
    loops.epilogue.iter().try_for_each(|it| scope.expr(it))
}

/// The axes that an expression may use, with the least and the greatest value of each, and what holds there.
struct Scope<'a> {
    plan: &'a Plan,
    step: &'a Step,
    axes: Vec<(i64, i64)>,
    guards: Vec<&'a Guard>,
}

impl<'a> Scope<'a> {
    fn open(&mut self, extents: &[usize]) {
        self.axes.extend(extents.iter().map(|&it| (0, it as i64 - 1)));
    }

    fn expr(&mut self, expr: &'a Expr) -> Result<(), String> {
        match expr {
            Expr::It | Expr::Const(_) => Ok(()),
            Expr::Table(numbers, at) => self.inside(self.bounds(at), numbers.len(), "a table"),
            Expr::Load(buffer, at) => at.iter().enumerate().try_for_each(|(axis, index)| {
                let extent = self.shape(*buffer).dims()[axis];
                self.inside(self.index(index)?, extent, &format!("axis {axis} of {buffer:?}"))
            }),
            Expr::Unary(_, a) => self.expr(a),
            Expr::Binary(_, a, b) => self.expr(a).and_then(|()| self.expr(b)),
            Expr::Choose(guards, a, b) => {
                self.under(guards, |scope| scope.expr(a))?;
                self.expr(b)
            }
            Expr::Reduce { extents, guards, body, .. } => {
                let outer = self.axes.len();
                self.open(extents);
                let done = self.under(guards, |scope| scope.expr(body));
                self.axes.truncate(outer);
                done
            }
        }
    }

    fn under<T>(&mut self, guards: &'a [Guard], run: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.guards.len();
        self.guards.extend(guards);
        let done = run(self);
        self.guards.truncate(outer);
        done
    }

    fn shape(&self, buffer: Buffer) -> &'a Shape {
        match buffer {
            Buffer::Input(at) => &self.step.inputs[at].shape,
            Buffer::Param(at) => &self.plan.packed[self.step.params[at].0].shape,
            Buffer::Temp(at) => &self.step.temps[at].shape,
            Buffer::Output => &self.step.output.shape,
        }
    }

    /// The least and the greatest value, where all guards hold; crossed where they never do.
    fn bounds(&self, affine: &Affine) -> (i64, i64) {
        let mut bounds = (affine.constant, affine.constant);
        for &(axis, coefficient) in &affine.terms {
            let (a, b) = (coefficient * self.axes[axis].0, coefficient * self.axes[axis].1);
            bounds = (bounds.0 + a.min(b), bounds.1 + a.max(b));
        }
        for guard in &self.guards {
            if let Guard::Within(of, extent) = guard
                && of.terms == affine.terms
            {
                let shift = affine.constant - of.constant;
                bounds = (bounds.0.max(shift), bounds.1.min(*extent as i64 - 1 + shift));
            }
        }
        bounds
    }

    fn index(&self, index: &Index) -> Result<(i64, i64), String> {
        match index {
            Index::Affine(at) => Ok(self.bounds(at)),
            Index::Part { of, by, modulo } => {
                let (least, most) = self.bounds(of);
                let by = *by as i64;
                let (least, most) = (least.div_euclid(by), most.div_euclid(by));
                Ok(match modulo {
                    Some(modulo) if most >= *modulo as i64 => (least.min(0), *modulo as i64 - 1),
                    _ => (least, most),
                })
            }
            Index::Table { table, at } => {
                let bounds = self.bounds(at);
                self.inside(bounds, table.len(), "a table of positions")?;
                let (Ok(from), Ok(to)) = (usize::try_from(bounds.0), usize::try_from(bounds.1))
                else {
                    return Ok((0, -1));
                };
                let seen = table.get(from..=to).unwrap_or_default().iter().map(|&it| i64::from(it));
                Ok((0, seen.max().unwrap_or(-1)))
            }
        }
    }

    fn inside(&self, (least, most): (i64, i64), extent: usize, what: &str) -> Result<(), String> {
        if least <= most && (least < 0 || most >= extent as i64) {
            return Err(format!("reaches {least}..={most} on {what}, which has {extent}"));
        }
        Ok(())
    }
}
