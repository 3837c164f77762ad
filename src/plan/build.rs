//! From a graph to steps: kernels, layouts, views.

mod forms;
mod halos;
mod place;
mod storage;
mod tiles;

use std::collections::HashMap;

use forms::{concatenation, slice};

use super::select::{self, Contraction, Pooled};
use super::view::{Buffer, BufferId, Home, View};
use super::winograd::{self, Way};
use super::{
    Algorithms, Candidate, Choice, Kernel, LANES, Loops, Options, Packed, PackedId, Packing, Plan,
    Step, Storage, tile,
};
use crate::graph::{Epilogue, Graph, Kind, Layer, NodeId, ParamId};
use crate::nest::suppress::Suppress;
use crate::nest::{self, Affine, Binary, Expr, Index, Nest, Stage};
use crate::ops::Op;
use crate::shape::Shape;

/// How one node is computed.
enum Recipe {
    /// It is the caller's.
    Input,
    /// The operand under another shape: nothing is computed.
    Alias,
    /// Tiles over a reduction: one step, or one for each phase.
    Tiles(Vec<Tiled>),
    /// Tiles over windows.
    Pool(Pooled),
    /// Loops.
    Nest(Nest),
    /// Picks of boxes.
    Suppress(Suppress),
}

/// A contraction, and how tiles compute it.
struct Tiled {
    found: Contraction,
    way: Way,
    /// What that was chosen from, where there was a choice.
    choice: Option<Choice>,
}

pub(super) struct Builder<'a> {
    graph: &'a Graph,
    options: &'a Options,
    /// The bytes of all parameters, nearly.
    weights: usize,
    order: Vec<NodeId>,
    recipes: HashMap<NodeId, Recipe>,
    /// The halo that a value's readers need.
    halos: HashMap<NodeId, Vec<(usize, usize)>>,
    /// The concatenation that a value is written into, and its first channel there.
    slots: HashMap<NodeId, (NodeId, usize)>,
    /// The last position at which anything in the memory of a root is read.
    last_use: HashMap<NodeId, usize>,
    views: HashMap<NodeId, View>,
    /// Copies of inputs for tiles.
    staged: HashMap<(NodeId, bool), View>,
    packed_ids: HashMap<(ParamId, Packing), PackedId>,
    plan: Plan,
}

/// Whether a value has the few channels of a picture, which tiles read from row-major memory.
fn is_picture(shape: &Shape) -> bool {
    shape.channels() <= 4
}

pub(super) fn build(graph: &Graph, options: &Options) -> Plan {
    let mut builder = Builder {
        graph,
        options,
        weights: graph.params().iter().map(|it| storage::bytes(&it.shape, options)).sum(),
        order: graph.order(),
        recipes: HashMap::new(),
        halos: HashMap::new(),
        slots: HashMap::new(),
        last_use: HashMap::new(),
        views: HashMap::new(),
        staged: HashMap::new(),
        packed_ids: HashMap::new(),
        plan: Plan {
            name: graph.name.clone(),
            steps: Vec::new(),
            buffers: Vec::new(),
            packed: Vec::new(),
            arena_bytes: 0,
            scratch_bytes: 0,
            inputs: Vec::new(),
            outputs: Vec::new(),
            values: Vec::new(),
            winograd: Vec::new(),
        },
    };
    builder.choose_recipes();
    builder.choose_slots();
    builder.find_halos();
    while builder.take_loops_for_far_tiles() {
        builder.find_halos();
    }
    builder.settle_storage();
    builder.find_last_uses();
    for position in 0..builder.order.len() {
        builder.emit(position);
    }
    builder.write_outputs();
    builder.place_buffers();
    builder.plan
}

