//! Steps that tiles compute: their kernels, operands and packed parameters.

use super::super::select::{self, Contraction, Pooled};
use super::super::view::View;
use super::super::winograd::{Cut, Way};
use super::super::{Kernel, LANES, PackedId, Packing, Pool, Post};
use super::forms::split_epilogue;
use super::{Builder, Tiled};
use crate::graph::{Epilogue, Layer, NodeId};

impl<'a> Builder<'a> {
    pub(super) fn emit_tiles(&mut self, position: usize, id: NodeId, all: &[Tiled]) {
        let operand = self.graph.node(id).operands()[0];
        // A sum of several passes leaves partial sums in the output before the operand is added; of several phases the
        // first writes a value that the next is to add to.
        let output = match all {
            [Tiled { way: Way::Winograd(_), .. }] => self.tile_output(position, id),
            [it] if it.found.is_depthwise() => self.tile_output(position, id),
            _ => self.output_view(position, id, &[]),
        };
        let mut inputs = vec![self.tile_operand(operand, &all[0].found)];
        let (posts, rest) = self.tile_epilogue(id, &mut inputs);
        for (at, tiled) in all.iter().enumerate() {
            let (kernel, params) = self.tile(id, tiled, posts.clone(), !inputs[0].blocked);
            let done = rest.is_empty() && at + 1 == all.len();
            self.step(id, kernel, inputs.clone(), params, Vec::new(), output.clone(), done);
            let step = self.plan.steps.last_mut().expect("a step was added");
            step.choice.clone_from(&tiled.choice);
        }
        if !rest.is_empty() {
            self.emit_rest(id, rest, output);
        }
    }

    /// The kernel of a contraction and the parameters that it reads; `plain` says that its operand is row-major.
    fn tile(
        &mut self,
        id: NodeId,
        Tiled { found, way, .. }: &Tiled,
        posts: Vec<Post>,
        plain: bool,
    ) -> (Kernel, Vec<PackedId>) {
        let layer = self.graph.layer(id).expect("only a layer contracts");
        let row = select::row(&found.part(&self.graph.node(id).shape));
        match *way {
            Way::Winograd(cut) => {
                let kernel = found.winograd(cut, posts);
                self.plan.winograd.push((id, cut));
                self.plan.scratch_bytes =
                    self.plan.scratch_bytes.max(4 * kernel.scratch().elements);
                let params = self.winograd_params(layer, found, cut);
                (Kernel::Winograd(kernel), params)
            }
            Way::Direct(_) if found.is_depthwise() => {
                let kernel = found.depthwise(self.options.processor.wide, row, posts);
                let params = self.depthwise_params(layer, found);
                (Kernel::Depthwise(kernel), params)
            }
            Way::Direct(vectors) => {
                let kernel = found.contract(self.options.processor.wide, row, vectors, posts);
                let params = self.contract_params(layer, found, vectors, plain);
                (Kernel::Contract(kernel), params)
            }
        }
    }

    pub(super) fn emit_pool(&mut self, position: usize, id: NodeId, found: &Pooled) {
        let output = self.tile_output(position, id);
        let mut inputs = vec![self.views[&self.graph.node(id).operands()[0]].clone()];
        let (epilogue, rest) = self.tile_epilogue(id, &mut inputs);
        let (pooling, axes) = (found.pooling, found.axes.clone());
        let kernel = Kernel::Pool(Pool { pooling, axes, epilogue });
        let done = rest.is_empty();
        self.step(id, kernel, inputs, Vec::new(), Vec::new(), output.clone(), done);
        if !done {
            self.emit_rest(id, rest, output);
        }
    }

    /// Where tiles write a value: perhaps over an operand that their epilogue adds.
    fn tile_output(&mut self, position: usize, id: NodeId) -> View {
        let operands = self.graph.node(id).operands();
        let epilogue = &self.graph.layer(id).expect("only a layer has tiles").epilogue;
        let known = split_epilogue(epilogue).0.len();
        let added = epilogue[..known].iter().filter_map(Epilogue::operand);
        let added: Vec<usize> = added.filter(|&at| operands[at] != operands[0]).collect();
        self.output_view(position, id, &added)
    }

    /// What tiles do before their store, the operands that they add behind `inputs`; and what must follow.
    fn tile_epilogue(&mut self, id: NodeId, inputs: &mut Vec<View>) -> (Vec<Post>, &'a [Epilogue]) {
        let graph = self.graph;
        let layer = graph.layer(id).expect("only a layer has tiles");
        let (posts, rest) = split_epilogue(&layer.epilogue);
        let posts = posts.into_iter().map(|it| match it {
            Post::Add(at) => {
                inputs.push(self.blocked_operand(graph.node(id).operands()[at]));
                Post::Add(inputs.len() - 1)
            }
            other => other,
        });
        (posts.collect(), rest)
    }

    fn contract_params(
        &mut self,
        layer: &Layer,
        found: &Contraction,
        vectors: usize,
        plain: bool,
    ) -> Vec<PackedId> {
        let (groups, out_channels, in_channels) =
            (found.groups, found.out_channels, found.in_channels);
        let padded = out_channels.next_multiple_of(LANES);
        let taps = found.taps();
        let packing = Packing::Contract {
            groups,
            out_channels,
            in_channels,
            taps: found.taps.clone(),
            vectors,
            plain,
            transposed: found.transposed,
            merged: found.merged,
            storage: found.storage,
        };
        let elements = found.storage.words(groups * padded * in_channels * taps);
        let mut params = vec![self.packed(layer.params[0], packing, elements)];
        if found.bias {
            params.push(self.packed(
                layer.params[1],
                Packing::Bias { groups, out_channels },
                groups * padded,
            ));
        }
        params
    }

    fn winograd_params(&mut self, layer: &Layer, found: &Contraction, cut: Cut) -> Vec<PackedId> {
        let (out_channels, in_channels) = (found.out_channels, found.in_channels);
        let padded = out_channels.next_multiple_of(LANES);
        let packing = Packing::Winograd {
            scheme: cut.scheme,
            out_channels,
            in_channels,
            vectors: cut.vectors,
            flip: found.taps.iter().any(|it| it.step < 0),
        };
        let elements = padded * in_channels * cut.points();
        let mut params = vec![self.packed(layer.params[0], packing, elements)];
        if found.bias {
            let packing = Packing::Bias { groups: 1, out_channels };
            params.push(self.packed(layer.params[1], packing, padded));
        }
        params
    }

    fn depthwise_params(&mut self, layer: &Layer, found: &Contraction) -> Vec<PackedId> {
        let channels = found.groups;
        let padded = channels.next_multiple_of(LANES);
        let packing = Packing::Depthwise { channels, taps: found.taps.clone() };
        let elements = padded * found.taps();
        let mut params = vec![self.packed(layer.params[0], packing, elements)];
        if found.bias {
            params.push(self.packed(layer.params[1], Packing::Rows, padded));
        }
        params
    }
}
