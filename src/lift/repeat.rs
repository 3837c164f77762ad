//! Applications of a block in a row, and layers that are called by their positions.

use std::collections::HashMap;

use super::labels::call_path;
use super::names::{Paths, Relative, Tokens};
use super::params::Solved;
use super::series::Line;
use super::step::{Call, Column, Step};

/// Writes applications in a row that have the same arguments, but perhaps for the first, as `n * block`.
pub(super) fn fold(steps: &mut Vec<Step>, solved: &[Solved], names: &[Relative]) {
    let mut folded: Vec<Step> = Vec::with_capacity(steps.len());
    let mut run: Vec<Call> = Vec::new();
    for step in std::mem::take(steps) {
        if let Step::Call(call) = step {
            if run.last().is_some_and(|it| it.block != call.block) {
                group(std::mem::take(&mut run), solved, names, &mut folded);
            }
            run.push(call);
            continue;
        }
        group(std::mem::take(&mut run), solved, names, &mut folded);
        folded.push(match step {
            Step::Branch(mut branch) => {
                branch.arms.iter_mut().for_each(|it| fold(&mut it.steps, solved, names));
                Step::Branch(branch)
            }
            Step::Seq(label, mut steps) => {
                fold(&mut steps, solved, names);
                Step::Seq(label, steps)
            }
            other => other,
        });
    }
    group(run, solved, names, &mut folded);
    *steps = folded;
}

/// Takes a run of applications apart into repetitions.
fn group(run: Vec<Call>, solved: &[Solved], names: &[Relative], to: &mut Vec<Step>) {
    let args: Vec<Vec<Column<i64>>> = run.iter().map(|it| arguments(it, solved)).collect();
    let places: Vec<Option<Tokens>> =
        run.iter().map(|it| call_path(it, names).into_iter().next().flatten()).collect();
    let mut first = 0;
    while first < run.len() {
        let mut end = first + 1;
        while end < run.len()
            && (end == first + 1 || args[end] == args[first + 1])
            && are_copies(&places[first], &places[end])
        {
            end += 1;
        }
        let differ = args.get(first + 1).map_or(0, |it| unlike(&args[first], it));
        let same = args[first].len() - differ.min(args[first].len());
        // `first(a, b)` is worth its words if something else stays the same.
        if differ > 1 || differ == 1 && same == 0 {
            end = first + 1;
        }
        // What comes first with other arguments may be the end of another row.
        if differ == 1
            && end == first + 2
            && args.get(end).is_some_and(|it| unlike(&args[first + 1], it) == 0)
        {
            end = first + 1;
        }
        if end - first > 1 {
            to.push(Step::Repeat(run[first..end].to_vec()));
        } else {
            to.push(Step::Call(run[first].clone()));
        }
        first = end;
    }
}

/// The arguments of an application.
fn arguments(call: &Call, solved: &[Solved]) -> Vec<Column<i64>> {
    let column = |param: &super::params::Param| {
        call.instances.iter().map(|it| it.map(|it| param.column[it])).collect()
    };
    solved[call.block].params.iter().map(column).collect()
}

fn unlike(a: &[Column<i64>], b: &[Column<i64>]) -> usize {
    a.iter().zip(b).filter(|it| it.0 != it.1).count()
}

/// Whether the model calls two applications as if they were copies: under one name, or not at all.
fn are_copies(a: &Option<Tokens>, b: &Option<Tokens>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            a.len() > 1 && a.len() == b.len() && a[..a.len() - 1] == b[..b.len() - 1]
        }
        _ => false,
    }
}

/// Puts layers that the model calls `features.0`, `features.1` and so on into `features: seq { .. }`.
pub(super) fn seqs(lines: &mut [Line], paths: &Paths, names: &[Relative]) {
    let mut all: Vec<Tokens> = Vec::new();
    lines.iter().for_each(|it| every_path(&it.steps, paths, names, &mut all));
    let mut under: HashMap<String, usize> = HashMap::new();
    for first in all.iter().filter_map(|it| it.first()) {
        *under.entry(first.clone()).or_default() += 1;
    }
    lines.iter_mut().for_each(|it| seqs_of(&mut it.steps, &under, paths, names));
}

fn seqs_of(
    steps: &mut Vec<Step>,
    under: &HashMap<String, usize>,
    paths: &Paths,
    names: &[Relative],
) {
    let path = |step: &Step| -> Option<Tokens> {
        match step {
            Step::Layer(it) if it.shared.is_none() => Some(paths.raw(it.nodes[0]?).to_vec()),
            Step::Call(it) => call_path(it, names).into_iter().next().flatten(),
            _ => None,
        }
    };
    let block = |step: &Step| if let Step::Call(it) = step { Some(it.block) } else { None };
    let mut at = 0;
    while at < steps.len() {
        if let Step::Branch(branch) = &mut steps[at] {
            branch.arms.iter_mut().for_each(|it| seqs_of(&mut it.steps, under, paths, names));
        }
        let own = path(&steps[at]).and_then(|it| <[_; 2]>::try_from(it).ok());
        if let Some([label, _]) = own.filter(|it| it[1] == "0") {
            let is_next = |(offset, step): &(usize, &Step)| {
                path(step).is_some_and(|it| it == [label.clone(), offset.to_string()])
            };
            let run: Vec<&Step> =
                steps[at..].iter().enumerate().take_while(is_next).map(|it| it.1).collect();
            let copies = run.iter().all(|it| block(it).is_some() && block(it) == block(run[0]));
            let len = run.len();
            if len > 2 && under.get(&label) == Some(&len) && !copies {
                let inner: Vec<Step> = steps.drain(at..at + len).collect();
                steps.insert(at, Step::Seq(label, inner));
            }
        }
        at += 1;
    }
}

fn every_path(steps: &[Step], paths: &Paths, names: &[Relative], all: &mut Vec<Tokens>) {
    for step in steps {
        match step {
            Step::Layer(it) => all.extend(it.nodes[0].map(|it| paths.raw(it).to_vec())),
            Step::Branch(it) => {
                it.arms.iter().for_each(|it| every_path(&it.steps, paths, names, all));
            }
            Step::Call(it) => all.extend(call_path(it, names).into_iter().next().flatten()),
            Step::Repeat(_) | Step::Seq(..) => {}
        }
    }
}
