//! Stages of nests as loops: any stage over any views.
//!
//! The points of a stage are evaluated one by one, or in bundles of eight along one axis (and of several
//! neighbours along the last) where neighbours are stored side by side. What a bundle loads is one vector, one
//! broadcast, or gathered lane by lane; each lane computes what it would compute alone, so bundles change no bit.

mod eval;
mod reduce;
mod scope;

use cranelift::prelude::*;

use super::emit::{CONSTANT, Emit, MEMORY, Units};
use super::linear::Linear;
use super::pack::Blob;
use crate::nest::{Affine, Buffer, Expr, Guard, Index};
use crate::plan::{Home, LANES, Loops, Plan, Step, View};
pub(super) use scope::Operand;
use scope::{Bundle, Scope, Shift, WIDTH, signed};

/// Neighbours along the last axis that are evaluated together, where the expression is short.
const POINTS: usize = 4;
/// Operations of an expression that still counts as short.
const SHORT: usize = 10;

/// How a stage is walked.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    /// The axis whose points are bundled.
    vector: Option<usize>,
    /// Whole bundles along it.
    blocks: usize,
    /// Points left after them, one by one.
    rest: usize,
    /// The axis that each unit walks along; the others count units.
    inner: Option<usize>,
    /// Neighbours on the inner axis in a bundle.
    points: usize,
    /// Independent units of work.
    pub units: usize,
}

/// Plans the walk over a stage.
fn schedule(step: &Step, loops: &Loops, blob: &Blob) -> Schedule {
    let stage = &loops.stage;
    let extents = &stage.extents;
    let vector = vector_axis(step, loops).filter(|&it| extents[it] > 1);
    let (mut blocks, mut rest) = (0, 0);
    let mut chosen = None;
    if let Some(axis) = vector {
        (blocks, rest) = (extents[axis] / LANES, extents[axis] % LANES);
        if rest > 0 && may_overrun(step, loops, blob, axis) {
            (blocks, rest) = (blocks + 1, 0);
        }
        chosen = (blocks > 0).then_some(axis);
    }
    if chosen.is_none() {
        (blocks, rest) = (0, 0);
    }
    let last = extents.len().checked_sub(1);
    let inner = last.filter(|&it| extents.len() >= 2 && (chosen != Some(it) || extents.len() >= 3));
    let points = match (inner, chosen) {
        (Some(inner), Some(axis)) if inner != axis && is_bundled(loops, inner) => POINTS,
        _ => 1,
    };
    let mut schedule = Schedule { vector: chosen, blocks, rest, inner, points, units: 1 };
    schedule.units = (0..extents.len())
        .filter(|it| Some(*it) != inner)
        .map(|it| schedule.rounds(it, extents))
        .product();
    schedule
}

impl Schedule {
    /// Whether points are evaluated in bundles.
    pub(super) fn is_bundled(&self) -> bool {
        self.vector.is_some()
    }

    /// Rounds of the loop over an axis: points, or bundles.
    fn rounds(&self, axis: usize, extents: &[usize]) -> usize {
        match self.vector {
            Some(it) if it == axis => self.blocks + usize::from(self.rest > 0),
            _ => extents[axis],
        }
    }
}

/// The axis along which the store goes up one element by one, the longest if there are several: within blocks of
/// channels, or in a row. Guards must not depend on it.
fn vector_axis(step: &Step, loops: &Loops) -> Option<usize> {
    let stage = &loops.stage;
    let fits = |axis: &usize| {
        let axis = *axis;
        is_unit_step(&step.output, &stage.at, axis)
            && !guards_vary(&stage.value, axis)
            && !loops.epilogue.iter().any(|it| guards_vary(it, axis))
    };
    (0..stage.extents.len()).filter(fits).max_by_key(|&it| stage.extents[it])
}

