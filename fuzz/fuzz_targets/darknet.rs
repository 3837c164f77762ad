//! Any bytes as a Darknet network: a clear error, or a graph that holds its invariants and weights that fit it.
//!
//! What stands behind the first zero byte is the `.weights` file; a file of the right length is tried too.
#![no_main]

mod show;

use libfuzzer_sys::fuzz_target;
use netc::darknet::{self, Imported, Options};
use netc::diag::{Source, Sources};
use netc::elaborate::Limits;
use netc::weights;
use show::show;

fn read(imported: &Imported, bytes: &[u8]) {
    for partial in [None, Some(1)] {
        if let Ok(values) = imported.layout.read(bytes, partial) {
            for param in weights::stored(&imported.graph) {
                let _ = values.tensor(&imported.graph, param);
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|it| *it == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut sources = Sources::default();
    let root = sources.add(Source { name: "fuzz.cfg".to_owned(), text: text.clone() });
    let limits = Limits { nodes: 2000, elements: 1 << 20, params: 1 << 16, ..Limits::default() };
    let options = Options { limits, train: true, ..Options::default() };
    match darknet::import(root, &text, "Fuzz", &options) {
        Err(found) => {
            assert!(!found.is_empty());
            show(&sources, &found);
        }
        Ok(imported) => {
            show(&sources, &imported.warnings);
            imported.graph.verify();
            let _ = imported.graph.to_string();
            read(&imported, bytes.get(end + 1..).unwrap_or_default());
            let length = usize::try_from(imported.layout.len()).expect("a small net");
            let whole = [&[0; 20][..], &vec![0x3f; 4 * length]].concat();
            imported.layout.read(&whole[4..], None).expect("a file of an old version fits");
            read(&imported, &whole);
        }
    }
});
