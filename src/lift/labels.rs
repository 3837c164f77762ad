//! Labels: the model's own names, where the text does not give them anyway.

use std::collections::{HashMap, HashSet};

use super::blocks::Block;
use super::names::{Paths, Relative, Tokens, is_kind, relative};
use super::series::Line;
use super::step::{Call, Column, Step};
use crate::graph::{Names, NodeId};
use crate::syntax::is_plain_name;

/// The longest name that is made, but for its number.
const NAME_MAX: usize = 32;

/// So often labels give way to one another, before all do.
const ROUNDS_MAX: usize = 16;

/// What is called something in a scope: its place among the children that have names, and what it is.
struct Child<'a> {
    label: &'a mut Option<String>,
    kind: String,
    wish: Option<String>,
    /// A longer wish, for when others wish the same.
    long: Option<String>,
}

/// Where names stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// In the net: as in the model, to the letter.
    Net,
    /// In a net whose blocks have other names anyway: without numbers that say nothing.
    Loose,
    /// In a block: as brief as it can be.
    Block,
}

/// What the applications of a block are called in the model, and its layers within them.
pub(super) fn of_block(
    steps: &[Step],
    width: usize,
    paths: &Paths,
    blocks: &[Relative],
) -> Relative {
    let named: Vec<Column<Tokens>> = elements(steps, paths, blocks).into_iter().flatten().collect();
    relative(&named, width)
        .filter(|_| !named.is_empty())
        .unwrap_or_else(|| Relative { prefixes: vec![None; width], names: Vec::new() })
}

/// What the applications of all blocks are called.
pub(super) fn of_blocks(blocks: &[Block], paths: &Paths) -> Vec<Relative> {
    let mut all = vec![Relative::default(); blocks.len()];
    for at in super::params::order(blocks) {
        let steps = &blocks[at].steps;
        all[at] = of_block(steps, super::blocks::width(&steps[0]), paths, &all);
    }
    all
}

/// The paths of what has a name in a chain, in the order of the text; `None` for what has none.
pub(super) fn elements(
    steps: &[Step],
    paths: &Paths,
    blocks: &[Relative],
) -> Vec<Option<Column<Tokens>>> {
    fn walk(
        steps: &[Step],
        paths: &Paths,
        blocks: &[Relative],
        all: &mut Vec<Option<Column<Tokens>>>,
    ) {
        for step in steps {
            match step {
                Step::Layer(it) => {
                    let path = |it: &Option<NodeId>| paths.get((*it)?).cloned();
                    all.push(any(it.nodes.iter().map(path).collect()));
                }
                Step::Branch(it) => {
                    it.arms.iter().for_each(|it| walk(&it.steps, paths, blocks, all));
                }
                Step::Call(it) => all.push(any(call_path(it, blocks))),
                Step::Repeat(calls) => all.push(any(parents(calls, blocks))),
                Step::Seq(..) => {}
            }
        }
    }
    let mut all = Vec::new();
    walk(steps, paths, blocks, &mut all);
    all
}

fn any(column: Column<Tokens>) -> Option<Column<Tokens>> {
    column.iter().any(Option::is_some).then_some(column)
}

/// What an application is called in each application of the text around it.
pub(super) fn call_path(call: &Call, blocks: &[Relative]) -> Column<Tokens> {
    let path = |it: &Option<usize>| blocks[call.block].prefixes.get((*it)?)?.clone();
    call.instances.iter().map(path).collect()
}

/// What applications in a row are called together, if they are counted from the first one on.
fn parents(calls: &[Call], blocks: &[Relative]) -> Column<Tokens> {
    let first = |tokens: Tokens| {
        let (last, before) = tokens.split_last()?;
        let stem = last.trim_end_matches(|it: char| it.is_ascii_digit());
        let count = &last[stem.len()..];
        let is_first = count == "0" || !stem.is_empty() && count == "1";
        (is_first && !before.is_empty()).then(|| before.to_vec())
    };
    call_path(&calls[0], blocks).into_iter().map(|it| it.and_then(first)).collect()
}

