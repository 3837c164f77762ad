//! Parameters in the order in which kernels read them, and constant tables: one read-only blob.

mod filter;
mod pieces;

use std::collections::HashMap;

use super::memory::{ALIGNMENT, Floats};
use crate::nest::{Expr, Index};
use crate::plan::{Kernel, PackedId, Plan};
use crate::shape::Shape;

pub(super) use pieces::Pieces;

/// Elements in a cache line: every parameter begins on one.
const LINE: usize = ALIGNMENT / size_of::<f32>();

/// What generated code reads and nobody writes. A vector that begins in a parameter or table may end behind it, in what
/// follows; behind the last one lies a line for that.
#[derive(Debug)]
pub struct Blob {
    memory: Floats,
    /// Elements of the parameters, which lie before the tables.
    param_elements: usize,
    /// First element and original extents of each packed parameter.
    params: Vec<(usize, Shape)>,
    /// First element of each table, by its bits.
    tables: HashMap<Vec<u32>, usize>,
}

/// A constant table of a nest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Table<'a> {
    /// Positions.
    Positions(&'a [u32]),
    /// Numbers.
    Numbers(&'a [f32]),
}

impl Table<'_> {
    fn bits(self) -> Vec<u32> {
        match self {
            Table::Positions(it) => it.to_vec(),
            Table::Numbers(it) => it.iter().map(|it| it.to_bits()).collect(),
        }
    }
}

impl Blob {
    /// Places the parameters and tables of a plan, and writes the tables; the parameters are zero.
    pub(super) fn lay_out(plan: &Plan) -> Blob {
        let mut end = 0;
        let mut reserve = |elements: usize| {
            let from = end;
            end += elements.next_multiple_of(LINE);
            from
        };
        let params: Vec<_> =
            plan.packed.iter().map(|it| (reserve(it.elements), it.shape.clone())).collect();
        let param_elements = reserve(0);
        let mut tables = HashMap::new();
        for_each_table(plan, &mut |table| {
            let bits = table.bits();
            let len = bits.len();
            tables.entry(bits).or_insert_with(|| reserve(len));
        });
        let mut memory = Floats::zeroed(end + LINE);
        let slice = memory.as_mut_slice();
        for (bits, &at) in sorted(&tables) {
            for (to, &from) in slice[at..].iter_mut().zip(bits) {
                *to = f32::from_bits(from);
            }
        }
        Blob { memory, param_elements, params, tables }
    }

    /// How many elements at the beginning are parameters.
    pub(super) fn param_elements(&self) -> usize {
        self.param_elements
    }

    /// Takes the memory out, so that it can be filled while others look at what lies where.
    pub(super) fn take_memory(&mut self) -> Floats {
        std::mem::replace(&mut self.memory, Floats::zeroed(0))
    }

    /// Puts the memory back.
    pub(super) fn put_memory(&mut self, memory: Floats) {
        self.memory = memory;
    }

    /// The packed parameters, without the tables.
    pub fn packed(&self) -> &[f32] {
        &self.as_slice()[..self.param_elements]
    }

    /// All elements.
    pub fn as_slice(&self) -> &[f32] {
        self.memory.as_slice()
    }

    /// First element and original extents of a packed parameter.
    pub(super) fn param(&self, id: PackedId) -> (usize, &Shape) {
        let (at, shape) = &self.params[id.0];
        (*at, shape)
    }

    /// First element of a table.
    pub(super) fn table(&self, table: Table<'_>) -> usize {
        self.tables[&table.bits()]
    }
}

fn sorted(tables: &HashMap<Vec<u32>, usize>) -> Vec<(&Vec<u32>, &usize)> {
    let mut sorted: Vec<_> = tables.iter().collect();
    sorted.sort_unstable_by_key(|it| it.1);
    sorted
}

fn for_each_table(plan: &Plan, visit: &mut dyn FnMut(Table<'_>)) {
    for step in &plan.steps {
        if let Kernel::Loops(loops) = &step.kernel {
            tables(&loops.stage.value, visit);
            loops.epilogue.iter().for_each(|it| tables(it, visit));
        }
    }
}

fn tables(expr: &Expr, visit: &mut dyn FnMut(Table<'_>)) {
    match expr {
        Expr::Const(_) | Expr::It => {}
        Expr::Table(table, _) => visit(Table::Numbers(table)),
        Expr::Load(_, at) => {
            for index in at {
                if let Index::Table { table, .. } = index {
                    visit(Table::Positions(table));
                }
            }
        }
        Expr::Unary(_, a) => tables(a, visit),
        Expr::Binary(_, a, b) => {
            tables(a, visit);
            tables(b, visit);
        }
        Expr::Reduce { body, .. } => tables(body, visit),
        Expr::Choose(_, a, b) => {
            tables(a, visit);
            tables(b, visit);
        }
    }
}
