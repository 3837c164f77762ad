//! Where the buffers of a finished list of steps lie.

use std::collections::HashMap;

use super::super::memory;
use super::super::view::{BufferId, Home, View};
use super::Builder;

impl Builder<'_> {
    /// Gives each buffer of the arena its offset, from the steps that touch it.
    pub(super) fn place_buffers(&mut self) {
        let mut live: Vec<Option<(usize, usize)>> = vec![None; self.plan.buffers.len()];
        let mut halos: HashMap<BufferId, &View> = HashMap::new();
        for (at, step) in self.plan.steps.iter().enumerate() {
            for view in step.inputs.iter().chain(&step.temps).chain([&step.output]) {
                let (first, last) = live[view.buffer.0].unwrap_or((at, at));
                live[view.buffer.0] = Some((first.min(at), last.max(at)));
                if !view.halo.is_empty() {
                    halos.insert(view.buffer, view);
                }
            }
        }
        let arena: Vec<usize> = (0..live.len())
            .filter(|&it| matches!(self.plan.buffers[it].home, Home::Arena(_)))
            .collect();
        let wants: Vec<_> = arena
            .iter()
            .map(|&it| {
                let (first, last) = live[it].unwrap_or((0, 0));
                let elements = self.plan.buffers[it].elements;
                memory::Want {
                    bytes: elements * size_of::<f32>(),
                    live: if self.options.keep_all { 0..=usize::MAX } else { first..=last },
                    geometry: halos.get(&BufferId(it)).map(|view| geometry(view, elements)),
                }
            })
            .collect();
        let (offsets, bytes) = memory::place(&wants);
        for (&buffer, offset) in arena.iter().zip(offsets) {
            self.plan.buffers[buffer].home = Home::Arena(offset);
        }
        self.plan.arena_bytes = bytes;
    }
}

/// What two buffers must have in common to keep each other's halo: pitches, halo and size.
fn geometry(view: &View, elements: usize) -> memory::Geometry {
    let mut extents = view.strides.clone();
    extents.extend(view.shape.spatial());
    extents.push(elements);
    (extents, view.halo.clone(), view.blocked)
}