/// Gives labels to the layers of blocks and of the net.
pub(super) fn give(
    lines: &mut [Line],
    blocks: &mut [Block],
    names: &[String],
    paths: &Paths,
    relative: &[Relative],
    taken: &HashSet<String>,
) {
    for (block, own) in blocks.iter_mut().zip(relative) {
        let elements = elements(&block.steps, paths, relative);
        let mut next = own.names.iter();
        let wishes = elements.iter().map(|it| it.as_ref().and_then(|_| next.next().cloned()));
        let wishes: Vec<Option<Tokens>> = wishes.collect();
        let mut children = Vec::new();
        collect(&mut block.steps, names, &mut wishes.into_iter(), Scope::Block, &mut children);
        settle(&mut children, &HashSet::new());
    }
    let recounted = lines.iter().flat_map(|it| &it.steps).any(|it| is_recounted(it, relative));
    let is_exact = !recounted && is_exact(blocks, relative, paths);
    let scope = if is_exact { Scope::Net } else { Scope::Loose };
    let mut children = Vec::new();
    for line in lines {
        let elements = elements(&line.steps, paths, relative);
        let wishes =
            elements.into_iter().map(|it| it.and_then(|it| it.into_iter().next().flatten()));
        let wishes: Vec<Option<Tokens>> = wishes.collect();
        collect(&mut line.steps, names, &mut wishes.into_iter(), scope, &mut children);
    }
    settle(&mut children, taken);
}

fn collect<'a>(
    steps: &'a mut [Step],
    names: &[String],
    wishes: &mut impl Iterator<Item = Option<Tokens>>,
    scope: Scope,
    children: &mut Vec<Child<'a>>,
) {
    for step in steps {
        match step {
            Step::Layer(it) => {
                let (wish, long) = written(wishes.next().flatten(), scope);
                if it.shared.is_none() {
                    children.push(Child {
                        label: &mut it.label,
                        kind: it.op.to_owned(),
                        wish,
                        long,
                    });
                }
            }
            Step::Branch(it) => {
                for arm in &mut it.arms {
                    collect(&mut arm.steps, names, wishes, scope, children);
                }
                let kind = it.op.to_owned();
                children.push(Child { label: &mut it.label, kind, wish: None, long: None });
            }
            Step::Call(it) => {
                let (wish, long) = written(wishes.next().flatten(), scope);
                let kind = names[it.block].clone();
                children.push(Child { label: &mut it.label, kind, wish, long });
            }
            Step::Repeat(calls) => {
                let (wish, long) = written(wishes.next().flatten(), scope);
                let kind = names[calls[0].block].clone();
                children.push(Child { label: &mut calls[0].label, kind, wish, long });
            }
            Step::Seq(..) => {}
        }
    }
}

/// A label of these components, and a longer one.
fn written(tokens: Option<Tokens>, scope: Scope) -> (Option<String>, Option<String>) {
    let Some(tokens) = tokens else { return (None, None) };
    if scope == Scope::Net {
        return (Some(tokens.join(".")), None);
    }
    let is_number = |it: &String| it.bytes().all(|it| it.is_ascii_digit());
    let mut long = tokens.as_slice();
    while let [before @ .., last] = long
        && !before.is_empty()
        && is_kind(last)
    {
        long = before;
    }
    let mut short = long;
    while let [before @ .., last] = short
        && (is_number(last) || !before.is_empty() && is_kind(last))
    {
        short = before;
    }
    let is_counted = short.len() < long.len() && short.len() == 1 && is_kind(&short[0]);
    if short.is_empty() || is_counted {
        return (None, None);
    }
    match scope {
        Scope::Loose => (short.last().cloned(), None),
        _ => (Some(short.join("_")), Some(long.join("_"))),
    }
}

/// Whether copies are counted in another way than in the model.
fn is_recounted(step: &Step, names: &[Relative]) -> bool {
    let Step::Repeat(calls) = step else { return false };
    let path = call_path(&calls[0], names).into_iter().next().flatten();
    path.is_some_and(|it| it.last().is_none_or(|it| it != "0"))
}

/// Whether blocks keep the model's names to the letter.
fn is_exact(blocks: &[Block], names: &[Relative], paths: &Paths) -> bool {
    blocks.iter().zip(names).all(|(block, own)| {
        let all = elements(&block.steps, paths, names);
        own.names.len() == all.iter().flatten().count()
            && own
                .names
                .iter()
                .all(|it| it.len() == 1 && written(Some(it.clone()), Scope::Block).0.is_some())
    })
}

