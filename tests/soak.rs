//! Code goes away with its owner. Alone in its process, because it watches the memory of all of it.
#![cfg(target_os = "linux")]

use netc::codegen::Options;
use netc::diag::{Source, Sources};
use netc::elaborate::{self, elaborate};
use netc::graph::ParamId;
use netc::plan::{self, plan};
use netc::program::Program;

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("a process knows its memory");
    let pages = text.split(' ').nth(1).expect("resident pages are the second number");
    pages.parse::<usize>().expect("a number") * 4096
}

#[test]
fn dropping_a_program_frees_its_code() {
    let mut sources = Sources::default();
    let text = "net Relu {\n  input x: f32[N, 8]\n  relu\n  output y\n}\n".to_owned();
    let root = sources.add(Source { name: "relu.net".to_owned(), text });
    let mut no_files = |_: &str| Err("it uses no file".to_owned());
    let graph = elaborate(&mut sources, root, &mut no_files, &elaborate::Options::default());
    let plan = plan(&graph.expect("a valid net").graph, &plan::Options::default());
    let none = |_: ParamId| -> netc::tensor::Tensor { panic!("no parameters") };
    let mut before = 0;
    for round in 0..1200 {
        let program = Program::compile(&plan, &none, &Options::default());
        let outputs = program.run(&[&[-1.0; 8]], 1).expect("eight values");
        assert_eq!(outputs[0].data, [0.0; 8]);
        if round == 200 {
            before = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "a thousand programs left {grown} bytes behind");
}
