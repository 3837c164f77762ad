//! Picks of boxes: [`Suppress::picks`] as machine code, one class after another.
//!
//! ```text
//! for each sample and class:  list = boxes that count
//!     while there is a box, room, and fewer than most picks:
//!         best = the first of the highest score;  write it;  list = those that do not overlap best
//! ```
//!
//! A list never has more entries than there are boxes, and holds only positions below that number.

use cranelift::codegen::ir::MemFlagsData;
use cranelift::prelude::*;

use super::emit::{Emit, MEMORY};
use super::loops::Operand;
use crate::nest::suppress::{Form, Rows, Suppress};
use crate::plan::{Plan, Step};

/// An open loop that goes on while a condition holds.
struct While {
    head: Block,
    exit: Block,
}

/// A box by its sides, and what it covers.
struct Sides {
    from: [Value; 2],
    to: [Value; 2],
    area: Value,
}

/// The state of a routine.
struct Picker<'a, 'p> {
    emit: Emit<'a>,
    kernel: &'p Suppress,
    boxes: Operand,
    scores: Operand,
    output: Operand,
    /// Where the list begins.
    list: Value,
    /// The number of boxes, and of rows of the output.
    count: i64,
    rows: i64,
    /// Rows written.
    written: Variable,
    /// Boxes in the list.
    left: Variable,
}

/// Emits the routine of a step; it has one unit.
pub(super) fn emit(
    builder: FunctionBuilder<'_>,
    isa: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    kernel: &Suppress,
) -> usize {
    let (mut emit, units) = Emit::start(builder, plan, false);
    for view in step.inputs.iter().chain(&step.temps).chain([&step.output]) {
        emit.prepare(view.buffer);
    }
    let operand = |view| Operand::view(&emit, view, MEMORY);
    let (boxes, scores) = (operand(&step.inputs[0]), operand(&step.inputs[1]));
    let (list, output) = (operand(&step.temps[0]), operand(&step.output));
    let signed = |it: usize| i64::try_from(it).expect("an extent is small");
    let list = emit.b.ins().iadd_imm_s(list.pointer, list.base * 4);
    let [written, left] = [0; 2].map(|_| emit.b.declare_var(types::I64));
    let dims = step.inputs[1].shape.dims();
    let (count, rows) = (signed(dims[2]), signed(step.output.shape.dims()[0]));
    let mut picker =
        Picker { emit, kernel, boxes, scores, output, list, count, rows, written, left };
    let unit = picker.emit.open(units.begin, units.end);
    let none = picker.emit.int(0);
    picker.emit.b.def_var(written, none);
    let [samples, classes] = [dims[0], dims[1]].map(|it| picker.emit.int(signed(it)));
    let sample = picker.emit.open(none, samples);
    let class = picker.emit.open(none, classes);
    picker.class(sample.at, class.at);
    picker.emit.close(class);
    picker.emit.close(sample);
    picker.rest();
    picker.emit.close(unit);
    picker.emit.finish(isa);
    1
}

impl Picker<'_, '_> {
    fn class(&mut self, sample: Value, class: Value) {
        self.candidates(sample, class);
        let picked = self.emit.b.declare_var(types::I64);
        let none = self.emit.int(0);
        self.emit.b.def_var(picked, none);
        let most = i64::try_from(self.kernel.most).expect("at most the number of boxes");
        let rows = self.rows;
        let open = self.open_while(&[
            (IntCC::SignedGreaterThan, self.left, 0),
            (IntCC::SignedLessThan, picked, most),
            (IntCC::SignedLessThan, self.written, rows),
        ]);
        let best = self.best(sample, class);
        self.pick(sample, class, best);
        self.increment(picked);
        self.keep(sample, best);
        self.close_while(open);
    }

    /// Lists the boxes whose scores count.
    fn candidates(&mut self, sample: Value, class: Value) {
        let (none, count) = (self.emit.int(0), self.emit.int(self.count));
        self.emit.b.def_var(self.left, none);
        // Every number is at least minus infinity.
        let (comparison, least) = match self.kernel.score {
            Some(least) => (FloatCC::GreaterThan, least),
            None => (FloatCC::GreaterThanOrEqual, f32::NEG_INFINITY),
        };
        let least = self.emit.b.ins().f32const(least);
        let each = self.emit.open(none, count);
        let score = self.score(sample, class, each.at);
        let counts = self.emit.b.ins().fcmp(comparison, score, least);
        self.append_if(counts, each.at);
        self.emit.close(each);
    }

