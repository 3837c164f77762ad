//! The form of `.net` files: what the formatter makes of them, what the parser says about mistakes, and that
//! neither fails on anything.

#[path = "syntax/random.rs"]
mod random;

use std::path::Path;

use arbitrary::Unstructured;
use netc::diag::{Diagnostics, FileId, Source, Sources, render};
use netc::syntax::ast::{Ast, TriviaKind};
use netc::syntax::{self, SOURCE_BYTES, decode, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use random::Random;

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a corpus file is readable")
}

fn golden(stage: &str, path: &Path, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let stem = path.file_stem().expect("a file has a name");
    settings.set_snapshot_suffix(stem.to_string_lossy());
    settings.bind(|| insta::assert_snapshot!(stage, text));
}

fn rendered(name: &str, text: &str, found: &Diagnostics) -> String {
    let mut sources = Sources::default();
    sources.add(Source { name: name.into(), text: text.to_owned() });
    render::all(&sources, found, render::Format::Human { color: false }, 100)
}

fn parsed(text: &str) -> Ast {
    let (ast, found) = parse(FileId(0), text);
    assert!(found.is_empty(), "{text}\n{}", rendered("a.net", text, &found));
    ast
}

/// The comments of a file, in order.
fn comments(ast: &Ast) -> Vec<String> {
    let text = |it: &TriviaKind| match it {
        TriviaKind::Comment(text) | TriviaKind::Trailing(text) => Some(text.clone()),
        TriviaKind::Blank => None,
    };
    ast.trivia.iter().filter_map(|it| text(&it.kind)).collect()
}

/// Formats a text that has no mistake, and checks all that the formatter promises.
fn formatted(text: &str) -> String {
    let before = parsed(text);
    let once = syntax::format(text).expect("a text without mistakes can be formatted");
    let after = parsed(&once);
    assert_eq!(before.to_string(), after.to_string(), "the tree changed:\n{text}\nbecame\n{once}");
    assert_eq!(comments(&before), comments(&after), "comments changed:\n{text}\nbecame\n{once}");
    let twice = syntax::format(&once).expect("a formatted text can be formatted");
    assert_eq!(once, twice, "not stable for\n{text}");
    assert!(!once.contains("\n\n\n") && !once.lines().any(|it| it.ends_with(' ')), "{once}");
    once
}

/// Every place that a diagnostic names must be in the text.
fn check_places(text: &str, found: &Diagnostics) {
    for it in found {
        let spans = it.labels.iter().map(|it| it.span).chain([it.span]);
        for span in spans {
            let range = span.start as usize..span.end as usize;
            assert!(text.get(range).is_some(), "{span:?} is no place in {text:?}: {}", it.message);
        }
        assert!(!it.message.is_empty());
    }
}

#[test]
fn each_layout_is_as_approved() {
    insta::glob!("corpus/syntax/*.net", |path| golden("fmt", path, &formatted(&read(path))));
}

#[test]
fn each_mistake_of_form_is_told() {
    insta::glob!("corpus/syntax_errors/*.net", |path| {
        let text = read(path);
        let (_, found) = parse(FileId(0), &text);
        assert!(!found.is_empty(), "{} has no mistake", path.display());
        check_places(&text, &found);
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        golden("syntax", path, &format!("{text}\n{}", rendered(&name, &text, &found)));
    });
}

#[test]
fn the_models_are_in_the_canonical_layout() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let files = std::fs::read_dir(folder).expect("the models are there");
    for path in files.map(|it| it.expect("an entry").path()) {
        if path.extension().is_some_and(|it| it == "net") {
            let text = read(&path);
            assert_eq!(formatted(&text), text, "{} is not formatted", path.display());
        }
    }
}

#[test]
fn no_parse_costs_more_than_its_length_allows() {
    let nests: [fn(usize) -> String; 8] = [
        |n| format!("const x = {}1{}\n", "(".repeat(n), ")".repeat(n)),
        |n| format!("const x = {}1{}\n", "[".repeat(n), "]".repeat(n)),
        |n| format!("net A {{ {}relu{} }}\n", "seq { ".repeat(n), " }".repeat(n)),
        |n| format!("net A {{ {}relu{} }}\n", "add { x | ".repeat(n), " }".repeat(n)),
        |n| format!("net A {{ {}relu{} }}\n", "if a { ".repeat(n), " ! }".repeat(n)),
        |n| format!("net A {{ {}relu{} }}\n", "f(2, g ".repeat(n), ")".repeat(n)),
        |n| format!("net A {{ {}relu{} }}\n", "a: 2 * (b -> ".repeat(n), ") 5".repeat(n)),
        |n| format!("const x = {}1{}\n", "a ? (".repeat(n), ") : 2".repeat(n)),
    ];
    for nest in nests {
        for depth in 1..=200 {
            let text = nest(depth);
            let (_, found) = parse(FileId(0), &text);
            check_places(&text, &found);
            // Beyond its budget of calls, which is linear in the length, the parser would give up.
            assert!(!found.iter().any(|it| it.message.contains("tangled")), "{text}");
            assert_eq!(
                found.iter().any(|it| it.code == "nesting"),
                depth > 64 - usize::from(!text.starts_with("const")),
                "{text}"
            );
        }
    }
    let rows: [fn(usize) -> String; 5] = [
        |n| format!("const x = {}1\n", "1 + ".repeat(n)),
        |n| format!("const x = {}1\n", "-".repeat(n)),
        |n| format!("const x = {}1\n", "not ".repeat(n)),
        |n| format!("const x = a{}\n", ".b".repeat(n)),
        |n| format!("const x = {}1\n", "a ? b : ".repeat(n)),
    ];
    for row in rows {
        for count in [1, 200, 300, 20_000] {
            let text = row(count);
            let (_, found) = parse(FileId(0), &text);
            assert_eq!(found.iter().any(|it| it.code == "nesting"), count > 255, "{count}");
            assert!(found.len() <= 1);
        }
    }
}

