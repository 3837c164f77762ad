//! Rust files of this repository, and just enough of a lexer to tell code from comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct File {
    /// Its path from the root of the repository.
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
    /// The text with comments and the insides of strings blanked; the same lines.
    pub(crate) code: String,
}

/// A function and where it stands.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file that must be there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all files with an extension below a folder, from the root, sorted.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(from_root(&path));
            }
        }
    }
    found.sort();
    found
}

fn from_root(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root()).expect("it lies below the root").into();
    path.to_str().expect("our paths are ASCII").replace('\\', "/")
}

/// All Rust files below a folder.
pub(crate) fn rust(folder: &str) -> Vec<File> {
    let load = |path: String| {
        let text = read(&path);
        File { code: blank(&text), path, text }
    };
    files(folder, "rs").into_iter().map(load).collect()
}

/// Blanks comments and the insides of strings and characters.
pub(crate) fn blank(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut code = source.clone();
    let mut at = 0;
    while at < source.len() {
        let end = skip(&source, at);
        for place in at..end {
            if source[place] != '\n' {
                code[place] = ' ';
            }
        }
        at = end.max(at + 1);
    }
    code.into_iter().collect()
}

/// One past the comment, string or character that starts here; `at` itself if none does.
fn skip(source: &[char], at: usize) -> usize {
    let rest = &source[at..];
    let found = |end: Option<usize>| end.map_or(source.len(), |it| at + it);
    match rest {
        ['/', '/', ..] => found(rest.iter().position(|&it| it == '\n')),
        ['/', '*', ..] => found(rest.windows(2).position(|it| it == ['*', '/']).map(|it| it + 2)),
        ['"', ..] => found(quoted(rest)),
        ['\'', '\\', ..] => found(rest.iter().skip(3).position(|&it| it == '\'').map(|it| it + 4)),
        ['\'', _, '\'', ..] => at + 3,
        ['r', '"' | '#', ..] if at == 0 || !is_word(source[at - 1]) => raw(source, at),
        _ => at,
    }
}

/// One past the closing quote of a string that starts the text.
fn quoted(rest: &[char]) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// One past a raw string that starts here; `at` itself for a raw identifier.
fn raw(source: &[char], at: usize) -> usize {
    let hashes = source[at + 1..].iter().take_while(|&&it| it == '#').count();
    let open = at + 1 + hashes;
    if source.get(open) != Some(&'"') {
        return at;
    }
    let closes = |it: usize| {
        source[it] == '"'
            && source[it + 1..].iter().take(hashes).filter(|&&it| it == '#').count() == hashes
    };
    (open + 1..source.len()).find(|&it| closes(it)).map_or(source.len(), |it| it + 1 + hashes)
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

/// The places where a whole word stands in code.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|it| it.0).filter(move |&at| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The number of the line that holds a byte, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Every function with a body, and how many lines it has from its name to its last brace.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let body_of = |at: usize| {
        let stop = at + code[at..].find(['{', ';'])?;
        (code.as_bytes()[stop] == b'{').then_some(stop)
    };
    words(code, "fn")
        .filter_map(|at| {
            let name: String =
                code[at + 2..].trim_start().chars().take_while(|&it| is_word(it)).collect();
            let open = body_of(at).filter(|_| !name.is_empty())?;
            let first = line_of(code, at);
            let last = line_of(code, open + matching(&code[open..])?);
            Some(Function { name, line: first, lines: last - first + 1 })
        })
        .collect()
}

/// The place of the brace that closes the one at the start.
fn matching(code: &str) -> Option<usize> {
    let mut depth = 0;
    code.char_indices().find_map(|(at, it)| {
        depth += i32::from(it == '{') - i32::from(it == '}');
        (depth == 0).then_some(at)
    })
}

#[test]
fn comments_and_strings_are_no_code() {
    let text = "a // fn b() {\n'x' \"{ \\\" unsafe\" r#\"\"unsafe\"# 'life /* { */ '\\'' r#fn z";
    let code = blank(text);
    assert_eq!(code.lines().next().map(str::trim_end), Some("a"));
    assert!(!code.contains(['{', '"']) && words(&code, "unsafe").next().is_none(), "{code}");
    assert!(code.contains("'life") && code.ends_with("r#fn z"), "{code}");
}

#[test]
fn functions_are_measured_to_their_last_brace() {
    let code = blank(
        "fn one() {}\nfn none();\nimpl A {\n    fn two(\n    ) -> B {\n        if c {}\n    }\n}\n",
    );
    let found: Vec<_> =
        functions(&code).iter().map(|it| (it.name.clone(), it.line, it.lines)).collect();
    assert_eq!(found, [("one".to_owned(), 1, 1), ("two".to_owned(), 4, 4)]);
}
