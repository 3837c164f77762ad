//! Files that nobody means: no text makes the front of the compiler panic or draw badly, and what it
//! accepts is a graph that keeps its own rules.

#[path = "hostile/models.rs"]
mod models;

use std::path::Path;

use netc::diag::{Source, Sources, render};
use netc::elaborate::{self, Options};

/// Files to change: the corpus of mistakes, and the examples that `netc explain` shows, right and wrong.
fn seeds() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/diag");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is there")
        .map(|it| it.expect("an entry").path())
        .filter(|it| it.extension().is_some_and(|it| it == "net"))
        .collect();
    paths.sort();
    let corpus = paths.iter().map(|it| std::fs::read_to_string(it).expect("a file is readable"));
    let examples = netc::diag::codes::all().flat_map(|it| [it.bad, it.good, it.good]);
    corpus.chain(examples.filter(|it| !it.is_empty()).map(str::to_owned)).collect()
}

/// A sequence of numbers that looks random and is the same every time (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// Words, numbers, signs and blanks of a text, one after another.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let word = |it: char| it.is_alphanumeric() || it == '_';
    for it in text.chars() {
        match pieces.last_mut() {
            Some(last) if word(it) && last.chars().all(word) => last.push(it),
            _ => pieces.push(it.to_string()),
        }
    }
    pieces
}

/// Pieces that stand where they should not.
const ODD: &[&str] = &[
    "0",
    "-1",
    "2147483648",
    "9223372036854775807",
    "1e308",
    "1e-9",
    "half",
    "it",
    "it.c",
    "->",
    "{",
    "}",
    "(",
    ")",
    "|",
    "[]",
    "x",
    "N",
    "3 *",
    "first(1, 2)",
    "seq {",
    "add {",
    "true",
    "\"",
    "\u{e9}",
    "@train",
    "=>",
    "[_, 1]",
    "for _ in 0..3 {",
    "if",
    "not",
    ",",
    "=",
    ":",
    "use \"a.net\"",
    "\0",
    "\n",
];

fn change(pieces: &mut Vec<String>, others: &[String], dice: &mut Dice) {
    let at = dice.below(pieces.len());
    match dice.below(10) {
        0 => pieces[at] = ODD[dice.below(ODD.len())].to_owned(),
        1 => pieces.insert(at, ODD[dice.below(ODD.len())].to_owned()),
        2 => {
            pieces.remove(at);
        }
        3 => pieces[at] = others[dice.below(others.len())].clone(),
        4 => {
            let to = (at + 1 + dice.below(12)).min(pieces.len());
            let copy = pieces[at..to].to_vec();
            let place = dice.below(pieces.len());
            pieces.splice(place..place, copy);
        }
        5 => {
            let other = dice.below(pieces.len());
            pieces.swap(at, other);
        }
        // A word for a word keeps the form, so that what is behind the parser is reached.
        _ => {
            let is_word = |it: &&String| it.chars().all(|it| it.is_alphanumeric() || it == '_');
            let words: Vec<_> = others.iter().filter(is_word).collect();
            let next = pieces.iter().skip(at).position(|it| is_word(&it));
            if let (Some(next), false) = (next, words.is_empty()) {
                pieces[at + next] = words[dice.below(words.len())].clone();
            }
        }
    }
    if pieces.is_empty() {
        pieces.push("net".to_owned());
    }
}

#[test]
fn no_file_makes_the_front_panic() {
    const FILES: usize = 400;
    let seeds = seeds();
    let mut dice = Dice(7);
    let mut accepted = 0;
    for _ in 0..FILES {
        let mut text = pieces(&seeds[dice.below(seeds.len())]);
        let others = pieces(&seeds[dice.below(seeds.len())]);
        for _ in 0..1 + dice.below(4) {
            change(&mut text, &others, &mut dice);
        }
        accepted += usize::from(is_accepted(&text.concat()));
    }
    println!("{accepted} of {FILES} changed files are nets");
    assert!(accepted > 0, "changes leave some files whole");
}

/// Builds a file with every option that can go wrong; whatever is said can be drawn.
fn is_accepted(text: &str) -> bool {
    let mut accepted = false;
    let net = Some("A".to_owned());
    let inputs = vec![("image".to_owned(), vec![1, 3, 9, 9])];
    let all =
        [Options::default(), Options { net, inputs, batch: 3, train: true, ..Options::default() }];
    for options in all {
        let mut sources = Sources::default();
        let root = sources.add(Source { name: "a.net".into(), text: text.to_owned() });
        let mut read = |_: &str| Err("not found".to_owned());
        let found = match elaborate::elaborate(&mut sources, root, &mut read, &options) {
            Ok(elaborated) => {
                accepted = true;
                elaborated.graph.verify();
                elaborated.warnings
            }
            Err(found) => {
                assert!(!found.is_empty(), "a file is refused without a word:\n{text}");
                found
            }
        };
        for it in &found {
            assert!(netc::diag::codes::find(it.code).is_some(), "`{}` is no row of CODES", it.code);
            let drawn = render::render(&sources, it, false);
            assert!(!drawn.contains('\u{1b}') && drawn.contains(it.code), "{drawn}");
        }
        let mut keys: Vec<_> = found.iter().map(|it| (it.code, it.span, &it.message)).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "a mistake is told twice:\n{text}");
    }
    accepted
}
