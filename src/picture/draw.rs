//! Boxes with words on a picture.

use std::convert::Infallible;
use std::ops::Range;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_9X15_BOLD as FONT;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};
use image::{Rgb, RgbImage};

/// A box to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Left, top, right and bottom in pixels; what lies outside is cut off.
    pub corners: [f64; 4],
    /// What stands above it.
    pub words: String,
    /// Marks of one kind have one colour.
    pub kind: usize,
}

/// Colours that can be told apart, and on which white can be read.
const COLOURS: [[u8; 3]; 8] = [
    [200, 40, 40],
    [30, 110, 200],
    [30, 130, 60],
    [170, 80, 180],
    [190, 95, 10],
    [0, 125, 135],
    [110, 90, 60],
    [215, 50, 130],
];

/// Labels that make room for each other; more than these have none left.
const STACKED: usize = 200;

/// A picture with marks on it, the first on top.
pub(super) fn marks(mut image: RgbImage, marks: &[Mark]) -> RgbImage {
    // A line is a pixel wide on 300 pixels, and words grow with it.
    let zoom = i64::from((image.width().min(image.height()) / 300).max(1));
    let marks: Vec<&Mark> =
        marks.iter().filter(|it| it.corners.iter().all(|it| it.is_finite())).collect();
    let mut labels: Vec<Label> = Vec::new();
    for mark in &marks {
        let mut label = Label::above(&image, mark, zoom);
        let stacked = &labels[..labels.len().min(STACKED)];
        while stacked.iter().any(|it| it.meets(&label)) && label.rows.end < image.height().into() {
            label.rows = label.rows.end..2 * label.rows.end - label.rows.start;
        }
        labels.push(label);
    }
    for mark in marks.iter().rev() {
        outline(&mut image, mark, 2 * zoom);
    }
    for (mark, label) in marks.iter().zip(labels).rev() {
        label.draw(&mut image, mark);
    }
    image
}

fn colour(mark: &Mark) -> [u8; 3] {
    COLOURS[mark.kind % COLOURS.len()]
}

/// The corners of a mark in whole pixels of the picture.
fn corners(image: &RgbImage, mark: &Mark) -> [i64; 4] {
    let most = [image.width(), image.height()].map(i64::from);
    let inside = |it: f64, axis: usize| (it.round() as i64).clamp(0, most[axis]);
    let [left, top, right, bottom] = mark.corners;
    [inside(left, 0), inside(top, 1), inside(right, 0), inside(bottom, 1)]
}

fn outline(image: &mut RgbImage, mark: &Mark, width: i64) {
    let [left, top, right, bottom] = corners(image, mark);
    for (columns, rows) in [
        (left..right, top..top + width),
        (left..right, bottom - width..bottom),
        (left..left + width, top..bottom),
        (right - width..right, top..bottom),
    ] {
        fill(image, columns, rows, colour(mark));
    }
}

/// Where the words of a mark stand.
struct Label {
    columns: Range<i64>,
    rows: Range<i64>,
    /// Pixels of the picture for one of a letter.
    zoom: i64,
}

impl Label {
    /// Above the box, or inside it if there is no room above.
    fn above(image: &RgbImage, mark: &Mark, zoom: i64) -> Label {
        // Larger letters where a pixel is small.
        let zoom = (zoom + 1) / 2;
        let size = FONT.character_size;
        let letters = mark.words.chars().count() as i64;
        let across = zoom * (i64::from(size.width) * letters + 4);
        let down = zoom * i64::from(size.height);
        let [left, top, ..] = corners(image, mark);
        let left = left.min((i64::from(image.width()) - across).max(0));
        let top = if top >= down { top - down } else { top };
        Label { columns: left..left + across, rows: top..top + down, zoom }
    }

    fn meets(&self, other: &Label) -> bool {
        let meet = |a: &Range<i64>, b: &Range<i64>| a.start < b.end && b.start < a.end;
        meet(&self.columns, &other.columns) && meet(&self.rows, &other.rows)
    }

