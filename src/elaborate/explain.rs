//! What is said about shapes that do not fit: the way that led there, and one action to take.

use std::collections::HashSet;

use super::apply::Call;
use super::draft::{Draft, Id, Lines, trace, trace_after};
use crate::diag::{Diagnostic, Span};
use crate::ops::{Op, Violation};
use crate::shape::Shape;

/// The net so far, to explain a mistake in it.
pub(super) struct Explain<'a> {
    pub(super) draft: &'a Draft,
    pub(super) lines: &'a Lines,
}

impl Explain<'_> {
    /// A layer that does not take the shapes of its operands.
    pub(super) fn violation(
        &self,
        op: &Op,
        violation: Violation,
        operands: &[Id],
        call: &Call,
    ) -> Diagnostic {
        let mut diagnostic = Diagnostic::error("shape", call.span, violation.message);
        diagnostic.help = violation.help;
        diagnostic = match operands {
            [only] => self.alone(diagnostic, op, *only, call.span),
            _ => self.joined(diagnostic, operands, call),
        };
        let name = call.entry.name;
        diagnostic.note(format!("this breaks {} of `{name}`", violation.constraint))
    }

    fn alone(&self, diagnostic: Diagnostic, op: &Op, operand: Id, span: Span) -> Diagnostic {
        let mut diagnostic = diagnostic.note(self.trace(operand, span));
        if let Some((input, extents)) = self.smallest_input(op, operand) {
            let axes = extents.iter().map(ToString::to_string).collect::<Vec<_>>().join("x");
            let advice = "pad more or take a smaller kernel";
            diagnostic.help =
                Some(format!("the smallest `{input}` that works is {axes}; {advice}"));
        }
        diagnostic
    }

    fn joined(&self, mut diagnostic: Diagnostic, operands: &[Id], call: &Call) -> Diagnostic {
        let span = call.span;
        let word = if call.arms { "arm" } else { "operand" };
        let fork = self.fork(operands);
        for (i, &it) in operands.iter().take(OPERANDS_MAX).enumerate() {
            let which = format!("{word} {}", i + 1);
            diagnostic = if Some(it) == fork {
                let path = &self.draft.node(it).path;
                diagnostic.note(format!("{which}: {} as `{path}` left it", self.draft.shape(it)))
            } else {
                let steps = trace_after(self.draft, self.lines, it, fork, span);
                diagnostic.note(format!("{which}:\n{}", indent(&steps)))
            };
        }
        if operands.len() > OPERANDS_MAX {
            diagnostic =
                diagnostic.note(format!("and {} {word}s more", operands.len() - OPERANDS_MAX));
        }
        if let Some(fork) = fork.filter(|it| !operands.contains(it)) {
            let made = self.draft.node(fork);
            diagnostic = diagnostic.note(format!("all start from `{}` {}", made.path, made.shape));
        }
        let advice = match call.entry.name {
            "concat" => self.resized(operands, fork, word),
            // Their operands are not meant to be alike.
            "matmul" | "nms" => None,
            _ if !self.clash(operands) => None,
            _ => {
                self.projection(operands, fork, word).or_else(|| self.resized(operands, fork, word))
            }
        };
        if let Some(advice) = advice {
            diagnostic.help = Some(advice);
        }
        diagnostic
    }

    /// The way to a value, one line a step.
    pub(super) fn trace(&self, id: Id, span: Span) -> String {
        trace(self.draft, self.lines, id, span)
    }

    /// The values from an input to this one, along first operands.
    fn chain(&self, id: Id) -> Vec<Id> {
        let mut chain = vec![id];
        while let Some(&before) = self.draft.node(chain[chain.len() - 1]).operands.first() {
            chain.push(before);
        }
        chain.reverse();
        chain
    }

    /// The last value that all of these come from.
    fn fork(&self, ids: &[Id]) -> Option<Id> {
        let (first, others) = ids.split_first().filter(|_| ids.len() <= OPERANDS_MAX)?;
        let others: Vec<HashSet<Id>> =
            others.iter().map(|&it| self.chain(it).into_iter().collect()).collect();
        let shared = |it: &Id| others.iter().all(|other| other.contains(it));
        self.chain(*first).into_iter().rev().find(shared)
    }

    /// Whether two operands of one rank have other extents on an axis, none of them 1.
    fn clash(&self, operands: &[Id]) -> bool {
        let unlike = |a: Id, b: Id| {
            let (a, b) = (self.draft.shape(a).dims(), self.draft.shape(b).dims());
            a.len() == b.len() && a.iter().zip(b).any(|(a, b)| a != b && *a != 1 && *b != 1)
        };
        let few = &operands[..operands.len().min(OPERANDS_MAX)];
        few.iter().any(|&a| few.iter().any(|&b| unlike(a, b)))
    }

    /// Which operand has other rows than most, and the layer that made them so.
    fn resized(&self, operands: &[Id], fork: Option<Id>, word: &str) -> Option<String> {
        let spatial = |id: Id| self.draft.shape(id).spatial();
        let (&first, others) = operands.split_first()?;
        if operands.len() > OPERANDS_MAX || others.iter().all(|&it| spatial(it) == spatial(first)) {
            return None;
        }
        let counts = |id: Id| operands.iter().filter(|&&it| spatial(it) == spatial(id)).count();
        let usual = *operands.iter().max_by_key(|&&it| counts(it))?;
        let undecided = operands.iter().all(|&it| counts(it) == counts(usual));
        if undecided
            && fork.is_none_or(|fork| operands.iter().all(|&it| spatial(it) != spatial(fork)))
        {
            return self.all_resized(operands, word);
        }
        let want = match fork {
            Some(fork) if undecided => spatial(fork),
            _ => spatial(usual),
        };
        let (odd, &id) = operands.iter().enumerate().find(|(_, it)| spatial(**it) != want)?;
        let chain = self.chain(id);
        let step = chain.windows(2).rev().find(|pair| spatial(pair[0]) != spatial(pair[1]))?;
        let made = self.draft.node(step[1]);
        let (from, to) = (self.draft.shape(step[0]), self.draft.shape(step[1]));
        let mut text = format!(
            "{word} {} got its size from `{}`, {from} -> {to}; all must be {want:?}",
            odd + 1,
            made.path
        );
        let window = made.op.as_ref().and_then(|it| it.windows(from).first().copied());
        if window.is_some_and(|it| it.kernel % 2 == 1) && from.spatial() == want {
            text.push_str(": `stride=1, pad=half` keeps the size");
        }
        Some(text)
    }

    /// The layer that gave each operand its size, where none is more at fault than another.
    fn all_resized(&self, operands: &[Id], word: &str) -> Option<String> {
        let &[a, b] = operands else { return None };
        let size = |id: Id| {
            let chain = self.chain(id);
            let spatial = |id: Id| self.draft.shape(id).spatial();
            let step = chain.windows(2).rev().find(|pair| spatial(pair[0]) != spatial(pair[1]))?;
            let (from, made) = (self.draft.shape(step[0]), self.draft.node(step[1]));
            Some(format!("`{}`, {from} -> {}", made.path, made.shape))
        };
        let (a, b) = (size(a)?, size(b)?);
        Some(format!("{word} 1 got its size from {a}; {word} 2 from {b}; make both alike"))
    }

    /// The line that makes the shorter of two arms fit the other.
    fn projection(&self, operands: &[Id], fork: Option<Id>, word: &str) -> Option<String> {
        let &[a, b] = operands else { return None };
        let length =
            |id: Id| self.chain(id).into_iter().rev().take_while(|&it| Some(it) != fork).count();
        let (at, short, long) = if length(b) <= length(a) { (1, b, a) } else { (0, a, b) };
        let (from, to) = (self.draft.shape(short), self.draft.shape(long));
        if from.rank() != to.rank() || from.rank() < 3 {
            return None;
        }
        let extents = || from.spatial().iter().zip(to.spatial());
        let largest = *from.spatial().iter().max()?;
        let stride = (1..=largest).find(|&it| extents().all(|(&n, &m)| n.div_ceil(it) == m))?;
        let channels = to.channels();
        let layer = match stride {
            1 => format!("conv({channels}, 1)"),
            _ => format!("conv({channels}, 1, {stride})"),
        };
        let place = match (Some(short) == fork, word) {
            (true, "arm") => "in the empty arm",
            (true, _) => "on the way to it",
            (false, _) => "at its end",
        };
        Some(format!("a projection makes {word} {} {to}: `{layer}` {place}", at + 1))
    }

    /// The input's name and the least extents with which a window that found no place has one.
    fn smallest_input(&self, op: &Op, operand: Id) -> Option<(String, Vec<usize>)> {
        let shape = self.draft.shape(operand);
        let windows = op.windows(shape);
        let fits = |(it, &extent): (&crate::shape::Window, &usize)| it.places(extent) > 0;
        if windows.is_empty() || windows.iter().zip(shape.spatial()).all(fits) {
            return None;
        }
        let chain = self.chain(operand);
        let mut need = vec![1; shape.spatial().len()];
        back(op, shape, &mut need)?;
        for pair in chain.windows(2).rev() {
            let (before, made) = (self.draft.shape(pair[0]), self.draft.node(pair[1]));
            if !back(made.op.as_ref()?, before, &mut need)
                .is_some_and(|same| same || before.spatial() == made.shape.spatial())
            {
                return None;
            }
        }
        let input = self.draft.node(*chain.first()?);
        (input.shape.spatial().len() == need.len()).then(|| (input.path.clone(), need))
    }

    /// The layer that last changed an axis (counted without the batch) of a value: its path, and
    /// the shapes before and after. `None` if the axis is as the input had it.
    fn origin(&self, id: Id, axis: usize) -> Option<(&str, &Shape, &Shape, Span)> {
        let extent = |id: Id| {
            let sample = self.draft.shape(id).sample();
            (sample.get(axis).copied(), sample.len())
        };
        let chain = self.chain(id);
        let step = chain.windows(2).rev().find(|pair| extent(pair[0]) != extent(pair[1]))?;
        let made = self.draft.node(step[1]);
        Some((&made.path, self.draft.shape(step[0]), &made.shape, made.span))
    }

    /// For each axis that is not as noted, the layer that made it so.
    pub(super) fn departures(&self, id: Id, noted: &[Option<i64>], from: Span) -> Vec<String> {
        let sample = self.draft.shape(id).sample();
        let unlike = |axis: &usize| {
            noted[*axis].is_some_and(|it| usize::try_from(it).ok() != Some(sample[*axis]))
        };
        let mut reasons = Vec::new();
        for axis in (0..sample.len()).filter(unlike) {
            let reason = match self.origin(id, axis) {
                Some((path, before, after, span)) => {
                    let line = self.lines.name(span, from);
                    format!("`{path}` ({line}) made it so: {before} -> {after}")
                }
                None => "the input has it so".to_owned(),
            };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        reasons
    }
}

/// So many operands are compared and shown.
const OPERANDS_MAX: usize = 12;

/// The extents that a layer needs for so many places; `Some(false)` if it has no windows.
fn back(op: &Op, input: &Shape, need: &mut [usize]) -> Option<bool> {
    let windows = op.windows(input);
    if windows.is_empty() {
        return Some(false);
    }
    for (need, it) in need.iter_mut().zip(&windows) {
        let covered = (*need - 1).checked_mul(it.stride)?.checked_add(it.reach())?;
        *need = covered.saturating_sub(it.before + it.after).max(1);
    }
    Some(true)
}

fn indent(text: &str) -> String {
    text.lines().map(|it| format!("  {it}")).collect::<Vec<_>>().join("\n")
}
