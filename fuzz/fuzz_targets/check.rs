//! Any bytes as a `.net` file: decoded, parsed, formatted and checked, without a panic and within limits.
#![no_main]

mod show;

use libfuzzer_sys::fuzz_target;
use netc::diag::{Source, Sources};
use netc::elaborate::{self, Limits, Options};
use netc::syntax;
use show::show;

/// Smaller than the defaults, so that every run is short.
fn limits() -> Limits {
    Limits { repeat: 1000, nodes: 2000, steps: 20_000, elements: 1 << 24, ..Limits::default() }
}

fuzz_target!(|bytes: &[u8]| {
    let mut sources = Sources::default();
    let name = || "fuzz.net".to_owned();
    let root = sources.add(Source { name: name(), text: String::new() });
    let (text, found) = syntax::decode(root, bytes.to_vec());
    let mut sources = Sources::default();
    let root = sources.add(Source { name: name(), text: text.clone() });
    show(&sources, &found);
    let (ast, found) = syntax::parse(root, &text);
    show(&sources, &found);
    if found.is_empty() {
        let once = syntax::format(&text).expect("what parses can be formatted");
        let (again, _) = syntax::parse(root, &once);
        assert_eq!(ast.to_string(), again.to_string(), "formatting changed the tree");
        assert_eq!(syntax::format(&once).as_deref(), Ok(once.as_str()), "formatting is not stable");
    }
    let mut read = |_: &str| Err("not found".to_owned());
    let options = Options { limits: limits(), ..Options::default() };
    let found = elaborate::check(&mut sources, root, &mut read, &options);
    show(&sources, &found);
});
