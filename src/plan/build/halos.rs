//! What tiles read around their operands, and how far they reach.

use super::super::REACH_MAX;
use super::super::view::{BufferId, View};
use super::super::winograd::{self, Way};
use super::{Builder, Recipe, Tiled, is_picture};
use crate::graph::NodeId;

impl Builder<'_> {
    /// What the windows of tiles read around their operands.
    pub(super) fn find_halos(&mut self) {
        for &id in &self.order {
            let Recipe::Tiles(all) = &self.recipes[&id] else { continue };
            let operand = self.graph.node(id).operands()[0];
            let from = self.graph.node(operand).shape.spatial();
            let root = self.root(operand);
            let axes = self.graph.node(root).shape.spatial().len();
            let halo = self.halos.entry(root).or_insert_with(|| vec![(0, 0); axes]);
            for Tiled { found, way, .. } in all {
                let to = found.part(&self.graph.node(id).shape);
                let overhang = match way {
                    Way::Direct(_) => vec![0; found.windows.len()],
                    Way::Winograd(cut) => winograd::overhang(&to, cut.scheme.outputs),
                };
                for (axis, window) in found.windows.iter().enumerate() {
                    let start = found.parts.get(axis).map_or(0, |it| it.start);
                    let last = start
                        + (to.spatial()[axis] - 1) * window.stride
                        + window.reach()
                        + overhang[axis];
                    let before = window.before.saturating_sub(start);
                    let after = last.saturating_sub(window.before + from[axis]);
                    halo[axis] = (halo[axis].0.max(before), halo[axis].1.max(after));
                }
            }
        }
    }

    /// Tiles reach 2 GiB from where a row begins; a map whose image takes more is left to loops. Whether any was.
    pub(super) fn take_loops_for_far_tiles(&mut self) -> bool {
        let is_far = |&id: &NodeId| {
            let plain = match &self.recipes[&id] {
                Recipe::Tiles(all) => {
                    all.iter().all(|it| it.found.groups == 1 && matches!(it.way, Way::Direct(_)))
                }
                Recipe::Pool(_) => false,
                _ => return false,
            };
            let node = self.graph.node(id);
            let mut operands = node.operands().iter().enumerate();
            self.is_far(id, false) || operands.any(|(at, &it)| self.is_far(it, plain && at == 0))
        };
        let far: Vec<NodeId> = self.order.iter().copied().filter(is_far).collect();
        for &id in &far {
            let nest = self.nest(id, self.graph.layer(id).expect("only a layer has tiles"));
            self.recipes.insert(id, Recipe::Nest(nest));
        }
        if !far.is_empty() {
            self.halos.clear();
        }
        !far.is_empty()
    }

    /// Whether one image of a value, or a whole batch of vectors, takes more than a tile reaches. `plain` says that a
    /// caller's picture stays row-major.
    fn is_far(&self, id: NodeId, plain: bool) -> bool {
        let root = self.root(id);
        let shape = &self.graph.node(root).shape;
        if shape.rank() < 2 {
            return false;
        }
        let halo = self.halos.get(&root).cloned().unwrap_or_default();
        let picture = plain && matches!(self.recipes[&id], Recipe::Input) && is_picture(shape);
        let lay = if picture { View::plain } else { View::blocked };
        lay(BufferId(0), shape, &halo).0.reach() > REACH_MAX
    }
}