#[test]
fn files_names_and_strings_have_limits() {
    let codes = |text: &str| parse(FileId(0), text).1.iter().map(|it| it.code).collect::<Vec<_>>();
    let size = |bytes: usize| codes(&format!("#{}", " ".repeat(bytes - 1)));
    assert!(size(SOURCE_BYTES).is_empty());
    assert_eq!(size(SOURCE_BYTES + 1), ["source-size"]);
    let name = |bytes: usize| codes(&format!("const {} = 1", "a".repeat(bytes)));
    assert!(name(128).is_empty());
    assert_eq!(name(129), ["name-length"]);
    let string = |bytes: usize| codes(&format!("use \"{}\"", "a".repeat(bytes)));
    assert!(string(4096).is_empty());
    assert_eq!(string(4097), ["name-length"]);
    assert_eq!(codes("const x = 9223372036854775808"), ["syntax"]);
    assert_eq!(codes("const x = 1e999"), ["syntax"]);
}

/// Noise has a mistake in every other character; telling all of them would take time with its square.
#[test]
fn noise_is_told_within_bounds() {
    let (_, found) = parse(FileId(0), &"\u{fffd}\u{1}[".repeat(50_000));
    assert!((1..=1000).contains(&found.len()), "{} mistakes", found.len());
}

#[test]
fn what_is_not_utf8_is_said_where_it_begins() {
    let (text, found) = decode(FileId(0), b"net A {\n  \xff relu }".to_vec());
    assert_eq!(
        found.iter().map(|it| (it.code, it.span.start)).collect::<Vec<_>>(),
        [("not-utf8", 10)]
    );
    check_places(&text, &found);
    let (_, found) = decode(FileId(0), b"\xff\xfen\0e\0t\0".to_vec());
    assert!(found[0].help.as_ref().is_some_and(|it| it.contains("UTF-16")));
    assert!(decode(FileId(0), b"net A { relu }".to_vec()).1.is_empty());
}

/// A runner that tries the same cases every time.
fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn every_tree_survives_printing() {
    let run = |bytes: Vec<u8>| {
        let mut bytes = Unstructured::new(&bytes);
        let Ok(ast) = (Random { bytes: &mut bytes, depth: 5 }).file() else { return Ok(()) };
        let text = syntax::print(&ast);
        prop_assert_eq!(parsed(&text).to_string(), ast.to_string(), "{}", text);
        formatted(&text);
        Ok(())
    };
    runner(200).run(&vec(any::<u8>(), 0..1500), run).unwrap_or_else(|it| panic!("{it}"));
}

/// What the pieces of a random text are made of.
const PIECES: &[&str] = &[
    "net", "block", "const", "use", "defaults", "bind", "input", "output", "shared", "for", "in",
    "if", "else", "seq", "it", "and", "or", "not", "true", "a", "conv", "add", "x1", "_", "@train",
    "1", "20", "0.5", "1e-3", "3x", "\"s\"", "\"", "'", "(", ")", "[", "]", "{", "}", "|", "->",
    "=>", "<-", "=", "==", ":", ",", "..", ".", "+", "-", "*", "/", "//", "/*", "%", "?", "<", "!",
    "&&", "||", ";", "\n", "\n", "\r\n", "# c", "# c\n", "\t", "\u{2192}", "\u{e9}", "\u{200b}",
    "\u{201c}", "\\", "\u{0}", "^",
];

#[test]
fn no_text_makes_the_parser_fail() {
    let piece = proptest::sample::select(PIECES);
    let run = |pieces: Vec<(&str, bool)>| {
        let text: String =
            pieces.iter().map(|it| format!("{}{}", it.0, if it.1 { " " } else { "" })).collect();
        let (_, found) = parse(FileId(0), &text);
        check_places(&text, &found);
        if found.is_empty() {
            formatted(&text);
        } else {
            prop_assert!(syntax::format(&text).is_err());
        }
        Ok(())
    };
    let texts = vec((piece, any::<bool>()), 0..60);
    runner(1000).run(&texts, run).unwrap_or_else(|it| panic!("{it}"));
}

#[test]
fn a_model_with_a_slip_is_parsed_or_told() {
    let models: Vec<String> = ["densenet", "yolov2", "edges", "siamese"]
        .iter()
        .map(|it| read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/{it}.net"))))
        .collect();
    let run = |(model, at, len, piece): (usize, prop::sample::Index, usize, &str)| {
        let model = &models[model];
        let bounds: Vec<usize> = model.char_indices().map(|it| it.0).collect();
        let start = at.index(bounds.len());
        let (start, end) = (bounds[start], bounds.get(start + len).copied().unwrap_or(model.len()));
        let text = format!("{}{piece}{}", &model[..start], &model[end..]);
        let (_, found) = parse(FileId(0), &text);
        check_places(&text, &found);
        if found.is_empty() {
            formatted(&text);
        }
        Ok(())
    };
    let slips = (
        0..models.len(),
        any::<prop::sample::Index>(),
        0..4usize,
        proptest::sample::select(PIECES),
    );
    runner(250).run(&slips, run).unwrap_or_else(|it| panic!("{it}"));
}
