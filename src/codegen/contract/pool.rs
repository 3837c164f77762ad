//! Pools as sweeps of tiles: windows that are cut off at a border are tiles of their own, with fewer taps.

use cranelift::prelude::*;

use super::super::pack::Blob;
use super::super::tile;
use super::{
    Axis, Job, Leaves, Map, Offsets, Pass, PixelStep, Sweep, Tile, bytes, counted, epilogue,
    narrow, residual, signed,
};
use crate::plan::{LANES, Plan, Pool, Pooling, Span, Step, View};

/// Results of a tile: a mean needs two registers for each.
const RESULTS: usize = 8;

/// Emits the routine of a pool; gives its leaves and the number of units.
pub(in super::super) fn emit_pool(
    builder: FunctionBuilder<'_>,
    target: &dyn isa::TargetIsa,
    plan: &Plan,
    step: &Step,
    pool: &Pool,
    blob: &Blob,
) -> (Vec<Vec<u8>>, usize) {
    let residual = residual(step, &pool.epilogue);
    let map = map(step, residual, pool);
    let job = Job { step, bias: false, posts: &pool.epilogue, residual, windows: &[], map };
    let mut leaves = Leaves { target, bytes: Vec::new() };
    let sweep = job.pool(pool, &mut leaves);
    let units = sweep.units();
    sweep.emit(builder, target, plan, step, residual, blob);
    (leaves.bytes, units)
}

/// The places of a pool: rows along the last axis.
fn map(step: &Step, residual: Option<&View>, pool: &Pool) -> Map {
    let (input, output) = (&step.inputs[0], &step.output);
    let mut first = 0;
    let mut axes = Vec::new();
    for (axis, of) in (2..).zip(&pool.axes) {
        // Where there is one place, the output may lack the axis.
        let along = |view: &View| view.strides.get(axis).map_or(0, |it| bytes(*it));
        let input = bytes(input.strides[axis]);
        first -= input * signed(of.window.before);
        let step = PixelStep {
            input: input * signed(of.window.stride),
            residual: residual.map_or(0, along),
            output: along(output),
        };
        axes.push((of.spans.iter().map(|it| it.places).sum(), step));
    }
    let (row, step) = axes.pop().expect("a pool has windows");
    Map { row, step, axes, first, over_batch: false }
}

impl Job<'_> {
    fn pool(&self, pool: &Pool, leaves: &mut Leaves<'_>) -> Sweep {
        let (input, output) = (&self.step.inputs[0], &self.step.output);
        assert!(input.blocked && output.blocked, "tiles read and write blocks: {:?}", self.step);
        let blocks = output.shape.channels().div_ceil(LANES);
        let vectors = (RESULTS / self.map.row).clamp(1, blocks);
        let tiles = blocks.div_ceil(vectors);
        let rest = blocks - (tiles - 1) * vectors;
        let passes = [vectors, rest].map(|it| self.bands(pool, it, leaves));
        let of = |axis: usize, times: usize| Offsets {
            input: bytes(input.strides[axis] * times),
            output: bytes(output.strides[axis] * times),
            residual: self.residual.map_or(0, |it| bytes(it.strides[axis] * times)),
            ..Offsets::default()
        };
        Sweep {
            map: self.map.clone(),
            batch: output.shape.batch(),
            groups: 1,
            tiles,
            strides: [of(0, 1), Offsets::default(), of(1, vectors)],
            passes,
        }
    }

    /// A pass for each way in which rows are cut off; the first axis alone decides, the others before the last
    /// have one way.
    fn bands(&self, pool: &Pool, vectors: usize, leaves: &mut Leaves<'_>) -> Vec<Pass> {
        let (last, outer) = pool.axes.split_last().expect("a pool has windows");
        let Some((first, inner)) = outer.split_first() else {
            return vec![self.band(pool, &[], vectors, &last.spans, leaves)];
        };
        let rows: usize = inner.iter().map(|it| it.spans[0].places).product();
        let mut passes = Vec::new();
        let mut at = 0;
        for span in &first.spans {
            let cut: Vec<&Span> =
                [span].into_iter().chain(inner.iter().map(|it| &it.spans[0])).collect();
            let mut pass = self.band(pool, &cut, vectors, &last.spans, leaves);
            if first.spans.len() > 1 {
                pass.rows = Some(at..at + span.places * rows);
            }
            at += span.places * rows;
            passes.push(pass);
        }
        passes
    }

    /// Rows that are cut off in one way on the axes of rows.
    fn band(
        &self,
        pool: &Pool,
        cut: &[&Span],
        vectors: usize,
        columns: &[Span],
        leaves: &mut Leaves<'_>,
    ) -> Pass {
        let input = &self.step.inputs[0];
        let mut pass = Pass::default();
        let mut place = 0;
        for column in columns {
            let spans: Vec<&Span> = cut.iter().copied().chain([column]).collect();
            let tap =
                |axis: usize| bytes(pool.axes[axis].window.dilation * input.strides[2 + axis]);
            let taps: Vec<Axis> = (0..spans.len())
                .map(|it| Axis::new(counted(spans[it].taps.len()), narrow(tap(it))))
                .collect();
            let skipped: i64 =
                (0..spans.len()).map(|it| tap(it) * signed(spans[it].taps.start)).sum();
            let count: f32 = spans.iter().map(|it| it.count).product();
            let new = |pixels: usize| self.pool_tile(pool, vectors, pixels, &taps, count);
            let tiles = even(column.places, RESULTS / vectors);
            let mut row = self.row(&tiles, 0, &new, leaves);
            for run in &mut row.runs {
                let at = signed(place);
                run.offsets.input += skipped + self.map.step.input * at;
                run.offsets.output += self.map.step.output * at;
                run.offsets.residual += self.map.step.residual * at;
            }
            pass.count = 1;
            pass.runs.append(&mut row.runs);
            place += column.places;
        }
        pass
    }

    fn pool_tile(
        &self,
        pool: &Pool,
        vectors: usize,
        pixels: usize,
        taps: &[Axis],
        count: f32,
    ) -> Tile {
        let pooling = match pool.pooling {
            Pooling::Max => tile::Pooling::Max,
            Pooling::Mean => tile::Pooling::Sum { scale: 1.0 / count },
        };
        tile::Pool {
            pooling,
            grid: self.grid(pixels, vectors),
            input_pitch: narrow(bytes(self.step.inputs[0].strides[1])),
            taps: taps.to_vec(),
            epilogue: epilogue(&pool.epilogue),
        }
        .tile()
    }
}

/// Tiles of at most so many places, as alike as can be.
fn even(places: usize, most: usize) -> Vec<(usize, usize)> {
    let wide = places.div_ceil(places.div_ceil(most));
    let tiles = [(wide, places / wide), (places % wide, 1)];
    tiles.into_iter().filter(|it| it.0 > 0).collect()
}
