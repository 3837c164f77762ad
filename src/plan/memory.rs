//! Where buffers lie in the arena: shared in time, never in conflict.
//!
//! Buffers with a halo share memory only with buffers of the same geometry, because a halo is zeroed once,
//! when the arena is made, and must stay zero. All others are placed greedily, largest first, at the lowest
//! offset that is free for as long as they live (Pisarchyk and Lee 2020, greedy by size).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The alignment of a buffer in the arena, in bytes: a cache line.
pub const ALIGNMENT: usize = 64;

/// A buffer that wants a place.
#[derive(Clone, Debug)]
pub struct Want {
    /// Its size in bytes.
    pub bytes: usize,
    /// The steps from its first write to its last use.
    pub live: RangeInclusive<usize>,
    /// What distinguishes its geometry if it has a halo, else `None`.
    pub geometry: Option<Geometry>,
}

/// Extents and halo of a buffer: equal for two buffers whose halos cover the same elements.
pub type Geometry = (Vec<usize>, Vec<(usize, usize)>, bool);

/// Offsets in bytes, one for each want, and the bytes of the arena.
pub fn place(wants: &[Want]) -> (Vec<usize>, usize) {
    let mut slots = share_by_geometry(wants);
    slots.sort_by_key(|it| (std::cmp::Reverse(it.bytes), *it.live.start(), it.wants.clone()));
    let mut placed: Vec<(usize, &Slot)> = Vec::new();
    let mut offsets = vec![0; wants.len()];
    let mut arena_bytes = 0;
    for slot in &slots {
        let offset = lowest_free(&placed, slot);
        for &want in &slot.wants {
            offsets[want] = offset;
        }
        arena_bytes = arena_bytes.max(offset + slot.bytes);
        placed.push((offset, slot));
        placed.sort_by_key(|it| it.0);
    }
    (offsets, arena_bytes)
}

/// Memory for one buffer, or for several of one geometry in turn.
struct Slot {
    wants: Vec<usize>,
    bytes: usize,
    live: RangeInclusive<usize>,
}

fn share_by_geometry(wants: &[Want]) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut classes: BTreeMap<&Geometry, Vec<usize>> = BTreeMap::new();
    for (i, want) in wants.iter().enumerate() {
        match &want.geometry {
            Some(geometry) => classes.entry(geometry).or_default().push(i),
            None => {
                slots.push(Slot { wants: vec![i], bytes: bytes(want), live: want.live.clone() })
            }
        }
    }
    for mut class in classes.into_values() {
        class.sort_by_key(|&it| *wants[it].live.start());
        let mut open: Vec<(usize, Slot)> = Vec::new();
        for i in class {
            let want = &wants[i];
            match open.iter_mut().find(|it| it.0 < *want.live.start()) {
                Some((until, slot)) => {
                    *until = *want.live.end();
                    slot.wants.push(i);
                }
                None => {
                    // The halo must stay zero from one run to the next: nobody else ever has this memory.
                    let slot = Slot { wants: vec![i], bytes: bytes(want), live: 0..=usize::MAX };
                    open.push((*want.live.end(), slot));
                }
            }
        }
        slots.extend(open.into_iter().map(|it| it.1));
    }
    slots
}

fn bytes(want: &Want) -> usize {
    want.bytes.next_multiple_of(ALIGNMENT)
}

/// `placed` is sorted by offset.
fn lowest_free(placed: &[(usize, &Slot)], slot: &Slot) -> usize {
    let mut offset = 0;
    for (start, other) in placed {
        let together =
            slot.live.start() <= other.live.end() && other.live.start() <= slot.live.end();
        if together {
            if offset + slot.bytes <= *start {
                return offset;
            }
            offset = offset.max(start + other.bytes);
        }
    }
    offset
}
