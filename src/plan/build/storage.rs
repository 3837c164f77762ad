//! Which weights are stored as f16.

use std::collections::HashSet;

use super::super::{Options, Storage};
use super::{Builder, Recipe};
use crate::graph::ParamId;
use crate::shape::Shape;

/// The bytes of a parameter, if all weights with one tap are stored as the options say.
pub(super) fn bytes(shape: &Shape, options: &Options) -> usize {
    let has_one_tap = shape.rank() >= 2 && shape.spatial().iter().all(|&it| it == 1);
    let storage = if options.half_weights && has_one_tap { Storage::F16 } else { Storage::F32 };
    shape.elements() * storage.bytes()
}

impl Builder<'_> {
    /// Keeps weights as they are that anything reads but tiles that convert them: a net has one value of each.
    pub(super) fn settle_storage(&mut self) {
        let mut whole: HashSet<ParamId> = HashSet::new();
        let layers = || self.order.iter().filter_map(|&it| Some((it, self.graph.layer(it)?)));
        for (id, layer) in layers() {
            let is_half = matches!(&self.recipes[&id], Recipe::Tiles(all) if all.iter().all(|it| it.found.storage == Storage::F16));
            whole.extend(layer.params.iter().skip(usize::from(is_half)));
        }
        for (id, layer) in layers() {
            if let Some(Recipe::Tiles(all)) = self.recipes.get_mut(&id)
                && whole.contains(&layer.params[0])
            {
                all.iter_mut().for_each(|it| it.found.storage = Storage::F32);
            }
        }
    }
}