fn is_unit_step(output: &View, at: &[Affine], axis: usize) -> bool {
    let mut step = 0;
    for (dim, index) in at.iter().enumerate() {
        let coefficient = index.coefficient(axis);
        if dim == 1 && output.blocked && coefficient != 0 {
            let aligned = index.terms.iter().all(|it| it.0 == axis || it.1 % signed(LANES) == 0);
            if coefficient != 1 || !aligned {
                return false;
            }
            step += 1;
        } else {
            step += coefficient * signed(output.strides[dim]);
        }
    }
    step == 1
}

fn guards_vary(expr: &Expr, axis: usize) -> bool {
    let varies = |guards: &[Guard]| {
        guards.iter().any(|it| {
            let (Guard::Within(affine, _) | Guard::Divides(affine, _)) = it;
            affine.coefficient(axis) != 0
        })
    };
    match expr {
        Expr::Const(_) | Expr::It | Expr::Load(..) | Expr::Table(..) => false,
        Expr::Unary(_, a) => guards_vary(a, axis),
        Expr::Binary(_, a, b) => guards_vary(a, axis) || guards_vary(b, axis),
        Expr::Reduce { guards, body, .. } => varies(guards) || guards_vary(body, axis),
        Expr::Choose(guards, a, b) => {
            varies(guards) || guards_vary(a, axis) || guards_vary(b, axis)
        }
    }
}

/// Whether neighbours on an axis can be evaluated together, and it pays.
fn is_bundled(loops: &Loops, axis: usize) -> bool {
    let all = || loops.epilogue.iter().chain([&loops.stage.value]);
    loops.stage.extents[axis] >= POINTS
        && all().map(operations).sum::<usize>() <= SHORT
        && !all().any(|it| guards_vary(it, axis))
}

fn operations(expr: &Expr) -> usize {
    match expr {
        Expr::Const(_) | Expr::It | Expr::Load(..) | Expr::Table(..) => 1,
        Expr::Unary(f, a) if super::math::is_long(*f) => SHORT + operations(a),
        Expr::Unary(_, a) => 1 + operations(a),
        Expr::Binary(crate::nest::Binary::Pow, ..) => SHORT,
        Expr::Binary(_, a, b) => 1 + operations(a) + operations(b),
        Expr::Reduce { body, .. } => 1 + operations(body),
        Expr::Choose(_, a, b) => 2 + operations(a) + operations(b),
    }
}

/// Whether the last bundle along an axis may reach past its extent: what it writes there is nobody's, and
/// what it reads there is memory of its operands.
fn may_overrun(step: &Step, loops: &Loops, blob: &Blob, axis: usize) -> bool {
    let stage = &loops.stage;
    let extent = stage.extents[axis];
    let dim = stage.at.iter().position(|it| it.coefficient(axis) != 0);
    let output = &step.output;
    let writes = dim == Some(1) && output.blocked && {
        let index = &stage.at[1];
        index.constant.rem_euclid(signed(LANES)) == 0
            && index.terms.len() == 1
            && index.constant + signed(extent) == signed(output.shape.channels())
    };
    let reach = Reach { step, blob, axis, by: extent.next_multiple_of(LANES) - extent };
    writes
        && reach.expr(&stage.value, &mut stage.extents.clone())
        && loops.epilogue.iter().all(|it| reach.expr(it, &mut stage.extents.clone()))
}

/// Whether loads stay inside their operands when an axis overruns.
struct Reach<'a> {
    step: &'a Step,
    blob: &'a Blob,
    axis: usize,
    by: usize,
}

