//! One driver for all goldens: a test is a file, Rust only says what every file must satisfy.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use netc::diag::{Diagnostic, Source, Sources, codes, render};
use netc::elaborate::{self, Elaborated, Options};
use netc::ops::Op;

/// A file as the command line would read it, its name relative to its folder.
struct Case {
    sources: Sources,
    result: Result<Elaborated, Vec<Diagnostic>>,
    text: String,
}

impl Case {
    fn diagnostics(&self) -> &[Diagnostic] {
        match &self.result {
            Ok(elaborated) => &elaborated.warnings,
            Err(diagnostics) => diagnostics,
        }
    }

    fn rendered(&self) -> String {
        let format = render::Format::Human { color: false };
        render::all(&self.sources, self.diagnostics(), format, 20)
    }
}

fn elaborate(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).expect("a corpus file is readable");
    let folder = path.parent().expect("a file has a folder").to_owned();
    let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let mut sources = Sources::default();
    let root = sources.add(Source { name, text: text.clone() });
    let mut read = |name: &str| {
        let text =
            std::fs::read_to_string(folder.join(name)).map_err(|it| it.kind().to_string())?;
        Ok(Source { name: name.to_owned(), text })
    };
    let result = elaborate::elaborate(&mut sources, root, &mut read, &options(&text));
    Case { sources, result, text }
}

/// What the line `# options: --set a=3 --batch 2 --input image=1x3x8x8 --net A --train` asks for.
fn options(text: &str) -> Options {
    let mut options = Options::default();
    let line = text.lines().find_map(|it| it.strip_prefix("# options: ")).unwrap_or_default();
    let mut words = line.split_whitespace();
    let pair = |word: Option<&str>| {
        let (key, value) = word.and_then(|it| it.split_once('=')).expect("key=value");
        (key.to_owned(), value.to_owned())
    };
    while let Some(word) = words.next() {
        match word {
            "--set" => options.set.push(pair(words.next())),
            "--net" => options.net = words.next().map(str::to_owned),
            "--batch" => {
                options.batch = words.next().and_then(|it| it.parse().ok()).expect("a batch");
            }
            "--train" => options.train = true,
            "--limit" => {
                let (key, value) = pair(words.next());
                options.limits.set(&key, value.parse().expect("a number")).expect("a limit");
            }
            "--input" => {
                let (name, dims) = pair(words.next());
                let dims = dims.split('x').map(|it| it.parse().expect("an extent")).collect();
                options.inputs.push((name, dims));
            }
            other => panic!("no option `{other}` in a corpus file"),
        }
    }
    options
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

fn golden(stage: &str, path: &Path, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Set by hand: insta strips the common prefix, so a second file would rename the first one's.
    settings.set_snapshot_suffix(stem(path));
    settings.bind(|| insta::assert_snapshot!(stage, text));
}

/// The codes and lines of `# expect: code@line code@line`.
fn expected(text: &str) -> Vec<(String, usize)> {
    let line = text.lines().next().and_then(|it| it.strip_prefix("# expect: "));
    line.expect("the first line is `# expect: code@line ..`")
        .split_whitespace()
        .map(|it| {
            let (code, line) = it.split_once('@').expect("code@line");
            (code.to_owned(), line.parse().expect("a line"))
        })
        .collect()
}

#[test]
fn each_mistake_is_found_and_told() {
    let faults = RefCell::new(Vec::new());
    insta::glob!("corpus/diag/*.net", |path| {
        let case = elaborate(path);
        let found: Vec<_> = case
            .diagnostics()
            .iter()
            .map(|it| (it.code.to_owned(), render::place(&case.sources, it.span).line))
            .collect();
        if found != expected(&case.text) {
            let path = path.display();
            faults.borrow_mut().push(format!("{path} shows {found:?}:\n{}", case.rendered()));
        }
        golden("diag", path, &format!("{}\n{}", case.text, case.rendered()));
    });
    assert!(faults.borrow().is_empty(), "{}", faults.borrow().join("\n"));
}

#[test]
fn each_code_about_a_net_has_a_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/diag");
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "net") {
            let text = std::fs::read_to_string(&path).expect("a corpus file is readable");
            let codes = expected(&text).into_iter().map(|it| it.0).collect::<Vec<_>>();
            let stem = stem(&path);
            let (first, rest) = stem.split_once('_').unwrap_or((&stem, ""));
            let number = rest.strip_prefix('c').and_then(|it| it.parse::<u32>().ok());
            let code = if number.is_some() { "shape" } else { first };
            assert!(codes.iter().any(|it| it == code), "{stem}.net shows {codes:?}");
            seen.extend(codes);
        }
    }
    for code in codes::all().filter(|it| !it.bad.is_empty()) {
        assert!(seen.contains(code.name), "tests/corpus/diag/{}.net is missing", code.name);
    }
    for code in &seen {
        assert!(codes::find(code).is_some(), "`{code}` is no row of CODES");
    }
}

#[test]
fn each_constraint_of_an_operator_has_a_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/diag");
    let mut faults = Vec::new();
    for entry in Op::TABLE {
        let manual = entry.manual();
        let numbers =
            manual.lines().filter_map(|it| it.trim().strip_prefix("- (")?.split_once(')'));
        for (number, _) in numbers {
            let file = format!("{}_{}.net", entry.name, number.to_lowercase());
            if UNREACHABLE.iter().any(|it| it.0 == file) {
                continue;
            }
            if !folder.join(&file).exists() {
                faults.push(format!("tests/corpus/diag/{file} is missing"));
                continue;
            }
            let case = elaborate(&folder.join(&file));
            let note = format!("this breaks {number} of `{}`", entry.name);
            if !case.diagnostics().iter().any(|it| it.notes.contains(&note)) {
                faults.push(format!("{file} does not break {number}:\n{}", case.rendered()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Constraints that no file can break, and why.
const UNREACHABLE: &[(&str, &str)] = &[
    ("flatten_c1.net", "a vector has as many elements as the value that it is made of"),
    ("reorg_c4.net", "the output has as many elements as the input"),
];

/// The examples that `netc explain` prints.
#[test]
fn each_explained_example_shows_its_code() {
    let mut faults = Vec::new();
    for code in codes::all().filter(|it| !it.bad.is_empty()) {
        let bad = elaborate_text(code.bad);
        let found: BTreeSet<&str> = bad.diagnostics().iter().map(|it| it.code).collect();
        if found != BTreeSet::from([code.name]) {
            faults.push(format!("`{}`:\n{}\n{}", code.name, code.bad, bad.rendered()));
        }
        let good = elaborate_text(code.good);
        if !good.diagnostics().is_empty() {
            faults.push(format!("`{}`:\n{}\n{}", code.name, code.good, good.rendered()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn elaborate_text(text: &str) -> Case {
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "example.net".into(), text: text.to_owned() });
    let mut read = |_: &str| Err("not found".to_owned());
    let result = elaborate::elaborate(&mut sources, root, &mut read, &options(text));
    Case { sources, result, text: text.to_owned() }
}

#[test]
fn every_model_elaborates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    for entry in std::fs::read_dir(folder).expect("the models are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "net") {
            let mut sources = Sources::default();
            let text = std::fs::read_to_string(&path).expect("a model is readable");
            let root = sources.add(Source { name: path.display().to_string(), text });
            let mut read = |_: &str| Err("models stand alone".to_owned());
            let found = elaborate::check(&mut sources, root, &mut read, &Options::default());
            let format = render::Format::Human { color: false };
            assert!(found.is_empty(), "{}", render::all(&sources, &found, format, 20));
        }
    }
}
