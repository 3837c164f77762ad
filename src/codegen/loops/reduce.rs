//! Reductions: loops in index order, guards as bounds where they can be.

use cranelift::prelude::*;

use super::super::emit::Loop;
use super::super::linear::Linear;
use super::super::math;
use super::eval::Truth;
use super::scope::{Number, Scope, Shift, signed};
use crate::nest::interpret::identity;
use crate::nest::{Affine, Binary, Expr, Guard, Reduction};

/// The most places of a window that are written out one after another.
const UNROLLED_MAX: usize = 32;
/// The most parts times places written out.
const UNROLLED_PARTS_MAX: usize = 128;

/// A reduction on the way down through its axes.
struct Walk<'e> {
    op: Reduction,
    /// The first of its axes.
    first: usize,
    extents: &'e [usize],
    /// For each axis: guards that bound it, with what they bound.
    bounds: Vec<Vec<&'e Guard>>,
    /// For each axis: guards that are tested inside its loop.
    checks: Vec<Vec<Guard>>,
    body: &'e Expr,
    varies: bool,
    cells: Vec<Variable>,
}

impl Scope<'_, '_> {
    pub(super) fn reduce(
        &mut self,
        op: Reduction,
        extents: &[usize],
        guards: &[Guard],
        body: &Expr,
    ) -> Number {
        let first = self.axes.len();
        self.extents.extend_from_slice(extents);
        let guards: Vec<Guard> = guards.iter().filter(|it| !self.always(it)).cloned().collect();
        self.axes.resize(self.extents.len(), Linear::default());
        let varies = self.expr_varies(body);
        let cells = self.cells(varies);
        let start = self.emit.b.ins().f32const(identity(op) as f32);
        self.put(&cells, Number::Same(start));
        let mut walk = Walk {
            op,
            first,
            extents,
            bounds: vec![Vec::new(); extents.len()],
            checks: vec![Vec::new(); extents.len()],
            body,
            varies,
            cells,
        };
        let mut before = Vec::new();
        for guard in &guards {
            let (Guard::Within(affine, _) | Guard::Divides(affine, _)) = guard;
            match affine.terms.last() {
                Some(&(axis, by)) if axis >= first => match guard {
                    Guard::Within(..) if by > 0 => walk.bounds[axis - first].push(guard),
                    _ => walk.checks[axis - first].push(guard.clone()),
                },
                _ => before.push(guard.clone()),
            }
        }
        match self.holds(&before) {
            Truth::Always => self.whole(&walk, &guards),
            Truth::Never => {}
            Truth::Open(condition) => {
                let branch = self.emit.when(condition);
                self.whole(&walk, &guards);
                self.emit.otherwise(&branch);
                self.emit.end(&branch);
            }
        }
        self.axes.truncate(first);
        self.extents.truncate(first);
        self.get(&walk.cells, varies)
    }

    /// Whether a guard holds wherever the axes are.
    fn always(&self, guard: &Guard) -> bool {
        let Guard::Within(affine, extent) = guard else { return false };
        let (low, high) = self.range(affine);
        0 <= low && high < signed(*extent)
    }

    /// All places: written out where they are few, with a test for the window that lies inside.
    fn whole(&mut self, walk: &Walk<'_>, guards: &[Guard]) {
        let places: usize = walk.extents.iter().product();
        let few = places <= UNROLLED_MAX && places * walk.cells.len() <= UNROLLED_PARTS_MAX;
        if !few || is_nested(walk.body) {
            return self.level(walk, 0);
        }
        if guards.is_empty() {
            return self.unrolled(walk, 0);
        }
        let Some(inside) = self.all_inside(walk, guards) else { return self.level(walk, 0) };
        let branch = self.emit.when(inside);
        self.unrolled(walk, 0);
        self.emit.otherwise(&branch);
        self.level(walk, 0);
        self.emit.end(&branch);
    }

    /// Whether every guard holds at every place: at the first and at the last, as positions only grow.
    fn all_inside(&mut self, walk: &Walk<'_>, guards: &[Guard]) -> Option<Value> {
        let mut all: Option<Value> = None;
        for guard in guards {
            let Guard::Within(affine, extent) = guard else { return None };
            if affine.terms.iter().any(|it| it.0 >= walk.first && it.1 < 0) {
                return None;
            }
            let at = self.affine(affine, Shift::default());
            let last: i64 = affine
                .terms
                .iter()
                .filter(|it| it.0 >= walk.first)
                .map(|it| it.1 * (signed(walk.extents[it.0 - walk.first]) - 1))
                .sum();
            // 0 <= at and at + last < extent, as one unsigned comparison.
            let room = signed(*extent) - last;
            if room <= 0 {
                return None;
            }
            let at = self.emit.linear(&at);
            let one = self.emit.b.ins().icmp_imm_s(IntCC::UnsignedLessThan, at, room);
            all = Some(all.map_or(one, |it| self.emit.b.ins().band(it, one)));
        }
        all
    }

    fn unrolled(&mut self, walk: &Walk<'_>, level: usize) {
        if level == walk.extents.len() {
            return self.term(walk);
        }
        for at in 0..walk.extents[level] {
            self.axes[walk.first + level] = Linear::constant(signed(at));
            self.row(walk, level, Self::unrolled);
        }
        self.axes[walk.first + level] = Linear::default();
    }

