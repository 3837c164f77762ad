//! Packing in pieces that do not depend on each other, so that threads share them and no tensor lies in memory
//! whole that can be read in parts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Blob;
use super::filter::{self, Filter, Transformed};
use crate::plan::{LANES, Packed, Packing, Plan, Storage};
use crate::weights::{self, Value, Values};

/// Elements of a piece that needs no order.
const ROWS: usize = 1 << 18;

/// All pieces of a plan's parameters. Neighbours belong together.
pub(in super::super) struct Pieces<'a> {
    values: &'a dyn Values,
    params: Vec<Param<'a>>,
    pieces: Vec<Piece<'a>>,
    /// Weights that f16 does not reach.
    beyond: AtomicUsize,
}

/// A parameter that is being packed. Its value is asked for with its first piece and dropped with its last.
struct Param<'a> {
    packed: &'a Packed,
    value: Mutex<Option<Value>>,
    left: AtomicUsize,
}

/// A part of a packed parameter; zero until it is written.
struct Piece<'a> {
    param: usize,
    at: usize,
    to: Mutex<&'a mut [f32]>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Pieces<'a> {
    /// The pieces of `memory`, which is the blob's and zero where parameters lie.
    pub(in super::super) fn new(
        plan: &'a Plan,
        blob: &Blob,
        values: &'a dyn Values,
        memory: &'a mut [f32],
    ) -> Self {
        let (params, pieces) = (Vec::new(), Vec::new());
        let mut all = Self { values, params, pieces, beyond: AtomicUsize::new(0) };
        let (mut rest, mut begun) = (memory, 0);
        for (packed, &(at, _)) in plan.packed.iter().zip(&blob.params) {
            let lengths = lengths(packed);
            assert_eq!(lengths.iter().sum::<usize>(), packed.elements, "{packed:?}");
            (_, rest) = rest.split_at_mut(at - begun);
            for (piece, &length) in lengths.iter().enumerate() {
                let to;
                (to, rest) = rest.split_at_mut(length);
                all.pieces.push(Piece { param: all.params.len(), at: piece, to: Mutex::new(to) });
            }
            begun = at + packed.elements;
            let left = AtomicUsize::new(lengths.len());
            all.params.push(Param { packed, value: Mutex::new(None), left });
        }
        all
    }

    /// How many there are.
    pub(in super::super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// How many of the weights packed so far were to become f16 and are beyond the greatest.
    pub(in super::super) fn beyond(&self) -> usize {
        self.beyond.load(Ordering::Relaxed)
    }

    /// Packs one. Each is packed once; threads that take them in order hold few values at a time.
    pub(in super::super) fn pack(&self, at: usize) {
        let piece = &self.pieces[at];
        let param = &self.params[piece.param];
        let value = lock(&param.value)
            .get_or_insert_with(|| {
                let value = self.values.value(param.packed.param);
                assert_eq!(*value.shape(), param.packed.shape, "{:?}", param.packed);
                value
            })
            .clone();
        let beyond = write(param.packed, piece.at, &value, &mut lock(&piece.to));
        self.beyond.fetch_add(beyond, Ordering::Relaxed);
        if param.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            *lock(&param.value) = None;
        }
    }
}

/// The elements of each piece of a packed parameter, in order.
fn lengths(packed: &Packed) -> Vec<usize> {
    let chunks = |total: usize, most: usize| {
        (0..total).step_by(most.max(1)).map(move |it| most.min(total - it))
    };
    match packed.packing {
        Packing::Rows => chunks(packed.elements, ROWS).collect(),
        Packing::Bias { .. } | Packing::Depthwise { .. } => vec![packed.elements],
        Packing::Contract {
            groups, out_channels, in_channels, ref taps, vectors, storage, ..
        } => {
            let taps: usize = taps.iter().map(|it| it.count).product();
            let width = out_channels.next_multiple_of(LANES);
            let tiles = (0..groups).flat_map(|_| chunks(width, vectors * LANES));
            tiles.map(|it| storage.words(it * in_channels * taps)).collect()
        }
        Packing::Winograd { scheme, out_channels, in_channels, vectors, .. } => {
            let points = scheme.points();
            let tiles = chunks(out_channels.next_multiple_of(LANES), vectors * LANES);
            tiles.map(|it| it * in_channels * points).collect()
        }
    }
}

/// Writes a piece of a packed parameter; `to` is zero. Gives how many of its weights f16 does not reach, if it is of
/// those.
fn write(packed: &Packed, piece: usize, value: &Value, to: &mut [f32]) -> usize {
    let elements = packed.shape.elements();
    let whole = || {
        let mut whole = vec![0.0; elements];
        value.read(0, &mut whole);
        whole
    };
    match packed.packing {
        Packing::Rows => {
            let from = piece * ROWS;
            let count = to.len().min(elements.saturating_sub(from));
            value.read(from, &mut to[..count]);
        }
        Packing::Bias { groups, out_channels } => {
            let (from, padded) = (whole(), out_channels.next_multiple_of(LANES));
            for group in 0..groups {
                let row = &from[group * out_channels..][..out_channels];
                to[group * padded..][..out_channels].copy_from_slice(row);
            }
        }
        Packing::Depthwise { channels, ref taps } => {
            let from = whole();
            let (all, taps) = filter::taps(&packed.shape, taps);
            for channel in 0..channels {
                let block = channel / LANES * taps.len();
                for (tap, source) in taps.iter().enumerate() {
                    to[(block + tap) * LANES + channel % LANES] = from[channel * all + source];
                }
            }
        }
        Packing::Contract {
            out_channels,
            in_channels,
            ref taps,
            vectors,
            plain,
            transposed,
            merged,
            storage,
            ..
        } => {
            let tiles = out_channels.div_ceil(LANES).div_ceil(vectors);
            let (group, tile) = (piece / tiles, piece % tiles);
            let first = tile * vectors * LANES;
            let (all, taps) = filter::taps(&packed.shape, taps);
            let filter = Filter { in_channels, out_channels, merged, all, taps, plain, transposed };
            let rows = first..out_channels;
            match storage {
                Storage::F32 => filter.pack(value, group, rows, to),
                Storage::F16 => {
                    let mut near = vec![0.0; 2 * to.len()];
                    filter.pack(value, group, rows, &mut near);
                    return weights::narrow(&near, bytemuck::cast_slice_mut(to));
                }
            }
        }
        Packing::Winograd { scheme, out_channels, in_channels, vectors, flip } => {
            let transformed = Transformed { scheme, in_channels, flip };
            transformed.pack(value, piece * vectors * LANES..out_channels, to);
        }
    }
    0
}
