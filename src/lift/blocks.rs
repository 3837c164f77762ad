//! Blocks: what is there several times, up to whole numbers and shortcuts, is written once.
//!
//! The run of steps that saves most text becomes a block, until none saves enough. What stands in a block
//! counts once, so that blocks come to consist of blocks.

use std::collections::HashMap;

use super::labels;
use super::names::{Paths, Relative, Tokens};
use super::series::Line;
use super::step::{Call, Column, Form, Step, merged, shapes, size};

/// A block while its text is being found.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// What it does, for all of its applications.
    pub(super) steps: Vec<Step>,
}

/// The longest run that is looked for.
const STEPS_MAX: usize = 24;

/// So many candidates are looked at closely.
const CANDIDATES_MAX: usize = 200;

/// A block must save so many words.
const SAVED_MIN: isize = 4;

/// So many blocks may a net have.
const BLOCKS_MAX: usize = 24;

/// Where a run stands: the chain and its first step.
type Place = (usize, usize);

/// Turns what is there several times into blocks.
pub(super) fn find(lines: &mut [Line], paths: &Paths) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    while blocks.len() < BLOCKS_MAX {
        let Some((places, len)) = best(lines, &blocks, paths) else { break };
        let number = blocks.len();
        let all = chains(lines, &blocks);
        let runs = places.iter().map(|&(chain, at)| &all[chain][at..at + len]);
        let Some(steps) = merged(runs) else { break };
        let mut next = 0;
        let mut calls: Vec<(Place, Step)> = Vec::new();
        for &place in &places {
            let width = width(&all[place.0][place.1]);
            let instances = (next..next + width).map(Some).collect();
            next += width;
            calls.push((place, Step::Call(Call { block: number, instances, label: None })));
        }
        let mut chain = 0;
        for steps in lines.iter_mut().map(|it| &mut it.steps) {
            replace(steps, &mut chain, &calls, len);
        }
        for block in &mut blocks {
            replace(&mut block.steps, &mut chain, &calls, len);
        }
        blocks.push(Block { steps });
    }
    blocks
}

/// How many applications a step stands for.
pub(super) fn width(step: &Step) -> usize {
    match step {
        Step::Call(it) => it.instances.len(),
        Step::Layer(it) => it.nodes.len(),
        Step::Branch(it) => it.nodes.len(),
        Step::Repeat(all) => all[0].instances.len(),
        Step::Seq(..) => 1,
    }
}

/// Every chain, each before those in its branches.
fn chains<'a>(lines: &'a [Line], blocks: &'a [Block]) -> Vec<&'a [Step]> {
    fn collect<'a>(steps: &'a [Step], all: &mut Vec<&'a [Step]>) {
        all.push(steps);
        for step in steps {
            if let Step::Branch(branch) = step {
                branch.arms.iter().for_each(|it| collect(&it.steps, all));
            }
        }
    }
    let mut all = Vec::new();
    lines.iter().for_each(|it| collect(&it.steps, &mut all));
    blocks.iter().for_each(|it| collect(&it.steps, &mut all));
    all
}

/// Puts calls in the place of runs; walks in the order of [`chains`].
fn replace(steps: &mut Vec<Step>, chain: &mut usize, calls: &[(Place, Step)], len: usize) {
    let own = *chain;
    *chain += 1;
    let is_replaced = |at: usize| {
        calls.iter().any(|((chain, first), _)| *chain == own && (*first..first + len).contains(&at))
    };
    for (at, step) in steps.iter_mut().enumerate() {
        if let Step::Branch(branch) = step {
            for arm in &mut branch.arms {
                if is_replaced(at) {
                    *chain += count(&arm.steps);
                } else {
                    replace(&mut arm.steps, chain, calls, len);
                }
            }
        }
    }
    for ((_, at), call) in calls.iter().filter(|it| it.0.0 == own).rev() {
        steps.splice(at..&(at + len), [call.clone()]);
    }
}

/// How many chains a chain is with those in its branches.
fn count(steps: &[Step]) -> usize {
    let arms = |it: &Step| match it {
        Step::Branch(it) => it.arms.iter().map(|it| count(&it.steps)).sum(),
        _ => 0,
    };
    1 + steps.iter().map(arms).sum::<usize>()
}

