//! The examples of `docs/language.md` are nets: each compiles, or shows the mistake that it should, and is
//! in the canonical layout. A fence says what it is: `net` a file, `net fragment` statements of a net,
//! `net file=NAME` a file that later ones can use, `net wrong=CODE` a mistake.

use std::collections::BTreeMap;

use netc::diag::{Severity, Source, Sources, codes, render};
use netc::elaborate::{self, Limits, Options};
use netc::ops::Op;
use netc::syntax;

const MANUAL: &str = include_str!("../docs/language.md");

/// A fenced example: what stands behind `net`, the text, and its first line in the manual.
struct Example {
    info: String,
    text: String,
    line: usize,
}

fn examples() -> Vec<Example> {
    let mut examples = Vec::new();
    let mut open: Option<Example> = None;
    for (i, line) in MANUAL.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => examples.extend(open.take().filter(|it| it.info != "no")),
            (Some(it), None) => it.text.push_str(&format!("{line}\n")),
            (None, Some(info)) => {
                let info = info.strip_prefix("net").unwrap_or("no").trim().to_owned();
                open = Some(Example { info, text: String::new(), line: i + 2 });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    examples
}

/// A whole file from statements.
fn complete(example: &Example, block: &str) -> String {
    let (top, body): (Vec<_>, Vec<_>) =
        example.text.lines().partition(|it| it.starts_with("const "));
    let block = if example.info.contains("with=") { block } else { "" };
    let top = top.join("\n");
    let body = body.join("\n  ");
    format!("{top}\n{block}\nnet A {{\n  input x: f32[N, 64, 32, 32]\n  {body}\n  output y\n}}\n")
}

/// What is found in a file: the codes, and all of it as text.
fn check(text: &str, files: &BTreeMap<String, String>) -> (Vec<&'static str>, String) {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "example.net".into(), text: text.to_owned() });
    let mut read = |name: &str| {
        let text = files.get(name).ok_or("not found")?.clone();
        Ok(Source { name: name.to_owned(), text })
    };
    let found = elaborate::check(&mut sources, root, &mut read, &Options::default());
    let shown = render::all(&sources, &found, render::Format::Human { color: false }, 20);
    (found.iter().map(|it| it.code).collect(), shown)
}

#[test]
fn every_example_is_what_it_says() {
    let mut files = BTreeMap::new();
    let mut faults = Vec::new();
    let examples = examples();
    let block =
        examples.iter().flat_map(|it| it.text.lines()).find(|it| it.starts_with("block cbl"));
    let block = block.expect("the manual defines `cbl`");
    for example in &examples {
        let Example { info, text, line } = example;
        let fragment = info.contains("fragment");
        let whole = if fragment { complete(example, block) } else { text.clone() };
        let (mut found, shown) = check(&whole, &files);
        if fragment {
            // Statements out of context leave values unread.
            found.retain(|it| !it.starts_with("unused-"));
        }
        let wanted: Vec<&str> = info.strip_prefix("wrong=").into_iter().collect();
        if found != wanted {
            faults.push(format!(
                "docs/language.md:{line}: wanted {wanted:?}, found {found:?}\n{whole}\n{shown}"
            ));
        }
        if let Some(name) = info.strip_prefix("file=") {
            files.insert(name.to_owned(), text.clone());
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(examples.len() > 20);
}

#[test]
fn every_example_is_in_the_canonical_layout() {
    for Example { info, text, line } in examples() {
        let fragment = info.contains("fragment") && !text.starts_with("const ");
        let indented = || text.lines().map(|it| format!("  {it}\n")).collect::<String>();
        let whole = if fragment { format!("net A {{\n{}}}\n", indented()) } else { text.clone() };
        let formatted = syntax::format(&whole).expect("an example can be parsed");
        assert_eq!(formatted, whole, "docs/language.md:{line}");
    }
}

#[test]
fn every_limit_is_in_the_manual_with_its_default() {
    let limits = format!("{:?}", Limits::default());
    for key in Limits::KEYS {
        let value = limits.split(&format!("{key}: ")).nth(1).expect("a key is a field");
        let value: String = value.chars().take_while(char::is_ascii_digit).collect();
        let row = format!("| `{key}` | {value} |");
        assert!(MANUAL.contains(&row), "docs/language.md: the row `{row}` is missing");
    }
}

#[test]
fn every_word_of_the_manual_that_is_a_layer_exists() {
    let table = MANUAL
        .split("The layers in common use:")
        .nth(1)
        .and_then(|it| it.split("All of them").next());
    for name in table.expect("the table is there").split('`').skip(1).step_by(2) {
        assert!(Op::find(name).is_some(), "docs/language.md: there is no layer `{name}`");
    }
}

#[test]
fn every_page_of_explain_is_whole() {
    for code in codes::all() {
        let mut sources = Sources::default();
        let root = sources.add(Source { name: "a.net".into(), text: code.bad.to_owned() });
        let (_, found) = syntax::parse(root, code.bad);
        let about_form = ["syntax", "nesting", "name-length"].contains(&code.name);
        assert_eq!(
            found.iter().any(|it| it.severity == Severity::Error),
            about_form,
            "{}",
            code.name
        );
    }
}