    /// The first box of the list that no other has a higher score than.
    fn best(&mut self, sample: Value, class: Value) -> Value {
        let [best, high] = [types::I64, types::F32].map(|it| self.emit.b.declare_var(it));
        let first = self.emit.int(0);
        let first = self.entry(first);
        let score = self.score(sample, class, first);
        self.emit.b.def_var(best, first);
        self.emit.b.def_var(high, score);
        let (one, left) = (self.emit.int(1), self.emit.b.use_var(self.left));
        let each = self.emit.open(one, left);
        let at = self.entry(each.at);
        let score = self.score(sample, class, at);
        let (old_at, old_score) = (self.emit.b.use_var(best), self.emit.b.use_var(high));
        let better = self.emit.b.ins().fcmp(FloatCC::GreaterThan, score, old_score);
        let at = self.emit.b.ins().select(better, at, old_at);
        let score = self.emit.b.ins().select(better, score, old_score);
        self.emit.b.def_var(best, at);
        self.emit.b.def_var(high, score);
        self.emit.close(each);
        self.emit.b.use_var(best)
    }

    /// Keeps in the list what does not overlap the best box; that box goes too.
    fn keep(&mut self, sample: Value, best: Value) {
        let sides = self.sides(sample, best);
        let (none, left) = (self.emit.int(0), self.emit.b.use_var(self.left));
        self.emit.b.def_var(self.left, none);
        let each = self.emit.open(none, left);
        let at = self.entry(each.at);
        let other = self.sides(sample, at);
        let overlaps = self.overlaps(&sides, &other);
        let apart = self.emit.b.ins().bxor_imm_u(overlaps, 1);
        let differs = self.emit.b.ins().icmp(IntCC::NotEqual, at, best);
        let stays = self.emit.b.ins().band(apart, differs);
        self.append_if(stays, at);
        self.emit.close(each);
    }

    /// Whether the intersection of two boxes over their union is above the limit.
    fn overlaps(&mut self, a: &Sides, b: &Sides) -> Value {
        let [width, height] = [0, 1].map(|it| {
            let to = self.choose(FloatCC::LessThan, a.to[it], b.to[it]);
            let from = self.choose(FloatCC::GreaterThan, a.from[it], b.from[it]);
            self.emit.b.ins().fsub(to, from)
        });
        let ins = |it: &mut Self, a, b| it.emit.b.ins().fcmp(FloatCC::GreaterThan, a, b);
        let zero = self.emit.b.ins().f32const(0.0);
        let (wide, high) = (ins(self, width, zero), ins(self, height, zero));
        let both = self.emit.b.ins().fmul(width, height);
        let union = self.emit.b.ins().fadd(a.area, b.area);
        let union = self.emit.b.ins().fsub(union, both);
        let share = self.emit.b.ins().fdiv(both, union);
        let meets = self.emit.b.ins().band(wide, high);
        // What does not meet has an overlap of 0.
        let share = self.emit.b.ins().select(meets, share, zero);
        let limit = self.emit.b.ins().f32const(self.kernel.iou);
        ins(self, share, limit)
    }

    /// The four numbers of a box.
    fn numbers(&mut self, sample: Value, at: Value) -> [Value; 4] {
        [0, 1, 2, 3].map(|it| {
            let side = self.emit.int(it);
            let (pointer, flags) = self.place(&self.boxes.clone(), &[sample, at, side]);
            self.emit.b.ins().load(types::F32, flags, pointer, 0)
        })
    }

    /// The sides of a box.
    fn sides(&mut self, sample: Value, at: Value) -> Sides {
        let [a, b, c, d] = self.numbers(sample, at);
        let (from, to) = match self.kernel.form {
            Form::Corners => (
                [(a, c), (b, d)].map(|it| self.choose(FloatCC::LessThan, it.0, it.1)),
                [(a, c), (b, d)].map(|it| self.choose(FloatCC::GreaterThan, it.0, it.1)),
            ),
            Form::Centre => {
                let half = self.emit.b.ins().f32const(0.5);
                let [c, d] = [c, d].map(|it| self.emit.b.ins().fmul(it, half));
                (
                    [(a, c), (b, d)].map(|it| self.emit.b.ins().fsub(it.0, it.1)),
                    [(a, c), (b, d)].map(|it| self.emit.b.ins().fadd(it.0, it.1)),
                )
            }
        };
        let [width, height] = [0, 1].map(|it| self.emit.b.ins().fsub(to[it], from[it]));
        let area = self.emit.b.ins().fmul(width, height);
        Sides { from, to, area }
    }

    /// The first if it compares so with the second, else the second.
    fn choose(&mut self, comparison: FloatCC, a: Value, b: Value) -> Value {
        let first = self.emit.b.ins().fcmp(comparison, a, b);
        self.emit.b.ins().select(first, a, b)
    }

