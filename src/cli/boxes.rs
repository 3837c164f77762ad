//! What a net finds on a picture: as a table, as JSON, and drawn on the picture.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::files;
use super::terminal::{Stop, Terminal, number};
use crate::nest::suppress::Form;
use crate::picture::{Mark, Picture, Placement};
use crate::report::shown;
use crate::tensor::{max, min};

/// Numbers of one row of an output of boxes: sample, class, score, box.
const ROW: usize = 7;

/// The most letters of a label that are drawn.
const LETTERS_MAX: usize = 40;

/// A box that a net found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Detection {
    sample: usize,
    pub(super) class: usize,
    score: f32,
    /// Left, top, right and bottom, in pixels of the picture, or of the input where there is no picture.
    corners: [f64; 4],
}

/// The rows of an output of boxes, by sample and falling score.
pub(super) fn read(rows: &[f32], form: Form, placement: Option<&Placement>) -> Vec<Detection> {
    let plain = Placement { scale: [1.0; 2], offset: [0.0; 2] };
    let placement = placement.unwrap_or(&plain);
    let detection = |row: &[f32; ROW]| {
        let [sample, class, score, a, b, c, d] = *row;
        let [a, b, c, d] = [a, b, c, d].map(f64::from);
        let corners = match form {
            Form::Corners => [min(a, c), min(b, d), max(a, c), max(b, d)],
            Form::Centre => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
        };
        let pixel = |at: usize| (corners[at] - placement.offset[at % 2]) * placement.scale[at % 2];
        let corners = [0, 1, 2, 3].map(pixel);
        Detection { sample: sample as usize, class: class as usize, score, corners }
    };
    let mut found: Vec<Detection> = rows.as_chunks().0.iter().map(detection).collect();
    found.sort_by(|a, b| a.sample.cmp(&b.sample).then(b.score.total_cmp(&a.score)));
    found
}

impl Detection {
    fn label(&self, labels: &[String]) -> String {
        labels.get(self.class).map_or_else(|| format!("class {}", self.class), |it| shown(it))
    }
}

/// A table: label, score, and the corners on whole pixels.
pub(super) fn text(text: &mut String, found: &[Detection], labels: &[String]) {
    if found.is_empty() {
        text.push_str("  nothing\n");
        return;
    }
    let names: Vec<String> = found.iter().map(|it| it.label(labels)).collect();
    let width = names.iter().map(|it| it.width()).max().unwrap_or(0);
    let batch = found.iter().any(|it| it.sample > 0);
    for (it, name) in found.iter().zip(names) {
        let sample = if batch { format!("sample {}  ", it.sample) } else { String::new() };
        let gap = " ".repeat(width - name.width());
        let [left, top, right, bottom] = it.corners.map(|it| format!("{it:.0}"));
        let _ = writeln!(
            text,
            "  {sample}{name}{gap}  {:>6.2} %  left {left:>4}  top {top:>4}  right {right:>4}  bottom {bottom:>4}",
            100.0 * it.score
        );
    }
}

/// One object a box.
pub(super) fn json(found: &[Detection], labels: &[String]) -> Value {
    let one = |it: &Detection| {
        json!({
            "sample": it.sample, "class": it.class, "label": labels.get(it.class),
            "score": number(it.score), "box": it.corners.map(|it| number(it as f32)),
        })
    };
    found.iter().map(one).collect()
}

/// Whether a picture can be written into a file is known by its name.
pub(super) fn check(flag: &str, path: &Path) -> Result<(), Stop> {
    files::check_extension(flag, path, &["png", "jpg", "jpeg"])
}

/// Whether a picture's file is JPEG, by its name; it is PNG otherwise.
pub(super) fn as_jpeg(path: &Path) -> bool {
    files::is_named(path, "jpg") || files::is_named(path, "jpeg")
}

/// Draws the boxes of the first sample on the picture.
pub(super) fn draw(
    terminal: &Terminal,
    path: &Path,
    picture: &Picture,
    found: &[Detection],
    labels: &[String],
) -> Result<(), Stop> {
    let mark = |it: &Detection| {
        let name: String = it.label(labels).chars().take(LETTERS_MAX).collect();
        let words = format!("{name} {:.0} %", 100.0 * it.score);
        Mark { corners: it.corners, words, kind: it.class }
    };
    let marks: Vec<Mark> = found.iter().filter(|it| it.sample == 0).map(mark).collect();
    let bytes = picture
        .marked(&marks, as_jpeg(path))
        .map_err(|it| Stop::Command(format!("cannot write `{}`: {it}", files::name(path))))?;
    files::write(terminal, path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_go_back_to_the_picture_best_first() {
        let rows = [0.0, 3.0, 0.5, 20.0, 30.0, 8.0, 4.0, 0.0, 1.0, 0.75, 10.0, 10.0, 2.0, 2.0];
        let placement = Placement { scale: [2.0, 4.0], offset: [4.0, 0.0] };
        let found = read(&rows, Form::Centre, Some(&placement));
        assert_eq!(found.iter().map(|it| it.class).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(found[1].corners, [24.0, 112.0, 40.0, 128.0]);
        let plain = read(&rows[..7], Form::Corners, None);
        assert_eq!(plain[0].corners, [8.0, 4.0, 20.0, 30.0]);
        assert_eq!(plain[0].label(&[]), "class 3");
    }
}
