use super::onnx::{self, Node, Operand};
use super::{Arg, Args, Operator, Value, Violation, sized};
use crate::nest::Nest;
use crate::nest::suppress::{Form, Rows, Suppress};
use crate::shape::Shape;
use crate::tensor::{Exact, Tensor};

/// The best boxes of each class: non-maximum suppression.
///
/// It takes boxes `[N, B, 4]` and scores `[N, C, B]`. For each sample and class the box with the highest score is
/// picked (of equal ones the first), every box whose intersection over union with it is above `iou` is dropped,
/// and so on, `most` times at most. A box counts if its score is above `score`; NaN never counts.
///
/// The output is `[capacity, 3]`: a row `sample, class, box` for each pick, by sample, class and falling score; the
/// rows after the last pick hold -1. `filled` counts the picks. `netc run --save` writes only the picks.
/// Picks beyond `capacity` are lost; by default there is room for all.
/// With `with_boxes=true` the output is `[capacity, 7]`, and a row is `sample, class, score` and the four numbers of
/// the box: what `netc run --boxes` draws, the first of two numbers being across.
///
/// With `form="corners"` a box is two opposite corners, with `form="centre"` its centre and its sides; in both,
/// numbers 0 and 2 belong to one axis, 1 and 3 to the other.
///
/// Constraints:
/// - (C1) boxes are `[N, B, 4]` and scores `[N, C, B]`;
/// - (C2) no extent of the scores is above 2^24, so that rows are exact;
/// - (C3) the output keeps the limits of a tensor.
///
/// Source: ONNX `NonMaxSuppression`; Felzenszwalb et al. 2010.
///
/// ```net
/// net Example {
///   input boxes: f32[N, 100, 4]
///   input scores: f32[N, 20, 100]
///   picks = nms(boxes, scores, iou=0.45, score=0.25, capacity=200)
///   output picks
///   output count = filled(picks)
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Nms {
    /// A box is dropped if its intersection over union with a picked one is above this.
    pub iou: f32,
    /// A box counts only if its score is above this.
    pub score: Option<f32>,
    /// The most picks of a class of a sample.
    pub most: Option<usize>,
    /// How a box is written.
    pub form: Form,
    /// Rows of the output.
    pub capacity: Option<usize>,
    /// What a row holds.
    pub rows: Rows,
}

/// The largest number up to which f32 holds every whole number.
const EXACT_MAX: usize = 1 << 24;

const FORMS: &[&str] = &["corners", "centre"];

impl Operator for Nms {
    const NAME: &'static str = "nms";