    /// Fills the rows after the last pick.
    fn rest(&mut self) {
        let (written, rows) = (self.emit.b.use_var(self.written), self.emit.int(self.rows));
        let none = self.emit.b.ins().f32const(-1.0);
        let each = self.emit.open(written, rows);
        self.write(&vec![none; self.kernel.rows.width()]);
        self.emit.close(each);
    }

    /// Writes the row of a pick.
    fn pick(&mut self, sample: Value, class: Value, at: Value) {
        let whole = |emit: &mut Emit<'_>, it| emit.b.ins().fcvt_from_sint(types::F32, it);
        let mut row = [sample, class].map(|it| whole(&mut self.emit, it)).to_vec();
        match self.kernel.rows {
            Rows::Picks => row.push(whole(&mut self.emit, at)),
            Rows::Boxes => {
                row.push(self.score(sample, class, at));
                row.extend(self.numbers(sample, at));
            }
        }
        self.write(&row);
    }

    /// Writes the next row.
    fn write(&mut self, row: &[Value]) {
        let at = self.emit.b.use_var(self.written);
        for (i, &value) in (0..).zip(row) {
            let column = self.emit.int(i);
            let (pointer, flags) = self.place(&self.output.clone(), &[at, column]);
            self.emit.b.ins().store(flags, value, pointer, 0);
        }
        self.increment(self.written);
    }

    fn score(&mut self, sample: Value, class: Value, at: Value) -> Value {
        let (pointer, flags) = self.place(&self.scores.clone(), &[sample, class, at]);
        self.emit.b.ins().load(types::F32, flags, pointer, 0)
    }

    /// An entry of the list.
    fn entry(&mut self, at: Value) -> Value {
        let offset = self.emit.b.ins().ishl_imm_u(at, 2);
        let pointer = self.emit.b.ins().iadd(self.list, offset);
        let entry = self.emit.b.ins().load(types::I32, MEMORY, pointer, 0);
        self.emit.b.ins().uextend(types::I64, entry)
    }

    /// Appends to the list, which has no more entries than were looked at.
    fn append_if(&mut self, condition: Value, at: Value) {
        let branch = self.emit.when(condition);
        let left = self.emit.b.use_var(self.left);
        let offset = self.emit.b.ins().ishl_imm_u(left, 2);
        let pointer = self.emit.b.ins().iadd(self.list, offset);
        let entry = self.emit.b.ins().ireduce(types::I32, at);
        self.emit.b.ins().store(MEMORY, entry, pointer, 0);
        self.increment(self.left);
        self.emit.otherwise(&branch);
        self.emit.end(&branch);
    }

    fn increment(&mut self, variable: Variable) {
        let value = self.emit.b.use_var(variable);
        let next = self.emit.b.ins().iadd_imm_s(value, 1);
        self.emit.b.def_var(variable, next);
    }

    /// Where an element of an operand lies.
    fn place(&mut self, operand: &Operand, at: &[Value]) -> (Value, MemFlagsData) {
        let mut element = self.emit.int(operand.base);
        for (axis, (&index, &stride)) in at.iter().zip(&operand.strides).enumerate() {
            let mut index = index;
            if axis == 1 && operand.blocked {
                let lane = self.emit.b.ins().band_imm_u(index, 7);
                element = self.emit.b.ins().iadd(element, lane);
                index = self.emit.b.ins().ushr_imm_u(index, 3);
            }
            let term = self.emit.b.ins().imul_imm_s(index, stride);
            element = self.emit.b.ins().iadd(element, term);
        }
        let offset = self.emit.b.ins().ishl_imm_u(element, 2);
        (self.emit.b.ins().iadd(operand.pointer, offset), operand.flags)
    }

    /// Opens a loop that goes on while each variable compares so with its number.
    fn open_while(&mut self, conditions: &[(IntCC, Variable, i64)]) -> While {
        let [head, body, exit] = [0; 3].map(|_| self.emit.b.create_block());
        self.emit.b.ins().jump(head, &[]);
        self.emit.b.switch_to_block(head);
        let holds = conditions.iter().map(|&(comparison, variable, number)| {
            let value = self.emit.b.use_var(variable);
            self.emit.b.ins().icmp_imm_s(comparison, value, number)
        });
        let holds: Vec<Value> = holds.collect();
        let all = holds.into_iter().reduce(|a, b| self.emit.b.ins().band(a, b));
        let all = all.expect("a loop has a condition");
        self.emit.b.ins().brif(all, body, &[], exit, &[]);
        self.emit.b.switch_to_block(body);
        While { head, exit }
    }

    fn close_while(&mut self, open: While) {
        self.emit.b.ins().jump(open.head, &[]);
        self.emit.b.switch_to_block(open.exit);
    }
}
