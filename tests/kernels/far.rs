//! Maps that are larger than tiles reach.

use netc::codegen::Options;
use netc::model::parse;
use netc::passes;
use netc::plan::{self, Kernel, Plan};
use netc::program::Program;
use netc::weights::Weights;

/// Plans and compiles a net of one chain, and says which of its steps are tiles.
fn tiles(input: &str, chain: &str) -> Vec<bool> {
    let text = format!("net Far {{\n  input x: f32[N, {input}]\n  {chain}\n  output y\n}}\n");
    let net = parse("far.net", &text).expect("the net is right");
    let graph = passes::optimise(net.graph, &mut |_, _| {});
    let plan: Plan = plan::plan(&graph, &plan::Options::default());
    let weights = Weights::random(1);
    Program::compile(&plan, &weights.of_graph(&graph), &Options::default());
    let layers = plan.steps.iter().filter(|it| it.node.is_some());
    layers.map(|it| !matches!(it.kernel, Kernel::Loops(_))).collect()
}

#[test]
fn tiles_that_would_reach_too_far_are_loops() {
    // The last block of the output lies 2.2 GB behind the first.
    assert_eq!(tiles("8, 4800, 4800", "relu -> conv(32, 1)"), [false, false]);
    assert_eq!(tiles("8, 1200, 1200", "relu -> conv(32, 1)"), [false, true]);
    // One block of channels, and with the halo of its reader more than 2^31 bytes.
    assert_eq!(tiles("1, 8192, 8192", "conv(8, 3, pad=1) -> conv(8, 3, pad=1)"), [false, false]);
    assert_eq!(tiles("1, 8000, 8000", "conv(8, 3, pad=1)"), [true]);
    assert_eq!(tiles("8, 8192, 8192", "relu -> maxpool(2)"), [false, false]);
    assert_eq!(tiles("16, 4096, 8192", "relu -> conv(16, 3, groups=16)"), [false, false]);
}
