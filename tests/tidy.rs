//! What the repository promises about itself: layers, rooms for dangerous tools, sizes, and that what is
//! written down is also done and tested. Each test says in its failure what to change.

#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;

use source::{File, files, functions, line_of, read, rust, words};

/// The modules, bottom first. A module may name only modules to its left, and itself.
const LAYERS: &[&str] = &[
    "diag",
    "shape",
    "tensor",
    "syntax",
    "nest",
    "ops",
    "graph",
    "elaborate",
    "lift",
    "picture",
    "weights",
    "onnx",
    "darknet",
    "interpret",
    "verify",
    "report",
    "passes",
    "plan",
    "codegen",
    "program",
    "model",
    "cli",
];

/// Words of code that stand only in some files: the word, where, and why.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("pest", &["src/syntax/convert"], "the parser's tree is converted in one place"),
    ("pest_derive", &["src/syntax/convert"], "the parser's tree is converted in one place"),
    ("cranelift", CODE, "only code generation and the program know the back end"),
    ("cranelift_jit", CODE, "only code generation and the program know the back end"),
    ("iced_x86", CODE, "only code generation knows instructions"),
    ("unsafe", CODE, "only code generation and the program may be unsafe"),
    ("println", OUTSIDE, "only the command line prints"),
    ("eprintln", OUTSIDE, "only the command line prints"),
    ("fs", OUTSIDE, "only the command line reads and writes files"),
    ("env", OUTSIDE, "only the command line looks at the environment"),
    ("process", OUTSIDE, "only the command line ends or starts processes"),
];
const CODE: &[&str] = &["src/codegen", "src/program"];
const OUTSIDE: &[&str] = &["src/cli", "src/main.rs"];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
/// Raising this wants a reason in the commit that does.
const UNSAFE_MAX: usize = 40;

#[test]
fn modules_name_only_modules_below() {
    let level = |module: &str| LAYERS.iter().position(|&it| it == module);
    let mut faults = Vec::new();
    for file in rust("src") {
        let Some(module) = module_of(&file.path) else { continue };
        let Some(own) = level(&module) else {
            faults.push(format!("{}: `{module}` has no place in LAYERS", file.path));
            continue;
        };
        for (line, named) in named_modules(&file.code) {
            if level(&named).is_some_and(|it| it > own) {
                faults.push(format!(
                    "{}:{line}: `{module}` names `{named}`, which lies above it",
                    file.path
                ));
            }
        }
    }
    report(&faults);
}

/// The module that a file belongs to; `None` for the roots.
fn module_of(path: &str) -> Option<String> {
    let inside = path.strip_prefix("src/").expect("only files of src are asked for");
    let module = inside.split('/').next().expect("a path has a first part").trim_end_matches(".rs");
    (!["lib", "main"].contains(&module)).then(|| module.to_owned())
}

/// The modules that code names behind `crate::`, alone or in braces, with their lines.
fn named_modules(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let named = if rest.starts_with('{') { split_group(rest) } else { vec![first_word(rest)] };
        found.extend(named.into_iter().map(|it| (line_of(code, at), it)));
    }
    found
}

/// The first words of the entries of `{a::b, c::{d, e}}`.
fn split_group(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut entries = vec![String::new()];
    for it in group.chars() {
        match it {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => entries.push(String::new()),
            _ => entries.last_mut().expect("there is one at first").push(it),
        }
        if depth == 0 {
            break;
        }
    }
    entries.iter().map(|it| first_word(it.trim())).collect()
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
}

#[test]
fn groups_of_imports_are_read_whole() {
    let named = named_modules("use crate::{diag::{A, B}, shape,\n    plan::C};\ncrate::ops::x()");
    let named: Vec<_> = named.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(named, ["diag", "shape", "plan", "ops"]);
}

#[test]
fn dangerous_words_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for file in rust("src") {
        for (word, rooms, reason) in ROOMS {
            if rooms.iter().any(|it| file.path.starts_with(it)) || file.path.ends_with("/tests.rs")
            {
                continue;
            }
            for at in words(&file.code, word).filter(|&at| is_use(&file.code, at, word)) {
                let line = line_of(&file.code, at);
                faults.push(format!("{}:{line}: `{word}` outside {rooms:?}: {reason}", file.path));
            }
        }
    }
    report(&faults);
}

/// Whether a word names the thing itself: `unsafe`, a macro, or the head or a part of a path.
fn is_use(code: &str, at: usize, word: &str) -> bool {
    let after = &code[at + word.len()..];
    match word {
        "unsafe" => true,
        "println" | "eprintln" => after.starts_with('!'),
        "fs" | "env" | "process" => code[..at].ends_with("std::"),
        _ => after.starts_with("::") || code[..at].ends_with("use "),
    }
}