/// The run that saves most as a block: its places and length.
fn best(lines: &[Line], blocks: &[Block], paths: &Paths) -> Option<(Vec<Place>, usize)> {
    let chains = chains(lines, blocks);
    let names = labels::of_blocks(blocks, paths);
    let mut found: HashMap<Vec<u64>, Vec<Place>> = HashMap::new();
    let all: usize = chains.iter().map(|it| it.len()).sum();
    let longest = if all > 4096 { 6 } else { STEPS_MAX };
    for (chain, steps) in chains.iter().enumerate() {
        let shapes = shapes(steps);
        for first in 0..steps.len() {
            for end in first + 1..=steps.len().min(first + longest) {
                if steps[end - 1].is_bound() {
                    break;
                }
                let places = found.entry(shapes[first..end].to_vec()).or_default();
                let free = places
                    .last()
                    .is_none_or(|&(other, at)| other != chain || at + (end - first) <= first);
                if free {
                    places.push((chain, first));
                }
            }
        }
    }
    let mut candidates: Vec<(usize, usize, Vec<Place>)> = found
        .into_iter()
        .filter(|(shapes, places)| {
            let (chain, first) = places[0];
            places.len() > 1 && is_unit(&chains[chain][first..first + shapes.len()], blocks)
        })
        .map(|(shapes, places)| {
            let (chain, first) = places[0];
            let run = &chains[chain][first..first + shapes.len()];
            (places.len() * size(run), shapes.len(), places)
        })
        .collect();
    candidates.sort_by(|a, b| (b.0, b.1, &a.2).cmp(&(a.0, a.1, &b.2)));
    candidates.truncate(CANDIDATES_MAX);
    let mut best: Option<(isize, Vec<Place>, usize)> = None;
    for (_, len, places) in candidates {
        for places in alike(places, len, &chains, paths, &names) {
            let runs: Vec<&[Step]> =
                places.iter().map(|&(chain, at)| &chains[chain][at..at + len]).collect();
            let Some(saved) = saved(&runs, paths, &names) else { continue };
            if saved >= SAVED_MIN && best.as_ref().is_none_or(|it| saved > it.0) {
                best = Some((saved, places, len));
            }
        }
    }
    best.map(|it| (it.1, it.2))
}

/// Takes the places of a run apart by what the model calls the layers there, relative to each.
fn alike(
    places: Vec<Place>,
    len: usize,
    chains: &[&[Step]],
    paths: &Paths,
    names: &[Relative],
) -> Vec<Vec<Place>> {
    let mut groups: Vec<(Vec<Tokens>, Vec<Place>)> = Vec::new();
    for place in places {
        let run = &chains[place.0][place.1..place.1 + len];
        // What a shortcut's layers are called says nothing of the others.
        let mut work = run.to_vec();
        work.iter_mut().for_each(Step::drop_shortcuts);
        let Some(pattern) = paths.pattern(&work, names) else { continue };
        match groups.iter_mut().find(|it| it.0 == pattern) {
            Some(group) => group.1.push(place),
            None => groups.push((pattern, vec![place])),
        }
    }
    groups.into_iter().map(|it| it.1).filter(|it| it.len() > 1).collect()
}

/// How many words a block of these runs saves; `None` if they make no block.
fn saved(runs: &[&[Step]], paths: &Paths, names: &[Relative]) -> Option<isize> {
    let all = merged(runs.iter().copied())?;
    if all.iter().map(Step::layers).sum::<usize>() < 2 || paths.pattern(&all, names).is_none() {
        return None;
    }
    let mut columns: Vec<Column<i64>> = Vec::new();
    varying(&all, &mut columns);
    let (text, params) = (size(&all) as isize, columns.len() as isize);
    let times = runs.len() as isize;
    Some(times * text - times * (1 + params) - (text + 3 + params))
}

/// What a block must not begin with: it belongs to what stands before.
const FOLLOWING: &[&str] = &[
    "relu",
    "relu6",
    "leaky",
    "prelu",
    "elu",
    "tanh",
    "sigmoid",
    "hardswish",
    "hardsigmoid",
    "silu",
    "gelu",
    "clip",
    "mish",
    "softmax",
    "dropout",
    "maxpool",
    "avgpool",
    "gap",
    "flatten",
];

/// Whether a run reads as a unit: it begins with what does the work, and it is no row of several cells, which
/// are better shown one by one.
fn is_unit(steps: &[Step], blocks: &[Block]) -> bool {
    let follows = |it: &Step| matches!(it, Step::Layer(it) if FOLLOWING.contains(&it.op));
    let is_cell = |it: &&Step| match it {
        Step::Branch(_) => true,
        Step::Call(it) => has_branch(&blocks[it.block].steps, blocks),
        _ => false,
    };
    let is_call = |it: &Step| matches!(it, Step::Call(_));
    let cells = steps.iter().filter(is_cell).count();
    !follows(&steps[0]) && cells < 2 && !(steps.len() > 1 && steps.iter().all(is_call))
}

fn has_branch(steps: &[Step], blocks: &[Block]) -> bool {
    steps.iter().any(|it| match it {
        Step::Branch(_) => true,
        Step::Call(it) => has_branch(&blocks[it.block].steps, blocks),
        _ => false,
    })
}

/// The different columns that are not the same in all applications, multiples of others left out.
fn varying(steps: &[Step], columns: &mut Vec<Column<i64>>) {
    fn form(it: &Form, columns: &mut Vec<Column<i64>>) {
        match it {
            Form::Whole(column) => {
                let known = super::step::same(column).is_some()
                    || column.iter().all(Option::is_none)
                    || columns.iter().any(|it| super::params::ratio(column, it).is_some());
                if !known {
                    columns.push(column.clone());
                }
            }
            Form::Fixed(_) => {}
            Form::List(items) | Form::Tuple(items) => items.iter().for_each(|it| form(it, columns)),
        }
    }
    for step in steps {
        match step {
            Step::Layer(it) => it.args.iter().for_each(|it| form(&it.1, columns)),
            Step::Branch(it) => it.arms.iter().for_each(|it| varying(&it.steps, columns)),
            Step::Call(_) | Step::Repeat(_) | Step::Seq(..) => {}
        }
    }
}