    const ARGS: &'static [Arg] = &[
        Arg::optional("iou", "a number", "0.5", "the overlap above which a box is dropped"),
        Arg::optional("score", "a number", "", "the score above which a box counts"),
        Arg::optional("most", "a count", "", "picks of one class of one sample"),
        Arg::optional("form", "a word", "\"corners\"", "how a box is written").words(FORMS),
        Arg::optional("capacity", "a count", "", "rows of the output"),
        Arg::optional("with_boxes", "true or false", "false", "whether a row holds score and box"),
    ];

    const ARITY: (usize, usize) = (2, 2);

    fn parse(args: &mut Args<'_>) -> Self {
        Nms {
            iou: args.number("iou"),
            score: args.has("score").then(|| args.number("score")),
            most: args.has("most").then(|| args.count("most")),
            form: match args.word("form", FORMS) {
                "centre" => Form::Centre,
                _ => Form::Corners,
            },
            capacity: args.has("capacity").then(|| args.count("capacity")),
            rows: if args.flag("with_boxes") { Rows::Boxes } else { Rows::Picks },
        }
    }

    fn written(&self) -> Vec<(&'static str, Value)> {
        let form = if self.form == Form::Centre { "centre" } else { "corners" };
        let mut args = vec![("iou", self.iou.into()), ("form", Value::Text(form.to_owned()))];
        args.extend(self.score.map(|it| ("score", it.into())));
        args.extend(self.most.map(|it| ("most", it.into())));
        args.extend(self.capacity.map(|it| ("capacity", it.into())));
        args.push(("with_boxes", (self.rows == Rows::Boxes).into()));
        args
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Violation> {
        let (boxes, scores) = (inputs[0], inputs[1]);
        let fits = match (boxes.dims(), scores.dims()) {
            ([n, b, 4], [samples, _, count]) => n == samples && b == count,
            _ => false,
        };
        if !fits {
            let message = format!(
                "`nms` takes boxes [N, B, 4] and scores [N, C, B], here they are {:?} and {:?}",
                boxes.dims(),
                scores.dims()
            );
            return Err(Violation::new("C1", message)
                .help("boxes come first; `permute` puts the axes in order"));
        }
        if let Some(extent) = scores.dims().iter().find(|it| **it > EXACT_MAX) {
            let message = format!("`nms` counts to 2^24, but the scores are {extent} on one axis");
            return Err(Violation::new("C2", message).help("keep fewer boxes before it"));
        }
        sized("C3", "the output", &[self.capacity(scores), self.rows.width()])
    }

    fn eval(&self, inputs: &[&Tensor], _: &[&Tensor]) -> Exact {
        let (boxes, scores) = (inputs[0], inputs[1]);
        let capacity = self.capacity(&scores.shape);
        let picks = self.kernel(&scores.shape).picks(boxes, scores, capacity);
        let &[_, classes, count] = scores.shape.dims() else { unreachable!("scores have 3 axes") };
        let mut value = Vec::with_capacity(capacity * self.rows.width());
        for [sample, class, at] in picks {
            value.extend([sample as f64, class as f64]);
            match self.rows {
                Rows::Picks => value.push(at as f64),
                Rows::Boxes => {
                    let place = &boxes.data[(sample * count + at) * 4..][..4];
                    let score = scores.data[(sample * classes + class) * count + at];
                    value.push(score.into());
                    value.extend(place.iter().map(|&it| f64::from(it)));
                }
            }
        }
        value.resize(capacity * self.rows.width(), -1.0);
        Exact::plain(Shape::of(&[capacity, self.rows.width()]), value)
    }

    fn lower(&self, _: &[&Shape], _: &Shape) -> Nest {
        unreachable!("`suppress` says what it is")
    }

    fn suppress(&self, inputs: &[&Shape]) -> Option<Suppress> {
        Some(self.kernel(inputs[1]))
    }

    /// ONNX's value has a row for each pick and no more, so enough rows of -1 follow and are cut.
    fn onnx(&self, inputs: &[&Shape], output: &Shape) -> Vec<Node> {
        let rows = i64::try_from(output.dims()[0]).expect("extents are small");
        let most = i64::try_from(self.each(inputs[1])).expect("extents are small");
        let score = self.score.map_or(Operand::Absent, Operand::Number);
        let limits = [Operand::Ints(vec![most]), Operand::Number(self.iou), score];
        let form = i64::from(self.form == Form::Centre);
        let list = |it: &[i64]| Operand::Ints(it.to_vec());
        let picks = Node::of("NonMaxSuppression", Operand::inputs(inputs).chain(limits));
        let mut nodes = vec![picks.int("center_point_box", form)];
        if self.rows == Rows::Boxes {
            let columns =
                |it: [i64; 2]| Node::of("Gather", [Operand::Node(0), list(&it)]).int("axis", 1);
            nodes.extend([
                columns([0, 2]),
                Node::of("GatherND", [Operand::Input(0), Operand::Node(1)]),
                Node::of("GatherND", [Operand::Input(1), Operand::Node(0)]),
                Node::of("Unsqueeze", [Operand::Node(3), list(&[1])]),
                columns([0, 1]),
                Node::of("Cast", [Operand::Node(5)]).int("to", onnx::F32),
                Node::of("Concat", [6, 4, 2].map(Operand::Node)).int("axis", 1),
            ]);
        } else {
            nodes.push(Node::of("Cast", [Operand::Node(0)]).int("to", onnx::F32));
        }
        let all = Operand::Node(nodes.len() - 1);
        nodes.push(Node::of("Pad", [all, list(&[0, 0, rows, 0]), Operand::Number(-1.0)]));
        let padded = Operand::Node(nodes.len() - 1);
        nodes.push(Node::of("Slice", [padded, list(&[0]), list(&[rows]), list(&[0])]));
        nodes
    }
}

impl Nms {
    fn kernel(&self, scores: &Shape) -> Suppress {
        Suppress {
            iou: self.iou,
            score: self.score,
            most: self.each(scores),
            form: self.form,
            rows: self.rows,
        }
    }

    /// The most picks of a class of a sample.
    fn each(&self, scores: &Shape) -> usize {
        let count = scores.dims()[2];
        self.most.unwrap_or(count).min(count)
    }

    fn capacity(&self, scores: &Shape) -> usize {
        let all = scores.dims()[0].saturating_mul(scores.dims()[1]);
        self.capacity.unwrap_or_else(|| all.saturating_mul(self.each(scores)))
    }
}
