//! From the text of an SVG to a PNG, with the font that is carried along and no other: the same bytes everywhere.

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{self, Options, Tree};

/// A part of Arimo; `src/font/README.md` has its licence.
const FONT: &[u8] = include_bytes!("font/sans.ttf");

/// The name of the font in its file.
const FONT_NAME: &str = "Gridsweep Sans";

/// Pixels of the PNG a pixel of the SVG: legible in print.
const SCALE: f32 = 2.0;

/// The largest PNG, in pixels a side.
const SIDE_MAX: f32 = 16_384.0;

/// Why there is no PNG.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// The text is no SVG.
    #[error("the figure is no picture")]
    Svg(#[source] usvg::Error),
    /// It would have too many pixels.
    #[error("the figure is too large for a PNG; an SVG has no such limit")]
    TooLarge,
    /// It cannot be written down.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(String),
}

/// Draws an SVG on white paper, in its light colours.
pub(crate) fn png(svg: &str) -> Result<Vec<u8>, PictureError> {
    let tree = tree(svg)?;
    let size = tree.size();
    let scale = SCALE.min(SIDE_MAX / size.width()).min(SIDE_MAX / size.height());
    let (width, height) = ((size.width() * scale).ceil(), (size.height() * scale).ceil());
    let mut pixels = Pixmap::new(width as u32, height as u32).ok_or(PictureError::TooLarge)?;
    pixels.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| PictureError::Png(error.to_string()))
}

fn tree(svg: &str) -> Result<Tree, PictureError> {
    let mut options = Options { font_family: FONT_NAME.to_owned(), ..Options::default() };
    options.fontdb_mut().load_font_data(FONT.to_vec());
    Tree::from_str(svg, &options).map_err(PictureError::Svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridsweep_common::svg::text::{Anchor, width};
    use gridsweep_common::svg::{Paint, Svg};
    use usvg::{Group, Node, Rect};

    /// A text: where it stands, its letters, and whether it is aslant, so that its box is larger than what it covers.
    type Placed = (Rect, String, bool);

    fn texts(group: &Group, found: &mut Vec<Placed>) {
        for node in group.children() {
            match node {
                Node::Group(inner) => texts(inner, found),
                Node::Text(text) => {
                    let letters = text.chunks().iter().map(|chunk| chunk.text()).collect::<Vec<_>>().concat();
                    let turn = text.abs_transform();
                    let is_aslant = turn.kx.abs() > 0.01 && turn.sx.abs() > 0.01;
                    found.push((text.abs_bounding_box(), letters, is_aslant));
                }
                Node::Path(_) | Node::Image(_) => {}
            }
        }
    }

    fn picture(text: &str, at: (f64, f64)) -> Tree {
        let mut svg = Svg::default();
        svg.text(at, Anchor::Start, 20.0, Paint::Ink, text);
        tree(&svg.into_picture(400.0, 100.0, "a", "b")).unwrap()
    }

    /// Returns the texts that leave the picture or stand on one another.
    fn misplaced(tree: &Tree) -> Vec<String> {
        let mut found = Vec::new();
        texts(tree.root(), &mut found);
        let size = tree.size();
        let leaves = |area: &Rect| {
            area.left() < 0.0
                || area.top() < 0.0
                || area.right() > size.width()
                || area.bottom() > size.height()
        };
        let outside = found.iter().filter(|(area, ..)| leaves(area));
        let mut wrong: Vec<String> =
            outside.map(|(_, text, _)| format!("\"{text}\" leaves the picture")).collect();
        // A pixel of contact is none: boxes are those of the letters' lines, with room above and below.
        let overlap = |a: &Rect, b: &Rect| {
            let across = a.right().min(b.right()) - a.left().max(b.left());
            let down = a.bottom().min(b.bottom()) - a.top().max(b.top());
            across > 1.0 && down > 1.5
        };
        let upright: Vec<&Placed> = found.iter().filter(|(.., is_aslant)| !is_aslant).collect();
        for (number, (area, text, _)) in upright.iter().enumerate() {
            let others = upright[..number].iter().filter(|(other, ..)| overlap(area, other));
            wrong.extend(others.map(|(_, other, _)| format!("\"{text}\" stands on \"{other}\"")));
        }
        wrong
    }

    #[test]
    fn widths_are_those_of_the_carried_font() {
        for text in ["WAVE fi 0.0001", "validation loss (nats)", "−1 … ±0.5 × λ é", "iiiiiiii"] {
            let tree = picture(text, (10.0, 50.0));
            let mut found = Vec::new();
            texts(tree.root(), &mut found);
            let (drawn, computed) = (f64::from(found[0].0.width()), width(text, 20.0));
            // The box of the drawn letters begins and ends with their ink.
            assert!((drawn - computed).abs() < 5.0, "{text}: {drawn} drawn, {computed} computed");
        }
    }

    #[test]
    fn a_text_that_leaves_the_picture_is_found() {
        assert_eq!(misplaced(&picture("inside", (10.0, 50.0))), Vec::<String>::new());
        assert_eq!(misplaced(&picture("outside", (370.0, 50.0))).len(), 1);
        let mut svg = Svg::default();
        svg.text((10.0, 50.0), Anchor::Start, 20.0, Paint::Ink, "one");
        svg.text((15.0, 52.0), Anchor::Start, 20.0, Paint::Ink, "other");
        assert_eq!(misplaced(&tree(&svg.into_picture(400.0, 100.0, "a", "b")).unwrap()).len(), 1);
    }

    #[test]
    fn no_figure_has_a_text_that_is_cut_off_or_stands_on_another() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "svg") {
                let tree = tree(&std::fs::read_to_string(&path).unwrap()).unwrap();
                assert_eq!(misplaced(&tree), Vec::<String>::new(), "{}", path.display());
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen} golden figures");
    }

    #[test]
    fn a_picture_has_the_same_bytes_again_and_is_a_png() {
        let mut svg = Svg::default();
        svg.text((10.0, 50.0), Anchor::Start, 20.0, Paint::Ink, "the same");
        let svg = svg.into_picture(100.0, 60.0, "a", "b");
        let png = png(&svg).unwrap();
        assert_eq!(png, super::png(&svg).unwrap());
        assert!(png.starts_with(&[0x89, b'P', b'N', b'G']));
        assert!(matches!(super::png("<p>"), Err(PictureError::Svg(_))));
    }
}
