//! Programs: their memory, and what they refuse.

use netc::codegen::Options;
use netc::graph::ParamId;
use netc::plan::{self, plan};
use netc::program::{Program, RunError};
use netc::tensor::Tensor;

use crate::net::Net;

/// One layer without parameters.
fn relu() -> Program {
    let (mut net, x) = Net::new(&[1, 8]);
    let y = net.add("relu", &[], &[x]);
    let plan = plan(&net.with_output(y).graph, &plan::Options::default());
    let none = |_: ParamId| -> Tensor { panic!("no parameters") };
    Program::compile(&plan, &none, &Options { texts: true, ..Options::default() })
}

#[cfg(target_os = "linux")]
#[test]
fn no_page_is_both_written_and_executed() {
    let program = relu();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().all(|it| !it.split(' ').nth(1).unwrap().starts_with("rwx")));
    let last = program.paths().len() - 1;
    assert!(program.code().clif(last).contains("function"));
    assert!(program.code().asm(last).contains("ret"));
}

#[test]
fn wrong_inputs_are_refused() {
    let mut session = relu().session(2);
    let error = |it: Result<&[Tensor], RunError>| it.unwrap_err().to_string();
    assert_eq!(error(session.run(&[])), "the net takes 1 inputs, 0 were given");
    assert_eq!(error(session.run(&[&[1.0; 7]])), "input `x` has 8 values, 7 were given");
    assert_eq!(session.run(&[&[1.0; 8]]).unwrap()[0].data, [1.0; 8]);
}
