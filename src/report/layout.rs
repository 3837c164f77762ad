//! Places the boxes of a graph without cycles in ranks, top to bottom, and routes the edges between them.
//!
//! Sugiyama's method in its plain form: ranks by the longest path, a way point in every rank that an edge
//! passes, orders by barycentres, then places on the x axis. A rank's places are the least-squares answer
//! to what its neighbours want, found exactly by pooling neighbours that violate their distance.

use crate::tensor::{max, min};

/// A box to place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point of the picture, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything goes; the upper left corner is (0, 0).
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The middle of each box's upper side.
    pub(super) tops: Vec<Point>,
    /// For each edge the way points between its boxes: straight down from each first to each second.
    pub(super) ways: Vec<Vec<(Point, Point)>>,
    pub(super) size: Size,
}

/// The distance between boxes of a rank.
const GAP: f64 = 26.0;

/// The distance between ranks.
const RANK_GAP: f64 = 34.0;

/// The width that an edge takes where it passes a rank.
const LANE: f64 = 10.0;

/// The most way points in a picture; an edge beyond goes straight.
const WAY_POINTS_MAX: usize = 200_000;

/// Something that has a place in a rank.
struct Item {
    rank: usize,
    size: Size,
    x: f64,
    /// Neighbours in the rank above and the rank below, with the weight of the edge between.
    above: Vec<(usize, f64)>,
    below: Vec<(usize, f64)>,
}

/// Places boxes; every edge leads from a box to a later one.
pub(super) fn place(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let (mut items, chains) = items(sizes, edges);
    let mut ranks = vec![Vec::new(); items.iter().map(|it| it.rank + 1).max().unwrap_or(0)];
    for (at, item) in items.iter().enumerate() {
        ranks[item.rank].push(at);
    }
    order(&items, &mut ranks);
    spread(&mut items, &ranks);
    let left = items.iter().map(|it| it.x - it.size.width / 2.0).fold(f64::INFINITY, min);
    for item in &mut items {
        item.x -= left;
    }
    let right = items.iter().map(|it| it.x + it.size.width / 2.0).fold(0.0, max);
    let mut y = 0.0;
    let mut tops = Vec::with_capacity(ranks.len());
    let mut heights = Vec::with_capacity(ranks.len());
    for rank in &ranks {
        let height = rank.iter().map(|&it| items[it].size.height).fold(0.0, max);
        tops.push(y);
        heights.push(height);
        y += height + RANK_GAP;
    }
    let middle = |it: usize| {
        let rank = items[it].rank;
        Point { x: items[it].x, y: tops[rank] + (heights[rank] - items[it].size.height) / 2.0 }
    };
    let lane = |&it: &usize| {
        let Item { rank, x, .. } = items[it];
        (Point { x, y: tops[rank] }, Point { x, y: tops[rank] + heights[rank] })
    };
    Layout {
        tops: (0..sizes.len()).map(middle).collect(),
        ways: chains.iter().map(|chain| chain.iter().map(lane).collect()).collect(),
        size: Size { width: right, height: max(y - RANK_GAP, 0.0) },
    }
}

/// The boxes and the way points in their ranks, and the way points of each edge.
fn items(sizes: &[Size], edges: &[(usize, usize)]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let mut rank = vec![0; sizes.len()];
    let mut sorted = edges.to_vec();
    sorted.sort_unstable();
    for &(from, to) in &sorted {
        rank[to] = rank[to].max(rank[from] + 1);
    }
    let new = |rank, size| Item { rank, size, x: 0.0, above: Vec::new(), below: Vec::new() };
    let mut items: Vec<Item> = sizes.iter().zip(&rank).map(|(&size, &it)| new(it, size)).collect();
    let mut chains = Vec::with_capacity(edges.len());
    for &(from, to) in edges {
        let passed = rank[from] + 1..rank[to];
        let mut chain = Vec::new();
        if items.len() + passed.len() <= sizes.len() + WAY_POINTS_MAX {
            for rank in passed {
                chain.push(items.len());
                items.push(new(rank, Size { width: LANE, height: 0.0 }));
            }
            let stops: Vec<_> =
                [from].into_iter().chain(chain.iter().copied()).chain([to]).collect();
            for pair in stops.windows(2) {
                let lanes = pair.iter().filter(|&&it| it >= sizes.len()).count();
                let weight = [1.0, 2.0, 8.0][lanes];
                items[pair[0]].below.push((pair[1], weight));
                items[pair[1]].above.push((pair[0], weight));
            }
        }
        chains.push(chain);
    }
    (items, chains)
}