#[test]
fn unsafe_code_is_counted_and_argued_for() {
    let mut blocks = 0;
    for file in rust("src") {
        let found = words(&file.code, "unsafe").count();
        if found > 0 {
            println!("{found:3} {}", file.path);
        }
        blocks += found;
    }
    println!("{blocks} places of unsafe code of at most {UNSAFE_MAX}");
    assert!(blocks <= UNSAFE_MAX, "{blocks} places of unsafe code, {UNSAFE_MAX} allowed");
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for file in every_rust_file() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            faults
                .push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}: split it", file.path));
        }
        for it in functions(&file.code).iter().filter(|it| it.lines > FUNCTION_LINES_MAX) {
            let what =
                format!("`{}` has {} lines, at most {FUNCTION_LINES_MAX}", it.name, it.lines);
            faults.push(format!("{}:{}: {what}: split it", file.path, it.line));
        }
    }
    report(&faults);
}

#[test]
fn nothing_is_put_off() {
    // Spelled in parts, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let macros = ["dbg", "todo", "unimplemented"];
    let mut faults = Vec::new();
    for file in every_rust_file() {
        for mark in marks {
            let found = words(&file.text, mark).map(|at| line_of(&file.text, at));
            faults.extend(
                found.map(|line| format!("{}:{line}: {mark}: do it or drop it", file.path)),
            );
        }
        for name in macros {
            let called = |&at: &usize| file.code[at + name.len()..].starts_with('!');
            let found = words(&file.code, name).filter(called).map(|at| line_of(&file.code, at));
            faults.extend(found.map(|line| format!("{}:{line}: `{name}!`", file.path)));
        }
    }
    report(&faults);
}

#[test]
fn the_architecture_names_every_module_and_dependency() {
    let page = read("ARCHITECTURE.md");
    let mut faults = Vec::new();
    for path in files("src", "rs") {
        let top = path.matches('/').count() == 1;
        if top && !page.contains(&format!("`{path}`")) {
            faults.push(format!("ARCHITECTURE.md: say in the code map what `{path}` is"));
        }
    }
    for place in page.split('`').skip(1).step_by(2).filter(|it| is_path(it)) {
        if !source::root().join(place).exists() {
            faults.push(format!("ARCHITECTURE.md: `{place}` does not exist"));
        }
    }
    for name in dependencies(&read("Cargo.toml")) {
        if !page.contains(&format!("| `{name}` |")) {
            faults.push(format!("ARCHITECTURE.md: say in the table why we depend on `{name}`"));
        }
    }
    report(&faults);
}

/// Whether a quoted word is a path of this repository, and no pattern.
fn is_path(word: &str) -> bool {
    let folders = ["src/", "tests/", "grammar/", "models/", "docs/", "benches/", "examples/"];
    folders.iter().any(|it| word.starts_with(it)) && !word.contains(['<', ' '])
}

/// The names in the dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| inside) {
            names.push(name.to_owned());
        }
    }
    assert!(names.len() > 10, "the manifest lists its dependencies one a line");
    names
}

#[test]
fn constraints_are_checked_where_they_are_documented() {
    let mut faults = Vec::new();
    for file in operators() {
        let documented =
            constraints(&file.text, "(C", ')', |line| line.trim_start().starts_with("///"));
        let checked =
            constraints(&file.text, "\"C", '"', |line| !line.trim_start().starts_with("//"));
        for it in documented.difference(&checked) {
            faults.push(format!("{}: {it} is documented, but no code checks it", file.path));
        }
        for it in checked.difference(&documented) {
            faults.push(format!("{}: {it} is checked, but not documented", file.path));
        }
    }
    report(&faults);
}

/// The files of operators: those that `src/ops.rs` puts into its table.
fn operators() -> Vec<File> {
    let is_operator = |it: &File| it.text.contains("impl Operator for ");
    let found: Vec<_> = rust("src/ops").into_iter().filter(is_operator).collect();
    assert!(!found.is_empty(), "there are operators");
    found
}

/// `C1` and its like, between two marks, in the lines asked for.
fn constraints(text: &str, open: &str, close: char, wanted: fn(&str) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().filter(|it| wanted(it)) {
        for (at, _) in line.match_indices(open) {
            let rest = &line[at + open.len()..];
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !digits.is_empty() && rest[digits.len()..].starts_with(close) {
                found.insert(format!("C{digits}"));
            }
        }
    }
    found
}

#[test]
fn snapshots_have_sources() {
    let mut faults = Vec::new();
    for path in files("tests", "snap") {
        for line in read(&path).lines().skip(1).take_while(|it| *it != "---") {
            let Some((key, of)) = line.split_once(": ") else { continue };
            if ["source", "input_file"].contains(&key) && !source::root().join(of).exists() {
                faults.push(format!("{path}: its {key} {of} is gone: delete the golden"));
            }
        }
    }
    report(&faults);
}

/// The library, its tests, benches and examples.
fn every_rust_file() -> Vec<File> {
    ["src", "tests", "benches", "examples"].into_iter().flat_map(rust).collect()
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