impl Builder<'_> {
    fn choose_recipes(&mut self) {
        for id in self.order.clone() {
            let recipe = match &self.graph.node(id).kind {
                Kind::Input => Recipe::Input,
                Kind::Layer(layer) => self.recipe(id, layer),
            };
            self.recipes.insert(id, recipe);
        }
    }

    fn recipe(&self, id: NodeId, layer: &Layer) -> Recipe {
        let node = self.graph.node(id);
        let shapes = self.graph.operand_shapes(id);
        if self.is_alias(id, layer) {
            return Recipe::Alias;
        }
        if let Some(suppress) = layer.op.suppress(&shapes[..shapes.len() - layer.added()]) {
            return Recipe::Suppress(suppress);
        }
        let nest = self.nest(id, layer);
        let fits = |it: &Contraction| it.has_tiles() && self.reads_tiles(node.operands()[0], it);
        let found = shapes.first().and_then(|it| select::contractions(&nest, it));
        match found {
            Some(all) if all.iter().all(fits) => {
                let tiled = |it| self.tiled(it, shapes[0], &node.shape);
                Recipe::Tiles(all.into_iter().map(tiled).collect())
            }
            _ => {
                let operand = node.operands().first().filter(|it| self.graph.layer(**it).is_some());
                let found = operand.and_then(|_| select::pool(&nest, shapes[0]));
                found.map_or(Recipe::Nest(nest), Recipe::Pool)
            }
        }
    }

    fn nest(&self, id: NodeId, layer: &Layer) -> Nest {
        let shapes = self.graph.operand_shapes(id);
        layer
            .op
            .lower(&shapes[..shapes.len() - layer.added()], &self.graph.node(id).shape)
            .expect("all but suppression is a nest")
    }

    fn tiled(&self, mut found: Contraction, input: &Shape, output: &Shape) -> Tiled {
        if found.is_depthwise() {
            return Tiled { found, way: Way::Direct(1), choice: None };
        }
        if self.options.half_weights && found.has_halves() {
            found.storage = Storage::F16;
        }
        let (choice, way) = self.choose(&found, input, &found.part(output));
        Tiled { found, way, choice: Some(choice) }
    }

    /// How a contraction is computed, among the ways that the options allow.
    fn choose(&self, found: &Contraction, input: &Shape, output: &Shape) -> (Choice, Way) {
        let mut ways = winograd::ways(self.options.processor, found, output, self.weights);
        let is_of = |way: &Way, outputs: usize| matches!(way, Way::Winograd(cut) if cut.scheme.outputs == outputs);
        match self.options.algorithms {
            Algorithms::Fastest => {}
            Algorithms::Winograd(outputs) if ways.iter().any(|it| is_of(&it.0, outputs)) => {
                ways.retain(|it| is_of(&it.0, outputs));
            }
            Algorithms::Exact | Algorithms::Winograd(_) => {
                ways.retain(|it| matches!(it.0, Way::Direct(_)));
            }
        }
        let row = select::row(output);
        let candidate = |(way, cost)| {
            let nanoseconds = tile::nanoseconds(cost);
            (
                Candidate { name: found.name(self.options.processor.wide, way, row), nanoseconds },
                way,
            )
        };
        let ways = ways.into_iter().map(candidate).collect();
        let lanes = if self.options.processor.wide { 2 * LANES } else { LANES };
        let exact = if self.options.algorithms == Algorithms::Exact { ", exact" } else { "" };
        let key = format!("{}, {lanes} lanes{exact}", found.key(input, output));
        Choice::take(key, ways, &self.options.choices)
    }

    /// Whether tiles can read the operand: a layer's value is blocked; an input is copied if need be.
    fn reads_tiles(&self, operand: NodeId, found: &Contraction) -> bool {
        let shape = &self.graph.node(operand).shape;
        shape.rank() >= 2 && shape.channels() == found.groups * found.in_channels
    }

    /// A flattened or reshaped `[N, C, 1, 1]` is `[N, C]` in the same places.
    fn is_alias(&self, id: NodeId, layer: &Layer) -> bool {
        let node = self.graph.node(id);
        let operand = node.operands().first().map(|&it| self.graph.node(it));
        operand.is_some_and(|operand| {
            matches!(layer.op, Op::Flatten(_))
                && layer.epilogue.is_empty()
                && matches!(operand.kind, Kind::Layer(_))
                && [&operand.shape, &node.shape]
                    .iter()
                    .all(|it| it.rank() >= 2 && it.spatial().iter().all(|&it| it == 1))
                && operand.shape.batch() == node.shape.batch()
                && operand.shape.channels() == node.shape.channels()
        })
    }

    /// Later concatenations first, so that a chain of them shares one buffer.
    fn choose_slots(&mut self) {
        for &id in self.order.iter().rev() {
            let Recipe::Nest(nest) = &self.recipes[&id] else { continue };
            let plain_epilogue = self.graph.layer(id).is_some_and(|it| it.epilogue.is_empty());
            let Some(offsets) =
                concatenation(nest).filter(|_| plain_epilogue && !self.options.keep_all)
            else {
                continue;
            };
            let operands = self.graph.node(id).operands();
            for (at, &operand) in operands.iter().enumerate() {
                let shape = &self.graph.node(operand).shape;
                let once = operands.iter().filter(|it| **it == operand).count() == 1;
                let own = !matches!(self.recipes[&operand], Recipe::Input | Recipe::Alias);
                let whole = at + 1 == operands.len() || shape.channels().is_multiple_of(LANES);
                let aligned = offsets[at].is_multiple_of(LANES) && whole;
                if once && own && aligned && shape.rank() >= 3 && !self.slots.contains_key(&operand)
                {
                    self.slots.insert(operand, (id, offsets[at]));
                }
            }
        }
    }

    /// The node whose buffer a value lives in.
    fn root(&self, mut id: NodeId) -> NodeId {
        loop {
            if let Some((parent, _)) = self.slots.get(&id) {
                id = *parent;
            } else if matches!(self.recipes[&id], Recipe::Alias) {
                id = self.graph.node(id).operands()[0];
            } else {
                return id;
            }
        }
    }

    fn find_last_uses(&mut self) {
        for (position, &id) in self.order.iter().enumerate() {
            let members: Vec<_> =
                self.graph.node(id).operands().iter().copied().chain([id]).collect();
            for member in members {
                let root = self.root(member);
                let until = if self.graph.is_output(member) { usize::MAX } else { position };
                let last = self.last_use.entry(root).or_insert(0);
                *last = (*last).max(until);
            }
        }
    }

    fn buffer(&mut self, make: impl FnOnce(BufferId) -> (View, usize), home: Home) -> View {
        let id = BufferId(self.plan.buffers.len());
        let (view, elements) = make(id);
        self.plan.buffers.push(Buffer { elements, home });
        view
    }

    fn emit(&mut self, position: usize) {
        let id = self.order[position];
        let recipe = self.recipes.remove(&id).expect("every node has a recipe");
        match &recipe {
            Recipe::Input => self.add_input(id),
            Recipe::Alias => {
                let view = self.views[&self.graph.node(id).operands()[0]]
                    .reshaped(&self.graph.node(id).shape);
                self.views.insert(id, view);
            }
            Recipe::Tiles(all) => self.emit_tiles(position, id, all),
            Recipe::Pool(found) => self.emit_pool(position, id, found),
            Recipe::Nest(nest) => self.emit_nest(position, id, nest),
            Recipe::Suppress(it) => self.emit_suppress(position, id, it),
        }
        self.recipes.insert(id, recipe);
        self.plan.values.push((id, self.views[&id].clone()));
    }

    fn add_input(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let at = self.plan.inputs.len();
        self.plan.inputs.push((node.path.clone(), node.shape.clone()));
        let view = self.buffer(|buffer| View::plain(buffer, &node.shape, &[]), Home::Input(at));
        self.views.insert(id, view);
    }

    /// The view that a node writes: a slice of a concatenation, a dying operand's memory, or a new buffer.
    fn output_view(&mut self, position: usize, id: NodeId, reuse: &[usize]) -> View {
        if let Some(view) = self.views.get(&id) {
            return view.clone();
        }
        let shape = self.graph.node(id).shape.clone();
        if let Some(&(parent, from)) = self.slots.get(&id) {
            let view = self.output_view(position, parent, &[]).channels(from, shape.channels());
            self.views.insert(id, view.clone());
            return view;
        }
        let view = self.reused(position, id, reuse).unwrap_or_else(|| {
            let halo = self.halos.get(&id).cloned().unwrap_or_default();
            self.buffer(
                |buffer| {
                    if shape.rank() >= 2 {
                        View::blocked(buffer, &shape, &halo)
                    } else {
                        View::plain(buffer, &shape, &[])
                    }
                },
                Home::Arena(0),
            )
        });
        self.views.insert(id, view.clone());
        view
    }

    /// The memory of an operand that dies here and has the geometry of the output.
    fn reused(&self, position: usize, id: NodeId, reuse: &[usize]) -> Option<View> {
        let wanted = self
            .halos
            .get(&id)
            .filter(|it| it.iter().any(|it| *it != (0, 0)))
            .cloned()
            .unwrap_or_default();
        reuse.iter().filter(|_| !self.options.keep_all).find_map(|&at| {
            let operand = *self.graph.node(id).operands().get(at)?;
            let view = self.views.get(&operand)?;
            let dies = self.root(operand) == operand && self.last_use[&operand] == position;
            let alike =
                view.shape == self.graph.node(id).shape && view.halo == wanted && view.blocked;
            let alone = !matches!(self.recipes.get(&operand), Some(Recipe::Input) | None);
            (dies && alike && alone).then(|| view.clone())
        })
    }

    fn packed(&mut self, param: ParamId, packing: Packing, elements: usize) -> PackedId {
        let key = (param, packing);
        if let Some(&id) = self.packed_ids.get(&key) {
            return id;
        }
        let id = PackedId(self.plan.packed.len());
        let shape = self.graph.param(param).shape.clone();
        self.plan.packed.push(Packed { param, shape, packing: key.1.clone(), elements });
        self.packed_ids.insert(key, id);
        id
    }

    /// What a tile's epilogue does not know follows in place.
    fn emit_rest(&mut self, id: NodeId, rest: &[Epilogue], output: View) {
        let shape = self.graph.node(id).shape.clone();
        let at: Vec<_> = (0..shape.rank()).map(Affine::axis).collect();
        let stage = Stage::each(
            nest::Buffer::Output,
            &shape,
            Expr::load(nest::Buffer::Input(0), at.clone()),
        );
        let mut inputs = vec![output.clone()];
        let epilogue = self.epilogue(id, rest, &at, &mut inputs);
        self.step(
            id,
            Kernel::Loops(Loops { stage, epilogue }),
            inputs,
            Vec::new(),
            Vec::new(),
            output,
            true,
        );
    }

    /// The operand of a tile. A caller's input is copied once: with its halo, plain for the few channels of a
    /// picture, else blocked.
    fn tile_operand(&mut self, operand: NodeId, found: &Contraction) -> View {
        let view = self.views[&operand].clone();
        if !matches!(self.plan.buffers[view.buffer.0].home, Home::Input(_)) {
            return view;
        }
        let plain = found.groups == 1 && is_picture(&view.shape);
        let halo = self.halos.get(&operand).cloned().unwrap_or_default();
        let as_it_is = view.shape.rank() == 2 || plain && halo.iter().all(|it| *it == (0, 0));
        if as_it_is { view } else { self.stage(operand, &halo, plain) }
    }

    /// An operand as a blocked view: a caller's input is copied.
    fn blocked_operand(&mut self, operand: NodeId) -> View {
        let view = self.views[&operand].clone();
        if view.blocked { view } else { self.stage(operand, &[], false) }
    }

    fn stage(&mut self, operand: NodeId, halo: &[(usize, usize)], plain: bool) -> View {
        if let Some(view) = self.staged.get(&(operand, plain)) {
            return view.clone();
        }
        let from = self.views[&operand].clone();
        let make = |buffer| {
            if plain {
                View::plain(buffer, &from.shape, halo)
            } else {
                View::blocked(buffer, &from.shape, halo)
            }
        };
        let view = self.buffer(make, Home::Arena(0));
        self.copy(self.graph.node(operand).path.clone(), from, view.clone());
        self.staged.insert((operand, plain), view.clone());
        view
    }

    fn copy(&mut self, path: String, from: View, to: View) {
        let at = (0..from.shape.rank()).map(Affine::axis);
        let stage =
            Stage::each(nest::Buffer::Output, &from.shape, Expr::load(nest::Buffer::Input(0), at));
        let kernel = Kernel::Loops(Loops { stage, epilogue: Vec::new() });
        let (inputs, params, temps) = (vec![from], Vec::new(), Vec::new());
        let (node, choice, output) = (None, None, to);
        self.plan.steps.push(Step { path, node, kernel, inputs, params, temps, output, choice });
    }

    fn emit_nest(&mut self, position: usize, id: NodeId, nest: &Nest) {
        let layer = self.graph.layer(id).expect("only a layer has a nest");
        let node = self.graph.node(id);
        let pointwise = |at: usize| {
            nest.stages.len() == 1
                && super::check::is_pointwise(
                    &Loops { stage: nest.stages[0].clone(), epilogue: Vec::new() },
                    nest::Buffer::Input(at),
                )
        };
        let operands = node.operands();
        let everywhere =
            |at: usize| (0..operands.len()).all(|it| operands[it] != operands[at] || pointwise(it));
        let reuse: Vec<_> = (0..operands.len()).filter(|&it| everywhere(it)).collect();
        let output = self.output_view(position, id, &reuse);
        let inputs: Vec<_> = node.operands().iter().map(|it| self.views[it].clone()).collect();
        let params: Vec<_> = layer.params.iter().map(|&it| self.rows(it)).collect();
        let temps: Vec<_> = (0..nest.temps.len()).map(|it| self.temp(nest, it)).collect();
        let written: Vec<bool> = concatenation(nest)
            .map(|_| {
                node.operands()
                    .iter()
                    .map(|it| self.slots.get(it).is_some_and(|it| it.0 == id))
                    .collect()
            })
            .unwrap_or_default();
        let stages: Vec<_> = nest
            .stages
            .iter()
            .enumerate()
            .filter(|(i, _)| !written.get(*i).copied().unwrap_or(false))
            .collect();
        for (i, (_, stage)) in stages.iter().enumerate() {
            let is_output = stage.target == nest::Buffer::Output;
            let mut inputs = inputs.clone();
            let epilogue = if is_output {
                self.epilogue(id, &layer.epilogue, &stage.at, &mut inputs)
            } else {
                Vec::new()
            };
            let to = match stage.target {
                nest::Buffer::Temp(at) => temps[at].clone(),
                _ => output.clone(),
            };
            let (stage, to) = slice(stage, to);
            let kernel = Kernel::Loops(Loops { stage, epilogue });
            let done = i + 1 == stages.len();
            self.step(id, kernel, inputs, params.clone(), temps.clone(), to, done);
        }
    }

    fn emit_suppress(&mut self, position: usize, id: NodeId, suppress: &Suppress) {
        let output = self.output_view(position, id, &[]);
        let inputs: Vec<_> =
            self.graph.node(id).operands().iter().map(|it| self.views[it].clone()).collect();
        let boxes = inputs[1].shape.dims()[2];
        let list = Shape::of(&[boxes]);
        let list = self.buffer(|buffer| View::plain(buffer, &list, &[]), Home::Arena(0));
        let kernel = Kernel::Suppress(suppress.clone());
        self.step(id, kernel, inputs, Vec::new(), vec![list], output, true);
    }

    fn rows(&mut self, param: ParamId) -> PackedId {
        let elements = self.graph.param(param).shape.elements().next_multiple_of(LANES);
        self.packed(param, Packing::Rows, elements)
    }

    /// Memory for a temporary: blocked if its axis 1 is the channels, as its stages write it.
    fn temp(&mut self, nest: &Nest, at: usize) -> View {
        let shape = &nest.temps[at];
        let of = |it: &&Stage| it.target == nest::Buffer::Temp(at);
        let blocked = shape.rank() >= 2
            && nest.stages.iter().filter(of).all(|it| it.at[1] == Affine::axis(1));
        self.buffer(
            |buffer| {
                if blocked {
                    View::blocked(buffer, shape, &[])
                } else {
                    View::plain(buffer, shape, &[])
                }
            },
            Home::Arena(0),
        )
    }

    /// Expressions for an epilogue; operands that it adds are found among `inputs` by position.
    fn epilogue(
        &mut self,
        id: NodeId,
        steps: &[Epilogue],
        at: &[Affine],
        inputs: &mut Vec<View>,
    ) -> Vec<Expr> {
        let operands = self.graph.node(id).operands().to_vec();
        steps
            .iter()
            .map(|step| match step {
                Epilogue::Map(op) => op.pointwise().expect("an epilogue maps pointwise operators"),
                Epilogue::Add(operand) => {
                    inputs.push(self.views[&operands[*operand]].clone());
                    let index = at.iter().cloned().map(Index::Affine).collect();
                    Expr::It.binary(
                        Binary::Add,
                        Expr::Load(nest::Buffer::Input(inputs.len() - 1), index),
                    )
                }
            })
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "one argument for each field of a step")]
    fn step(
        &mut self,
        id: NodeId,
        kernel: Kernel,
        inputs: Vec<View>,
        params: Vec<PackedId>,
        temps: Vec<View>,
        output: View,
        done: bool,
    ) {
        let path = self.graph.node(id).path.clone();
        self.plan.steps.push(Step {
            path,
            node: done.then_some(id),
            kernel,
            inputs,
            params,
            temps,
            output,
            choice: None,
        });
    }

    /// Results leave row-major, in the caller's memory.
    fn write_outputs(&mut self) {
        for (at, output) in self.graph.outputs().iter().enumerate() {
            let from = self.views[&output.node].clone();
            self.plan.outputs.push((output.name.clone(), from.shape.clone()));
            let to = self.buffer(|buffer| View::plain(buffer, &from.shape, &[]), Home::Output(at));
            self.copy(output.name.clone(), from, to);
        }
    }
}