/// Orders each rank by the mean position of its neighbours, down and up, keeping the order with the
/// fewest crossings.
fn order(items: &[Item], ranks: &mut Vec<Vec<usize>>) {
    let mut best = (crossings(items, ranks), ranks.clone());
    let mut at = vec![0.0; items.len()];
    for sweep in 0..8 {
        for rank in &*ranks {
            number(rank, &mut at);
        }
        let count = ranks.len();
        for step in 0..count {
            let down = sweep % 2 == 0;
            let rank = if down { &mut ranks[step] } else { &mut ranks[count - 1 - step] };
            let mean = |it: usize| {
                let near = if down { &items[it].above } else { &items[it].below };
                match near.len() {
                    0 => at[it],
                    len => near.iter().map(|it| at[it.0]).sum::<f64>() / len as f64,
                }
            };
            let mut keyed: Vec<_> = rank.iter().map(|&it| (mean(it), it)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *rank = keyed.into_iter().map(|it| it.1).collect();
            number(rank, &mut at);
        }
        let crossed = crossings(items, ranks);
        if crossed < best.0 {
            best = (crossed, ranks.clone());
        }
    }
    *ranks = best.1;
}

/// Positions in a rank, in -1..1, so that ranks of different lengths compare.
fn number(rank: &[usize], at: &mut [f64]) {
    for (i, &it) in rank.iter().enumerate() {
        at[it] = (2 * i + 1) as f64 / rank.len() as f64 - 1.0;
    }
}

/// Pairs of edges that cross, rank by rank.
fn crossings(items: &[Item], ranks: &[Vec<usize>]) -> usize {
    let mut at = vec![0; items.len()];
    for rank in ranks {
        for (i, &it) in rank.iter().enumerate() {
            at[it] = i;
        }
    }
    let mut crossed = 0;
    for rank in ranks {
        let mut ends: Vec<(usize, usize)> = rank
            .iter()
            .flat_map(|&it| items[it].below.iter().map(|to| (at[it], at[to.0])).collect::<Vec<_>>())
            .collect();
        ends.sort_unstable();
        // A tree of counts (Fenwick 1994): how many ends so far lie at most at a place.
        let width = ends.iter().map(|it| it.1 + 1).max().unwrap_or(0);
        let mut tree = vec![0_usize; width + 1];
        for (seen, &(_, end)) in ends.iter().enumerate() {
            let mut below = 0;
            let mut place = end + 1;
            while place > 0 {
                below += tree[place];
                place &= place - 1;
            }
            crossed += seen - below;
            place = end + 1;
            while place <= width {
                tree[place] += 1;
                place += place & place.wrapping_neg();
            }
        }
    }
    crossed
}

/// Places on the x axis, rank by rank, down and up again until they are at rest; then chains are straightened.
fn spread(items: &mut [Item], ranks: &[Vec<usize>]) {
    for rank in ranks {
        let wanted = vec![(0.0, 1.0); rank.len()];
        settle(items, rank, &wanted);
    }
    const SWEEPS: usize = 24;
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let both = sweep + 4 >= SWEEPS;
        for step in 0..ranks.len() {
            let rank = &ranks[if down { step } else { ranks.len() - 1 - step }];
            let want = |&it: &usize| {
                let item = &items[it];
                let above = item.above.iter().filter(|_| down || both);
                let near: Vec<_> =
                    above.chain(item.below.iter().filter(|_| !down || both)).collect();
                let weight: f64 = near.iter().map(|it| it.1).sum();
                if near.is_empty() {
                    return (item.x, 0.5);
                }
                (near.iter().map(|&&(at, w)| items[at].x * w).sum::<f64>() / weight, weight)
            };
            let wanted: Vec<(f64, f64)> = rank.iter().map(want).collect();
            settle(items, rank, &wanted);
        }
    }
    for rank in ranks {
        let want = |&it: &usize| match items[it].above[..] {
            [(above, _)] if items[above].below.len() == 1 => (items[above].x, 8.0),
            _ => (items[it].x, 1.0),
        };
        let wanted: Vec<(f64, f64)> = rank.iter().map(want).collect();
        settle(items, rank, &wanted);
    }
}

