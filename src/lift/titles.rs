//! What blocks are called: as their applications are in the model, or after what they do.

use super::blocks::Block;
use super::labels::Taken;
use super::names::Relative;
use super::step::{Arm, Branch, Layer, Step};

/// A name for each block.
pub(super) fn titles(blocks: &[Block], names: &[Relative], taken: &mut Taken) -> Vec<String> {
    let mut titles = vec![String::new(); blocks.len()];
    for at in super::params::order(blocks) {
        let wish = stem(&names[at]).unwrap_or_else(|| kind(&blocks[at].steps, blocks).to_owned());
        let wish = wish.trim_end_matches(|it: char| it.is_ascii_digit() || it == '_');
        titles[at] = taken.free(if wish.is_empty() { "unit" } else { wish });
    }
    titles
}

/// What the names of all applications begin with: `fire` of `fire2` and `fire3`.
fn stem(names: &Relative) -> Option<String> {
    let stem = |tokens: &Vec<String>| {
        let is_word = |it: &&String| it.starts_with(|it: char| it.is_ascii_alphabetic());
        let last = tokens.iter().rev().find(is_word)?;
        let end = last.find(|it: char| it.is_ascii_digit()).unwrap_or(last.len());
        let stem = last[..end].trim_end_matches('_').to_ascii_lowercase();
        let says_something = stem.len() >= 3 && crate::ops::Op::find(&stem).is_none();
        (says_something && stem != "layer" && stem != "features").then_some(stem)
    };
    let mut all = names.prefixes.iter().map(|it| it.as_ref().and_then(stem));
    let first = all.next().flatten()?;
    all.all(|it| it.as_ref() == Some(&first)).then_some(first)
}

/// What a block is called in the field.
fn kind(steps: &[Step], blocks: &[Block]) -> &'static str {
    let branch = steps.iter().find_map(|it| match it {
        Step::Branch(it) => Some(it),
        _ => None,
    });
    match branch {
        Some(branch) => joined(branch),
        None => {
            let has_blocks = steps.iter().any(|it| matches!(it, Step::Call(_)));
            chained(&flat(steps, blocks), has_blocks)
        }
    }
}

fn joined(branch: &Branch) -> &'static str {
    let is_identity = |it: &Arm| it.steps.is_empty() || it.present.iter().any(|it| !it);
    let is_param = |it: &Arm| matches!(&it.steps[..], [Step::Layer(Layer { op: "param", .. })]);
    if branch.arms.iter().any(is_param) {
        return if branch.op == "mul" { "scale" } else { "shift" };
    }
    let has_identity = branch.arms.iter().any(is_identity);
    match branch.op {
        "add" => {
            let work = branch.arms.iter().max_by_key(|it| it.steps.len());
            match work.map(|it| kernels(&it.steps)).as_deref() {
                Some([1, wide, 1]) if *wide > 1 => "bottleneck",
                _ => "residual",
            }
        }
        "concat" if has_identity => "dense",
        "concat" if branch.arms.len() > 2 => "inception",
        "concat" => "fork",
        "mul" => "gate",
        _ => "unit",
    }
}

/// A chain with what its blocks do in their place.
fn flat(steps: &[Step], blocks: &[Block]) -> Vec<Step> {
    let inner = |step: &Step| match step {
        Step::Call(it) => flat(&blocks[it.block].steps, blocks),
        other => vec![other.clone()],
    };
    steps.iter().flat_map(inner).collect()
}

fn chained(steps: &[Step], has_blocks: bool) -> &'static str {
    let depthwise = steps.iter().position(is_depthwise);
    let convs = kernels(steps).len();
    match depthwise {
        Some(at) if convs > 2 && kernels(&steps[..at]).len() == 1 => "inverted",
        Some(_) if convs > 1 => "separable",
        _ if has_blocks => "cell",
        _ => "unit",
    }
}

fn is_depthwise(step: &Step) -> bool {
    let Step::Layer(Layer { op: "conv", args, .. }) = step else { return false };
    let find = |name: &str| args.iter().find(|it| it.0 == name).map(|it| &it.1);
    let groups = find("groups");
    groups.is_some_and(|it| it.constant() != Some(1)) && groups == find("channels")
}

/// The kernels of the convolutions in a chain; 0 for those that are not the same on all axes.
fn kernels(steps: &[Step]) -> Vec<i64> {
    let kernel = |it: &Step| match it {
        Step::Layer(Layer { op: "conv", args, .. }) => Some(
            args.iter().find(|it| it.0 == "kernel").and_then(|it| it.1.constant()).unwrap_or(0),
        ),
        _ => None,
    };
    steps.iter().filter_map(kernel).collect()
}
