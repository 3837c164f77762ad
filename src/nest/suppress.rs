//! Greedy suppression of boxes: the one kernel that is no nest, because each pick waits for those before it.
//!
//! [`Suppress::picks`] is its definition. All of it is f32 in the order written, so that compiled code decides as
//! the definition does, to the last bit.

use std::fmt;

use crate::tensor::Tensor;

/// The best boxes of each class of each sample: the highest score first, without those that overlap a better one.
#[derive(Clone, Debug, PartialEq)]
pub struct Suppress {
    /// A box is dropped if its intersection over union with a picked one is above this.
    pub iou: f32,
    /// A box counts only if its score is above this.
    pub score: Option<f32>,
    /// The most picks of a class of a sample, at least 1.
    pub most: usize,
    /// How a box is written.
    pub form: Form,
    /// What a row of the output holds.
    pub rows: Rows,
}

/// What a row of the output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Sample, class, position of the box.
    Picks,
    /// Sample, class, score, the four numbers of the box.
    Boxes,
}

impl Rows {
    /// The numbers of a row.
    pub fn width(self) -> usize {
        match self {
            Rows::Picks => 3,
            Rows::Boxes => 7,
        }
    }
}

/// How a box is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Two opposite corners.
    Corners,
    /// Its centre and its sides.
    Centre,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Corners => "corners",
            Form::Centre => "centre",
        })
    }
}

/// A pick: sample, class, box.
pub type Pick = [usize; 3];

impl Suppress {
    /// The picks for boxes `[N, B, 4]` and scores `[N, C, B]`, at most `capacity`.
    pub fn picks(&self, boxes: &Tensor, scores: &Tensor, capacity: usize) -> Vec<Pick> {
        let &[samples, classes, count] = scores.shape.dims() else { panic!("scores have 3 axes") };
        let mut picks = Vec::new();
        for (sample, class) in (0..samples).flat_map(|n| (0..classes).map(move |c| (n, c))) {
            let boxes = &boxes.data[sample * count * 4..][..count * 4];
            let scores = &scores.data[(sample * classes + class) * count..][..count];
            for at in self.class(boxes, scores) {
                if picks.len() == capacity {
                    return picks;
                }
                picks.push([sample, class, at]);
            }
        }
        picks
    }

    /// The picks of one class of one sample, best first; of equal scores the first.
    fn class(&self, boxes: &[f32], scores: &[f32]) -> Vec<usize> {
        let counts = |it: &usize| match self.score {
            Some(least) => scores[*it] > least,
            None => !scores[*it].is_nan(),
        };
        let mut left: Vec<usize> = (0..scores.len()).filter(counts).collect();
        let falling = |a: &usize, b: &usize| scores[*b].partial_cmp(&scores[*a]);
        left.sort_by(|a, b| falling(a, b).expect("NaN does not count"));
        let place = |at: usize| self.form.sides([0, 1, 2, 3].map(|it| boxes[at * 4 + it]));
        let mut picks: Vec<usize> = Vec::new();
        for at in left {
            if picks.len() < self.most
                && !picks.iter().any(|&it| place(it).overlap(place(at)) > self.iou)
            {
                picks.push(at);
            }
        }
        picks
    }
}

/// A box by its sides: where it begins and ends on either axis.
#[derive(Clone, Copy)]
struct Sides {
    from: [f32; 2],
    to: [f32; 2],
}

impl Form {
    fn sides(self, [a, b, c, d]: [f32; 4]) -> Sides {
        match self {
            Form::Corners => Sides { from: [less(a, c), less(b, d)], to: [more(a, c), more(b, d)] },
            Form::Centre => {
                Sides { from: [a - c * 0.5, b - d * 0.5], to: [a + c * 0.5, b + d * 0.5] }
            }
        }
    }
}

impl Sides {
    /// Intersection over union; 0 where they do not meet.
    fn overlap(self, other: Sides) -> f32 {
        let [width, height] =
            [0, 1].map(|it| less(self.to[it], other.to[it]) - more(self.from[it], other.from[it]));
        if !(width > 0.0 && height > 0.0) {
            return 0.0;
        }
        let both = width * height;
        both / (self.area() + other.area() - both)
    }

    fn area(self) -> f32 {
        (self.to[0] - self.from[0]) * (self.to[1] - self.from[1])
    }
}

/// The first if it is less, else the second.
fn less(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The first if it is more, else the second.
fn more(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