/// Labels where what is wished for is not what comes of itself, as far as nothing is called the same.
fn settle(children: &mut [Child<'_>], taken: &HashSet<String>) {
    lengthen(children);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let wished: Vec<&str> = children.iter().filter_map(|it| it.wish.as_deref()).collect();
    for it in &wished {
        *counts.entry(it).or_default() += 1;
    }
    // Names that several have say nothing.
    let many: HashSet<String> =
        counts.iter().filter(|it| *it.1 > 1).map(|it| (*it.0).to_owned()).collect();
    for child in children.iter_mut() {
        let fits = |it: &String| {
            !many.contains(it)
                && !taken.contains(it)
                && !matches!(it.as_str(), "c" | "d" | "h" | "w" | "l")
                && it.len() <= 100
        };
        child.wish = child.wish.take().filter(fits);
    }
    for round in 0.. {
        let clashes = clashes(children);
        if clashes.is_empty() {
            break;
        }
        if round == ROUNDS_MAX {
            children.iter_mut().for_each(|it| it.wish = None);
        }
        for at in clashes {
            // What comes of itself is left for a name with a mark that no other has.
            if children[at].wish.take().is_none() || round > ROUNDS_MAX {
                children[at].wish = Some(format!("{}_{}", children[at].kind, at + 1));
            }
        }
        if round > 2 * ROUNDS_MAX {
            break;
        }
    }
    let autos = automatic(children);
    for (child, own) in children.iter_mut().zip(autos) {
        *child.label = child.wish.take().filter(|it| *it != own);
    }
}

/// Lets children that wish the same wish for more.
fn lengthen(children: &mut [Child<'_>]) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for wish in children.iter().filter_map(|it| it.wish.as_ref()) {
        *counts.entry(wish.clone()).or_default() += 1;
    }
    for child in children {
        let is_shared = child.wish.as_ref().is_some_and(|it| counts[it] > 1);
        if is_shared && child.long.is_some() {
            child.wish = child.long.take();
        }
    }
}

/// What children would be called without labels.
fn automatic(children: &[Child<'_>]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    children
        .iter()
        .map(|it| {
            let count = counts.entry(it.kind.as_str()).or_default();
            *count += 1;
            format!("{}{count}", it.kind)
        })
        .collect()
}

/// Children whose names others have as well; of two, the one whose name matters less.
fn clashes(children: &[Child<'_>]) -> Vec<usize> {
    let autos = automatic(children);
    let mut owner: HashMap<&str, usize> = HashMap::new();
    let mut clashes = Vec::new();
    for (at, child) in children.iter().enumerate() {
        let name = child.wish.as_deref().unwrap_or(&autos[at]);
        match owner.get(name) {
            None => {
                owner.insert(name, at);
            }
            // The label gives way to the name that comes of itself.
            Some(&other) if child.wish.is_none() && children[other].wish.is_some() => {
                clashes.push(other);
            }
            Some(_) => clashes.push(at),
        }
    }
    clashes
}

/// Names that are given already.
#[derive(Debug, Default)]
pub(super) struct Taken(Names);

impl Taken {
    /// Keeps names from being given.
    pub(super) fn extend(&mut self, names: impl IntoIterator<Item = String>) {
        names.into_iter().for_each(|it| self.0.take(it));
    }

    /// Lets a name be given after all.
    pub(super) fn release(&mut self, name: &str) {
        self.0.release(name);
    }

    /// A name for a value or block: a plain one near a wish that nothing else has.
    pub(super) fn free(&mut self, wish: &str) -> String {
        let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
        let mut base: String = wish.chars().map(plain).take(NAME_MAX).collect();
        base = base.trim_matches('_').to_owned();
        if !base.starts_with(|it: char| it.is_ascii_alphabetic()) {
            base.insert(0, 'v');
        }
        let reserved = ["first", "min", "max", "floor", "c", "d", "h", "w", "l", "N"];
        self.0.free_if(&base, |it| {
            is_plain_name(it) && crate::ops::Op::find(it).is_none() && !reserved.contains(&it)
        })
    }
}