impl Reach<'_> {
    fn expr(&self, expr: &Expr, extents: &mut Vec<usize>) -> bool {
        match expr {
            Expr::Const(_) | Expr::It => true,
            // The blob goes on for a vector.
            Expr::Table(_, at) => matches!(at.coefficient(self.axis), 0 | 1),
            Expr::Load(buffer, at) => self.load(*buffer, at, extents),
            Expr::Unary(_, a) => self.expr(a, extents),
            Expr::Binary(_, a, b) | Expr::Choose(_, a, b) => {
                self.expr(a, extents) && self.expr(b, extents)
            }
            Expr::Reduce { extents: more, body, .. } => {
                let depth = extents.len();
                extents.extend_from_slice(more);
                let stays = self.expr(body, extents);
                extents.truncate(depth);
                stays
            }
        }
    }

    fn load(&self, buffer: Buffer, at: &[Index], extents: &[usize]) -> bool {
        let moving: Vec<usize> = (0..at.len())
            .filter(|&it| {
                let (Index::Affine(of) | Index::Part { of, .. } | Index::Table { at: of, .. }) =
                    &at[it];
                of.coefficient(self.axis) != 0
            })
            .collect();
        let [dim] = moving.as_slice() else { return moving.is_empty() };
        let Index::Affine(index) = &at[*dim] else { return false };
        if index.coefficient(self.axis) != 1 {
            return false;
        }
        let last: i64 = index.constant
            + signed(self.by)
            + index.terms.iter().map(|it| (it.1 * (signed(extents[it.0]) - 1)).max(0)).sum::<i64>();
        let view = match buffer {
            // The blob goes on for a vector after the last element.
            Buffer::Param(id) => {
                let (_, shape) = self.blob.param(self.step.params[id]);
                return *dim + 1 == shape.rank();
            }
            Buffer::Input(id) => &self.step.inputs[id],
            Buffer::Temp(id) => &self.step.temps[id],
            Buffer::Output => return false,
        };
        let owned = match *dim {
            1 if view.blocked => view.shape.channels().next_multiple_of(LANES),
            it => view.shape.dims()[it],
        };
        last < signed(owned)
    }
}

/// Emits a routine that walks units `begin..end` of a stage; gives its walk.
pub(super) fn emit(
    builder: FunctionBuilder<'_>,
    isa: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    loops: &Loops,
    blob: &Blob,
    fused: bool,
) -> Schedule {
    let schedule = schedule(step, loops, blob);
    let (mut emit, units) = Emit::start(builder, plan, fused);
    let views = || step.inputs.iter().chain(&step.temps).chain([&step.output]);
    for view in views() {
        emit.prepare(view.buffer);
    }
    let readable = |view: &View| match plan.buffers[view.buffer.0].home {
        Home::Input(_) => CONSTANT,
        Home::Arena(_) | Home::Output(_) => MEMORY,
    };
    let operand = |view: &View| Operand::view(&emit, view, readable(view));
    let inputs = step.inputs.iter().map(operand).collect();
    let temps = step.temps.iter().map(operand).collect();
    let output = operand(&step.output);
    let params = step
        .params
        .iter()
        .map(|&it| {
            let (from, shape) = blob.param(it);
            Operand::rows(&emit, from, shape.dims())
        })
        .collect();
    let extents = loops.stage.extents.clone();
    let axes = vec![Linear::default(); extents.len()];
    let mut scope =
        Scope { emit, blob, inputs, params, temps, output, extents, axes, bundle: None, it: None };
    scope.walk(loops, &schedule, &units);
    scope.emit.finish(isa);
    schedule
}

impl Scope<'_, '_> {
    fn walk(&mut self, loops: &Loops, schedule: &Schedule, units: &Units) {
        let unit = self.emit.open(units.begin, units.end);
        let mut left = unit.at;
        let outer: Vec<usize> =
            (0..loops.stage.extents.len()).filter(|&it| Some(it) != schedule.inner).collect();
        for (at, &axis) in outer.iter().enumerate().rev() {
            let rounds = schedule.rounds(axis, &loops.stage.extents);
            let round = if rounds == 1 {
                Linear::default()
            } else if at == 0 {
                Linear::value(left, 1)
            } else {
                let quotient = self.emit.quotient(left, rounds);
                let rest = self.emit.remainder(left, rounds);
                left = quotient;
                Linear::value(rest, 1)
            };
            self.axes[axis] = round;
        }
        self.unit(loops, schedule);
        self.emit.close(unit);
    }

