//! The network as a picture: one box a layer, with what follows it element by element in the same box.

use std::collections::HashMap;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::layout::{self, Layout, Point, Size};
use super::print::{shown, thousands};
use super::{Order, Report};
use crate::graph::{Graph, NodeId};
use crate::shape::Shape;
use crate::tensor::{max, min};

/// What a box says.
struct Block {
    title: String,
    lines: Vec<String>,
    /// What a pointer resting on the box shows.
    details: String,
    kind: Kind,
    size: Size,
}

/// What a box is, for its colour; read off the operator's properties, not off its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An input or a result.
    Edge,
    /// Windows with weights.
    Conv,
    /// Weights without windows.
    Full,
    /// Windows without weights.
    Pool,
    /// Several operands.
    Join,
    /// Parameters without sums.
    Norm,
    /// Everything else.
    Other,
}

/// The class of a kind in the style sheet, its fill and its border.
const COLOURS: &[(Kind, &str, &str, &str)] = &[
    (Kind::Edge, "edge", "#f1f3f5", "#868e96"),
    (Kind::Conv, "conv", "#e7f1fb", "#4a84bd"),
    (Kind::Full, "full", "#efe9fa", "#7c5fb8"),
    (Kind::Pool, "pool", "#e6f5ec", "#43936a"),
    (Kind::Join, "join", "#fdebe9", "#c4675e"),
    (Kind::Norm, "norm", "#fdf5dc", "#b18f2a"),
    (Kind::Other, "other", "#fbfbfc", "#9aa2ab"),
];

const MARGIN: f64 = 24.0;
const HEADING: f64 = 48.0;
const LINE: f64 = 16.0;

