//! The definition of a nest: what it means, point by point, in f64.

use super::{Affine, Binary, Buffer, Expr, Guard, Index, Nest, Reduction, Stage, Unary};
use crate::shape::Shape;
use crate::tensor::{Tensor, max, min};

/// Runs a nest on its operands and parameters; the output is rounded to f32 once at the end.
pub fn interpret(nest: &Nest, inputs: &[&Tensor], params: &[&Tensor], output: &Shape) -> Tensor {
    let mut temps: Vec<Values> = nest.temps.iter().map(Values::poisoned).collect();
    let mut out = Values::poisoned(output);
    for stage in &nest.stages {
        let mut results = Vec::new();
        let scope = Scope { inputs, params, temps: &temps };
        for_each_point(&stage.extents, &mut |point| {
            let at: Vec<usize> = stage.at.iter().map(|it| position(it, point)).collect();
            results.push((at, scope.value(&stage.value, &mut point.to_vec())));
        });
        let target = target(stage, &mut temps, &mut out);
        for (at, value) in results {
            let flat = target.flat(&at);
            target.data[flat] = value;
        }
    }
    Tensor::new(output.clone(), out.data.iter().map(|&it| it as f32).collect())
}

fn target<'a>(stage: &Stage, temps: &'a mut [Values], out: &'a mut Values) -> &'a mut Values {
    match stage.target {
        Buffer::Temp(i) => &mut temps[i],
        Buffer::Output => out,
        Buffer::Input(_) | Buffer::Param(_) => {
            panic!("a nest writes only its output and its temporaries")
        }
    }
}

struct Values {
    shape: Shape,
    data: Vec<f64>,
}

impl Values {
    fn poisoned(shape: &Shape) -> Self {
        Self { shape: shape.clone(), data: vec![f64::NAN; shape.elements()] }
    }

    fn flat(&self, at: &[usize]) -> usize {
        flat(&self.shape, at)
    }
}

fn flat(shape: &Shape, at: &[usize]) -> usize {
    assert_eq!(shape.rank(), at.len(), "one index for each axis");
    let mut flat = 0;
    for (&extent, &i) in shape.dims().iter().zip(at) {
        assert!(i < extent, "index {at:?} outside {:?}", shape.dims());
        flat = flat * extent + i;
    }
    flat
}

fn position(affine: &Affine, point: &[usize]) -> usize {
    usize::try_from(affine.at(point)).expect("an index is not negative where it is used")
}

struct Scope<'a> {
    inputs: &'a [&'a Tensor],
    params: &'a [&'a Tensor],
    temps: &'a [Values],
}

impl Scope<'_> {
    fn value(&self, expr: &Expr, point: &mut Vec<usize>) -> f64 {
        match expr {
            Expr::Const(it) => f64::from(*it),
            Expr::Table(table, at) => f64::from(table[position(at, point)]),
            Expr::It => panic!("`it` outside an epilogue"),
            Expr::Load(buffer, at) => {
                let at: Vec<usize> = at.iter().map(|it| index(it, point)).collect();
                match *buffer {
                    Buffer::Input(i) => {
                        f64::from(self.inputs[i].data[flat(&self.inputs[i].shape, &at)])
                    }
                    Buffer::Param(i) => {
                        f64::from(self.params[i].data[flat(&self.params[i].shape, &at)])
                    }
                    Buffer::Temp(i) => self.temps[i].data[self.temps[i].flat(&at)],
                    Buffer::Output => panic!("a nest does not read its output"),
                }
            }
            Expr::Unary(f, a) => unary(*f, self.value(a, point)),
            Expr::Binary(f, a, b) => binary(*f, self.value(a, point), self.value(b, point)),
            Expr::Choose(guards, a, b) => {
                let holds = guards.iter().all(|it| holds(it, point));
                self.value(if holds { a } else { b }, point)
            }
            Expr::Reduce { op, extents, guards, body } => {
                let mut sum = identity(*op);
                let depth = point.len();
                for_each_point(extents, &mut |inner| {
                    point.truncate(depth);
                    point.extend_from_slice(inner);
                    if guards.iter().all(|it| holds(it, point)) {
                        sum = combine(*op, sum, self.value(body, point));
                    }
                });
                point.truncate(depth);
                sum
            }
        }
    }
}

fn index(index: &Index, point: &[usize]) -> usize {
    match index {
        Index::Affine(affine) => position(affine, point),
        Index::Part { of, by, modulo } => {
            let part = position(of, point) / by;
            modulo.map_or(part, |it| part % it)
        }
        Index::Table { table, at } => table[position(at, point)] as usize,
    }
}

fn holds(guard: &Guard, point: &[usize]) -> bool {
    match guard {
        Guard::Within(affine, extent) => (0..*extent as i64).contains(&affine.at(point)),
        Guard::Divides(affine, by) => affine.at(point).rem_euclid(*by as i64) == 0,
    }
}

/// What a reduction over nothing is.
pub fn identity(op: Reduction) -> f64 {
    match op {
        Reduction::Sum => 0.0,
        Reduction::Product => 1.0,
        Reduction::Max => f64::NEG_INFINITY,
        Reduction::Min => f64::INFINITY,
    }
}

/// One step of a reduction.
pub fn combine(op: Reduction, a: f64, b: f64) -> f64 {
    match op {
        Reduction::Sum => a + b,
        Reduction::Product => a * b,
        Reduction::Max => max(a, b),
        Reduction::Min => min(a, b),
    }
}

/// What a function of one number means.
pub fn unary(f: Unary, a: f64) -> f64 {
    match f {
        Unary::Neg => -a,
        Unary::Abs => a.abs(),
        Unary::Exp => libm::exp(a),
        Unary::Log => libm::log(a),
        Unary::Sqrt => a.sqrt(),
        Unary::Recip => 1.0 / a,
        Unary::Tanh => libm::tanh(a),
        Unary::Sigmoid => 1.0 / (1.0 + libm::exp(-a)),
        Unary::Erf => libm::erf(a),
        Unary::Floor => a.floor(),
        Unary::Ceil => a.ceil(),
        Unary::Round => a.round_ties_even(),
        Unary::Sign if a == 0.0 || a.is_nan() => a,
        Unary::Sign => a.signum(),
    }
}

/// What a function of two numbers means.
pub fn binary(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Max => max(a, b),
        Binary::Min => min(a, b),
        Binary::Pow => libm::pow(a, b),
        Binary::Positive if a < 0.0 => b,
        Binary::Positive => a,
    }
}

/// Visits every point of a box in index order, last axis fastest; a box without axes has one point.
pub fn for_each_point(extents: &[usize], visit: &mut dyn FnMut(&[usize])) {
    let mut point = vec![0; extents.len()];
    if extents.contains(&0) {
        return;
    }
    loop {
        visit(&point);
        let Some(axis) = (0..extents.len()).rev().find(|&it| point[it] + 1 < extents[it]) else {
            return;
        };
        point[axis] += 1;
        point[axis + 1..].fill(0);
    }
}