    /// One unit: whole bundles, or the points left after them.
    fn unit(&mut self, loops: &Loops, schedule: &Schedule) {
        let Some(axis) = schedule.vector else { return self.inner(loops, schedule, None) };
        if schedule.inner == Some(axis) {
            return self.bundles_along(loops, schedule, axis);
        }
        let round = self.axes[axis].clone();
        let mut first = Linear::default();
        first.add(&round, signed(LANES));
        if schedule.rest == 0 {
            self.axes[axis] = first;
            return self.inner(loops, schedule, Some(axis));
        }
        let at = self.emit.linear(&round);
        let whole =
            self.emit.b.ins().icmp_imm_s(IntCC::SignedLessThan, at, signed(schedule.blocks));
        let branch = self.emit.when(whole);
        self.axes[axis] = first;
        self.inner(loops, schedule, Some(axis));
        self.emit.otherwise(&branch);
        self.rest(loops, schedule, axis, true);
        self.emit.end(&branch);
    }

    /// The points after the last whole bundle.
    fn rest(&mut self, loops: &Loops, schedule: &Schedule, axis: usize, with_inner: bool) {
        let (at, open) = self.emit.open_times(schedule.rest);
        self.axes[axis] = at.plus(signed(schedule.blocks * LANES));
        if with_inner {
            self.inner(loops, schedule, None);
        } else {
            self.bundle = None;
            self.point(loops);
        }
        self.emit.close(open);
    }

    /// A row of bundles along the inner axis, and the points after them.
    fn bundles_along(&mut self, loops: &Loops, schedule: &Schedule, axis: usize) {
        let (at, open) = self.emit.open_times(schedule.blocks);
        let mut first = Linear::default();
        first.add(&at, signed(LANES));
        self.axes[axis] = first;
        self.bundle = Some(bundle(axis, None, 1));
        self.point(loops);
        self.emit.close(open);
        if schedule.rest > 0 {
            self.rest(loops, schedule, axis, false);
        }
    }

    /// The walk along the inner axis, several neighbours at a time where the schedule says so.
    fn inner(&mut self, loops: &Loops, schedule: &Schedule, vector: Option<usize>) {
        let Some(inner) = schedule.inner else {
            self.bundle = vector.map(|it| bundle(it, None, 1));
            return self.point(loops);
        };
        let extent = loops.stage.extents[inner];
        let points = if vector.is_some() { schedule.points } else { 1 };
        let (groups, left) = (extent / points, extent % points);
        if groups > 0 {
            let (at, open) = self.emit.open_times(groups);
            let mut first = Linear::default();
            first.add(&at, signed(points));
            self.axes[inner] = first;
            let row = (points > 1).then_some(inner);
            self.bundle = vector.map(|it| bundle(it, row, points));
            self.point(loops);
            self.emit.close(open);
        }
        if left > 0 {
            let (at, open) = self.emit.open_times(left);
            self.axes[inner] = at.plus(signed(groups * points));
            self.bundle = vector.map(|it| bundle(it, None, 1));
            self.point(loops);
            self.emit.close(open);
        }
    }

    /// One bundle, or one point.
    fn point(&mut self, loops: &Loops) {
        self.it = None;
        let mut value = self.eval(&loops.stage.value);
        for step in &loops.epilogue {
            self.it = Some(value);
            value = self.eval(step);
        }
        self.store(&loops.stage.at, value);
    }
}

/// Eight lanes along one axis for each of some neighbours along another.
fn bundle(axis: usize, row: Option<usize>, points: usize) -> Bundle {
    let parts = (0..points)
        .flat_map(|point| (0..LANES).step_by(WIDTH).map(move |lane| Shift { lane, point }))
        .collect();
    Bundle { axis, row, parts }
}