    fn draw(self, image: &mut RgbImage, mark: &Mark) {
        let Label { columns, rows, zoom } = self;
        fill(image, columns.clone(), rows.clone(), colour(mark));
        let mut canvas = Canvas { image, left: columns.start + 2 * zoom, top: rows.start, zoom };
        let style = MonoTextStyle::new(&FONT, Rgb888::WHITE);
        let words = Text::with_baseline(&mark.words, Point::zero(), style, Baseline::Top);
        let Ok(_) = words.draw(&mut canvas);
    }
}

/// Fills what lies inside the picture.
fn fill(image: &mut RgbImage, columns: Range<i64>, rows: Range<i64>, colour: [u8; 3]) {
    let within = |it: Range<i64>, most: u32| {
        it.start.clamp(0, i64::from(most)) as u32..it.end.clamp(0, i64::from(most)) as u32
    };
    let columns = within(columns, image.width());
    for y in within(rows, image.height()) {
        for x in columns.clone() {
            image.put_pixel(x, y, Rgb(colour));
        }
    }
}

/// Part of a picture, in pixels of several of the picture's.
struct Canvas<'a> {
    image: &'a mut RgbImage,
    left: i64,
    top: i64,
    zoom: i64,
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            let x = self.left + self.zoom * i64::from(at.x);
            let y = self.top + self.zoom * i64::from(at.y);
            let colour = [colour.r(), colour.g(), colour.b()];
            fill(self.image, x..x + self.zoom, y..y + self.zoom, colour);
        }
        Ok(())
    }
}

impl Dimensions for Canvas<'_> {
    fn bounding_box(&self) -> embedded_graphics::primitives::Rectangle {
        let size = Size::new(self.image.width(), self.image.height());
        embedded_graphics::primitives::Rectangle::new(Point::zero(), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_cut_off_at_the_border_and_leave_the_rest_as_it_was() {
        let grey = RgbImage::from_pixel(100, 80, Rgb([9, 9, 9]));
        let mark = |corners| Mark { corners, words: "é x".to_owned(), kind: 1 };
        let drawn = marks(grey.clone(), &[mark([20.0, 40.0, 60.0, 70.0])]);
        assert_eq!(drawn.get_pixel(20, 50), &Rgb(COLOURS[1]));
        assert_eq!(drawn.get_pixel(40, 69), &Rgb(COLOURS[1]));
        assert_eq!(drawn.get_pixel(40, 55), &Rgb([9, 9, 9]));
        assert_eq!(drawn.get_pixel(61, 50), &Rgb([9, 9, 9]));
        assert!(drawn.pixels().any(|it| *it == Rgb([255, 255, 255])), "there are letters");
        let wild = [
            [-1e30, -5.0, 1e30, 5.0],
            [90.0, 70.0, 20.0, 10.0],
            [f64::NAN, 0.0, 9.0, 9.0],
            [f64::INFINITY, 0.0, 9.0, 9.0],
        ];
        for corners in wild {
            marks(grey.clone(), &[mark(corners)]);
        }
        assert_eq!(marks(grey.clone(), &[mark(wild[2])]), grey);
        marks(RgbImage::new(1, 1), &[mark([0.0, 0.0, 1.0, 1.0])]);
    }

    #[test]
    fn labels_of_one_box_stand_below_each_other() {
        let grey = RgbImage::from_pixel(100, 80, Rgb([9, 9, 9]));
        let mark = |kind| Mark { corners: [20.0, 20.0, 60.0, 79.0], words: "x".to_owned(), kind };
        let drawn = marks(grey, &[mark(1), mark(2), mark(3)]);
        let label = |row| drawn.get_pixel(21, row).0;
        assert_eq!([label(6), label(24), label(38)], [COLOURS[1], COLOURS[2], COLOURS[3]]);
    }
}