/// Gives a rank the places nearest to those wanted (weighted squares) that keep its order and distances.
///
/// Whoever is alone in a rank stands on the axis, so that what all paths pass makes a straight spine.
fn settle(items: &mut [Item], rank: &[usize], wanted: &[(f64, f64)]) {
    if let [alone] = rank {
        items[*alone].x = 0.0;
        return;
    }
    let mut offsets = Vec::with_capacity(rank.len());
    let mut offset = 0.0;
    for (i, &it) in rank.iter().enumerate() {
        if i > 0 {
            let widths = items[rank[i - 1]].size.width + items[it].size.width;
            offset += widths / 2.0 + GAP;
        }
        offsets.push(offset);
    }
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&(place, weight), offset) in wanted.iter().zip(&offsets) {
        pools.push((place - offset, weight, 1));
        while let [.., before, last] = pools[..] {
            if before.0 <= last.0 {
                break;
            }
            let weight = before.1 + last.1;
            let place = (before.0 * before.1 + last.0 * last.1) / weight;
            pools.truncate(pools.len() - 2);
            pools.push((place, weight, before.2 + last.2));
        }
    }
    let places = pools.iter().flat_map(|&(place, _, count)| std::iter::repeat_n(place, count));
    for ((&it, place), offset) in rank.iter().zip(places).zip(offsets) {
        items[it].x = place + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 100.0, height: 40.0 };

    #[test]
    fn boxes_keep_their_distance_and_edges_lead_down() {
        let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (0, 4)];
        let layout = place(&[SIZE; 5], &edges);
        for a in 0..5 {
            for b in 0..a {
                let (a, b) = (layout.tops[a], layout.tops[b]);
                assert!((a.x - b.x).abs() >= SIZE.width || (a.y - b.y).abs() >= SIZE.height);
            }
        }
        for (from, to) in edges {
            assert!(layout.tops[from].y + SIZE.height < layout.tops[to].y);
        }
        assert_eq!(layout.ways[6].len(), 1);
        assert!(layout.tops.iter().all(|it| it.x >= 0.0 && it.x <= layout.size.width));
    }

    #[test]
    fn a_chain_is_straight() {
        let layout = place(&[SIZE; 3], &[(0, 1), (1, 2)]);
        assert!(layout.tops.iter().all(|it| (it.x - 50.0).abs() < 1e-6));
    }

    #[test]
    fn crossings_are_counted() {
        let (items, _) = items(&[SIZE; 6], &[(0, 5), (1, 4), (2, 3), (0, 3)]);
        assert_eq!(crossings(&items, &[vec![0, 1, 2], vec![3, 4, 5]]), 3);
        assert_eq!(crossings(&items, &[vec![2, 1, 0], vec![3, 4, 5]]), 1);
        assert_eq!(crossings(&items, &[vec![0, 1, 2], vec![5, 4, 3]]), 1);
    }

    #[test]
    fn nothing_takes_no_room() {
        assert_eq!(place(&[], &[]).size.height, 0.0);
    }
}