    /// The loop over one axis, and what lies inside.
    fn level(&mut self, walk: &Walk<'_>, level: usize) {
        if level == walk.extents.len() {
            return self.term(walk);
        }
        let axis = walk.first + level;
        let (at, open) = self.open_axis(walk, level);
        self.axes[axis] = at;
        match self.holds(&walk.checks[level]) {
            Truth::Always => self.row(walk, level, Self::level),
            Truth::Never => {}
            Truth::Open(condition) => {
                let branch = self.emit.when(condition);
                self.row(walk, level, Self::level);
                self.emit.otherwise(&branch);
                self.emit.end(&branch);
            }
        }
        self.emit.close(open);
        self.axes[axis] = Linear::default();
    }

    /// The axes inside one place of `level`, written by `inner`. A sum is made of the sums of its rows, each
    /// begun from zero: the mean of a large map would lose digits in one long chain of additions.
    fn row(&mut self, walk: &Walk<'_>, level: usize, inner: fn(&mut Self, &Walk<'_>, usize)) {
        if walk.op != Reduction::Sum || level + 1 >= walk.extents.len() {
            return inner(self, walk, level + 1);
        }
        let before = self.get(&walk.cells, walk.varies);
        let zero = self.emit.b.ins().f32const(0.0);
        self.put(&walk.cells, Number::Same(zero));
        inner(self, walk, level + 1);
        let row = self.get(&walk.cells, walk.varies);
        let sum = self.combine(Reduction::Sum, before, row);
        self.put(&walk.cells, sum);
    }

    fn open_axis(&mut self, walk: &Walk<'_>, level: usize) -> (Linear, Option<Loop>) {
        if walk.bounds[level].is_empty() {
            return self.emit.open_times(walk.extents[level]);
        }
        let mut from = self.emit.int(0);
        let mut to = self.emit.int(signed(walk.extents[level]));
        for guard in &walk.bounds[level] {
            let Guard::Within(affine, extent) = guard else {
                unreachable!("only `within` bounds an axis")
            };
            let (low, high) = self.bound(affine, *extent, walk.first + level);
            from = self.emit.b.ins().smax(from, low);
            to = self.emit.b.ins().smin(to, high);
        }
        let open = self.emit.open(from, to);
        (Linear::value(open.at, 1), Some(open))
    }

    /// The first value of an axis for which `0 <= affine`, and one past the last for which `affine < extent`.
    fn bound(&mut self, affine: &Affine, extent: usize, axis: usize) -> (Value, Value) {
        let by = affine.coefficient(axis);
        self.axes[axis] = Linear::default();
        let rest = self.affine(affine, Shift::default());
        let negated = |number: i64| {
            let mut sum = Linear::constant(number);
            sum.add(&rest, -1);
            sum
        };
        let (low, high) = (negated(0), negated(signed(extent)));
        let (low, high) = (self.emit.linear(&low), self.emit.linear(&high));
        (self.ceiling(low, by), self.ceiling(high, by))
    }

    /// `ceil(max(value, 0) / by)`
    fn ceiling(&mut self, value: Value, by: i64) -> Value {
        let zero = self.emit.int(0);
        let value = self.emit.b.ins().smax(value, zero);
        if by == 1 {
            return value;
        }
        let value = self.emit.b.ins().iadd_imm_s(value, by - 1);
        self.emit.quotient(value, usize::try_from(by).expect("a bound grows with its axis"))
    }

    fn term(&mut self, walk: &Walk<'_>) {
        let sum = self.get(&walk.cells, walk.varies);
        let next = match (walk.op, walk.body) {
            (Reduction::Sum, Expr::Binary(Binary::Mul, a, b)) if self.emit.fused => {
                let (a, b) = (self.eval(a), self.eval(b));
                self.multiply_add(a, b, sum)
            }
            (op, body) => {
                let term = self.eval(body);
                self.combine(op, sum, term)
            }
        };
        self.put(&walk.cells, next);
    }

    fn multiply_add(&mut self, a: Number, b: Number, sum: Number) -> Number {
        if let (Number::Same(a), Number::Same(b), Number::Same(sum)) = (&a, &b, &sum) {
            return Number::Same(self.emit.b.ins().fma(*a, *b, *sum));
        }
        let (a, b, sum) = (self.spread(a), self.spread(b), self.spread(sum));
        let fma = |((a, b), sum)| self.emit.b.ins().fma(a, b, sum);
        Number::Parts(a.into_iter().zip(b).zip(sum).map(fma).collect())
    }

    fn combine(&mut self, op: Reduction, sum: Number, term: Number) -> Number {
        let f = match op {
            Reduction::Sum => Binary::Add,
            Reduction::Product => Binary::Mul,
            Reduction::Max => Binary::Max,
            Reduction::Min => Binary::Min,
        };
        self.binary(f, sum, term)
    }
}

/// Whether a body is too large to be repeated.
fn is_nested(expr: &Expr) -> bool {
    match expr {
        Expr::Const(_) | Expr::It | Expr::Load(..) | Expr::Table(..) => false,
        Expr::Unary(f, a) => math::is_long(*f) || is_nested(a),
        Expr::Binary(f, a, b) => *f == Binary::Pow || is_nested(a) || is_nested(b),
        Expr::Reduce { .. } | Expr::Choose(..) => true,
    }
}
