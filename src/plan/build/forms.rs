//! What stages and epilogues look like to the planner.

use super::super::view::View;
use super::super::{LANES, Post, select};
use crate::graph::Epilogue;
use crate::nest::{self, Affine, Expr, Index, Nest, Stage};

/// A stage that writes whole blocks of channels from some block on, as a stage that writes all of a slice.
pub(super) fn slice(stage: &Stage, output: View) -> (Stage, View) {
    let Some(from) = stage.at.get(1).and_then(|it| usize::try_from(it.constant).ok()) else {
        return (stage.clone(), output);
    };
    let whole = stage.at[1].terms == [(1, 1)] && output.blocked && from.is_multiple_of(LANES);
    if !whole || stage.extents[1] == output.shape.channels() {
        return (stage.clone(), output);
    }
    let mut slice = stage.clone();
    slice.at[1].constant = 0;
    (slice, output.channels(from, stage.extents[1]))
}

/// The first channel of each operand if a nest writes its operands one after another along the channels.
pub(super) fn concatenation(nest: &Nest) -> Option<Vec<usize>> {
    let offset = |(i, stage): (usize, &Stage)| {
        let Expr::Load(nest::Buffer::Input(operand), at) = &stage.value else { return None };
        let identity =
            at.iter().enumerate().all(|(axis, it)| *it == Index::Affine(Affine::axis(axis)));
        let [batch, channel, space @ ..] = stage.at.as_slice() else { return None };
        let in_place = *batch == Affine::axis(0)
            && channel.terms == [(1, 1)]
            && space.iter().enumerate().all(|(axis, it)| *it == Affine::axis(axis + 2));
        let offset = usize::try_from(channel.constant).ok()?;
        (stage.target == nest::Buffer::Output && *operand == i && identity && in_place)
            .then_some(offset)
    };
    (nest.stages.len() >= 2).then_some(())?;
    nest.stages.iter().enumerate().map(offset).collect()
}

/// The steps that a tile does before its store, and those that must follow.
pub(super) fn split_epilogue(steps: &[Epilogue]) -> (Vec<Post>, &[Epilogue]) {
    let mut added = None;
    let known = steps.iter().map_while(|it| match it {
        // A tile adds one operand.
        Epilogue::Add(at) => (*added.get_or_insert(*at) == *at).then_some(Post::Add(*at)),
        Epilogue::Map(op) => select::post(op),
    });
    let posts: Vec<_> = known.collect();
    let rest = &steps[posts.len()..];
    (posts, rest)
}