/// Draws a graph as a self-contained SVG, top to bottom, shapes in the given order.
pub fn draw(graph: &Graph, order: Order) -> String {
    let (blocks, edges) = blocks(graph, order);
    let sizes: Vec<Size> = blocks.iter().map(|it| it.size).collect();
    let layout = layout::place(&sizes, &edges);
    let width = max(layout.size.width, 260.0) + 2.0 * MARGIN;
    let height = layout.size.height + HEADING + 2.0 * MARGIN;
    let mut svg = String::new();
    head(&mut svg, graph, width, height);
    let shift = (width - layout.size.width) / 2.0;
    let _ = writeln!(svg, r#"<g transform="translate({shift:.1} {:.1})">"#, HEADING + MARGIN);
    for path in routes(&blocks, &edges, &layout) {
        let _ = writeln!(svg, r#"<path class="e" d="{path}"/>"#);
    }
    for (block, top) in blocks.iter().zip(&layout.tops) {
        boxed(&mut svg, block, *top);
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn head(svg: &mut String, graph: &Graph, width: f64, height: f64) {
    let _ = writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.0} {height:.0}" role="img">"#
    );
    let _ = writeln!(svg, "<title>{}</title>", escape(&graph.name));
    svg.push_str(
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0.6 L8 4 L0 7.4 Z\" fill=\"#5c6670\" \
         stroke=\"none\"/></marker></defs>\n<style>\n\
         text { font: 11px system-ui, -apple-system, \"Segoe UI\", \"DejaVu Sans\", sans-serif; \
         fill: #2b3138; text-anchor: middle }\n\
         .t { font-weight: 600; font-size: 12px }\n.h { font-weight: 600; font-size: 17px }\n\
         .s { fill: #59626c }\n\
         .e { fill: none; stroke: #5c6670; stroke-width: 1.3; marker-end: url(#tip) }\n\
         rect { stroke-width: 1.2 }\n",
    );
    for (_, class, fill, stroke) in COLOURS {
        let _ = writeln!(svg, ".{class} {{ fill: {fill}; stroke: {stroke} }}");
    }
    svg.push_str("</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    let totals = Report::of(graph, None).totals;
    let (x, name) = (width / 2.0, escape(&graph.name));
    let _ = writeln!(svg, r#"<text class="h" x="{x:.1}" y="{:.1}">{name}</text>"#, MARGIN + 10.0);
    let _ = writeln!(
        svg,
        r#"<text class="s" x="{x:.1}" y="{:.1}">{} parameters, {} MACs</text>"#,
        MARGIN + 30.0,
        thousands(totals.params),
        thousands(totals.macs)
    );
}

fn boxed(svg: &mut String, block: &Block, top: Point) {
    let Size { width, height } = block.size;
    let class = COLOURS.iter().find(|it| it.0 == block.kind).map_or("other", |it| it.1);
    let radius = if block.kind == Kind::Edge { height / 2.0 } else { 5.0 };
    let _ = write!(
        svg,
        r#"<g><title>{}</title><rect class="{class}" x="{:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}" rx="{radius:.1}"/>"#,
        escape(&block.details),
        top.x - width / 2.0,
        top.y,
    );
    let mut y = top.y + 17.0;
    let _ = write!(
        svg,
        r#"<text class="t" x="{:.1}" y="{y:.1}">{}</text>"#,
        top.x,
        escape(&block.title)
    );
    for line in &block.lines {
        y += LINE;
        let _ =
            write!(svg, r#"<text class="s" x="{:.1}" y="{y:.1}">{}</text>"#, top.x, escape(line));
    }
    svg.push_str("</g>\n");
}

/// The boxes in order, and which leads to which.
fn blocks(graph: &Graph, order: Order) -> (Vec<Block>, Vec<(usize, usize)>) {
    let mut groups: Vec<Vec<NodeId>> = Vec::new();
    let mut group_of: HashMap<NodeId, usize> = HashMap::new();
    for id in graph.order() {
        let joined = graph
            .node(id)
            .operands()
            .first()
            .filter(|&&operand| joins(graph, operand, id))
            .map(|operand| group_of[operand]);
        let at = joined.unwrap_or_else(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(id);
        group_of.insert(id, at);
    }
    let mut edges = Vec::new();
    for (to, group) in groups.iter().enumerate() {
        for operand in graph.node(group[0]).operands() {
            edges.push((group_of[operand], to));
        }
    }
    let mut blocks: Vec<Block> = groups.iter().map(|it| block(graph, it, order)).collect();
    for output in graph.outputs() {
        edges.push((group_of[&output.node], blocks.len()));
        let shape = extents(&graph.node(output.node).shape, order);
        blocks.push(Block::new(shown(&output.name), vec![shape], String::new(), Kind::Edge));
    }
    edges.sort_unstable();
    edges.dedup();
    (blocks, edges)
}

/// Whether a layer goes into the box of its only operand: it changes no shape, slides no window, sums
/// nothing, and nobody else reads the operand.
fn joins(graph: &Graph, operand: NodeId, id: NodeId) -> bool {
    let (node, before) = (graph.node(id), graph.node(operand));
    let Some(layer) = node.layer() else { return false };
    node.operands().len() == 1
        && before.layer().is_some()
        && before.shape == node.shape
        && layer.op.windows(&before.shape).is_empty()
        && layer.op.macs(&[&before.shape], &node.shape) == 0
        && graph.users(operand).len() == 1
        && !graph.is_output(operand)
}

fn block(graph: &Graph, group: &[NodeId], order: Order) -> Block {
    let first = graph.node(group[0]);
    let last = graph.node(group[group.len() - 1]);
    let shape = extents(&last.shape, order);
    let Some(layer) = first.layer() else {
        return Block::new(shown(&first.path), vec![shape], String::new(), Kind::Edge);
    };
    let operands = graph.operand_shapes(group[0]);
    let windows = layer.op.windows(operands[0]);
    let mut what = layer.op.entry().name.to_owned();
    if !windows.is_empty() && first.shape.spatial().len() == windows.len() {
        let kernels: Vec<String> = windows.iter().map(|it| it.kernel.to_string()).collect();
        let strides: Vec<String> = windows.iter().map(|it| it.stride.to_string()).collect();
        let _ = write!(what, " {}", kernels.join("×"));
        if windows.iter().any(|it| it.stride != 1) {
            let same = strides.iter().all(|it| *it == strides[0]);
            let strides = if same { strides[0].clone() } else { strides.join("×") };
            let _ = write!(what, " /{strides}");
        }
    }
    let names = group[1..].iter().filter_map(|&it| graph.layer(it)).map(|it| it.op.entry().name);
    for name in names {
        let _ = write!(what, " · {name}");
    }
    let params: usize = group
        .iter()
        .filter_map(|&it| graph.layer(it))
        .flat_map(|it| &it.params)
        .map(|&it| graph.param(it).shape.elements())
        .sum();
    let macs = layer.op.macs(&operands, &first.shape);
    let kind = match (macs > 0, !windows.is_empty()) {
        (true, true) => Kind::Conv,
        (true, false) => Kind::Full,
        (false, true) => Kind::Pool,
        (false, false) if operands.len() > 1 => Kind::Join,
        (false, false) if !layer.params.is_empty() => Kind::Norm,
        (false, false) => Kind::Other,
    };
    let paths: Vec<String> = group.iter().map(|&it| shown(&graph.node(it).path)).collect();
    let (params, macs) = (thousands(params as u64), thousands(macs));
    let details = format!("{}\n{params} numbers, {macs} MACs", paths.join(", "));
    Block::new(shown(&first.path), vec![what, shape], details, kind)
}

impl Block {
    fn new(title: String, lines: Vec<String>, details: String, kind: Kind) -> Block {
        const TITLE_MAX: usize = 30;
        let count = title.chars().count();
        let title = if count > TITLE_MAX {
            format!("…{}", title.chars().skip(count - TITLE_MAX + 1).collect::<String>())
        } else {
            title
        };
        let wide = |text: &String, each: f64| text.width() as f64 * each;
        let widest = lines.iter().map(|it| wide(it, 6.1)).fold(wide(&title, 7.2), max);
        let size = Size {
            width: (max(widest, 60.0) + 22.0).round(),
            height: LINE * (lines.len() + 1) as f64 + 10.0,
        };
        Block { title, lines, details, kind, size }
    }
}

/// `64 × 56 × 56`.
fn extents(shape: &Shape, order: Order) -> String {
    let dims: Vec<String> = order.sample(shape).iter().map(usize::to_string).collect();
    dims.join(" × ")
}

/// A curve for each edge: from the lower side of its first box, down through its lanes, to a port of its
/// own on the upper side of its second.
fn routes(blocks: &[Block], edges: &[(usize, usize)], layout: &Layout) -> Vec<String> {
    let mut arriving: Vec<Vec<(f64, usize)>> = vec![Vec::new(); blocks.len()];
    for (at, &(from, to)) in edges.iter().enumerate() {
        let x = layout.ways[at].last().map_or(layout.tops[from].x, |it| it.0.x);
        arriving[to].push((x, at));
    }
    let mut ports = vec![0; edges.len()];
    for arriving in &mut arriving {
        arriving.sort_by(|a, b| a.0.total_cmp(&b.0));
        arriving.iter().enumerate().for_each(|(port, it)| ports[it.1] = port);
    }
    edges
        .iter()
        .enumerate()
        .map(|(at, &(from, to))| {
            let count = arriving[to].len() as f64;
            let room = min(18.0, 0.7 * blocks[to].size.width / count);
            let offset = (ports[at] as f64 - (count - 1.0) / 2.0) * room;
            let start = layout.tops[from];
            let mut here = Point { x: start.x, y: start.y + blocks[from].size.height };
            let end = Point { x: layout.tops[to].x + offset, y: layout.tops[to].y };
            let mut path = format!("M{:.1} {:.1}", here.x, here.y);
            let last = [(end, end)];
            for &(into, out) in layout.ways[at].iter().chain(&last) {
                let bend = (into.y - here.y) / 2.0;
                let _ = write!(
                    path,
                    " C{:.1} {:.1} {:.1} {:.1} {:.1} {:.1}",
                    here.x,
                    here.y + bend,
                    into.x,
                    into.y - bend,
                    into.x,
                    into.y
                );
                if out.y > into.y {
                    let _ = write!(path, " L{:.1} {:.1}", out.x, out.y);
                }
                here = out;
            }
            path
        })
        .collect()
}

/// Text as it may stand in XML.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, it| {
        match it {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            it if it.is_control() => out.extend(it.escape_default()),
            it => out.push(it),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_the_text() {
        let name = "</text><script>\"&\u{1b}";
        assert_eq!(super::escape(name), "&lt;/text&gt;&lt;script&gt;&quot;&amp;\\u{1b}");
    }
}
