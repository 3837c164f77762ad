//! Layers, whole networks and compiling, each way beside the others in one run: native code for this machine,
//! code for any x86-64, the reference.
//!
//! `cargo bench --bench speed [-- [--quick] [PART-OF-A-NAME]]`, such as `layers/conv` or `compile`.

#[path = "speed/compare.rs"]
mod compare;
#[path = "speed/compile.rs"]
mod compile;
#[path = "speed/layers.rs"]
mod layers;
#[path = "speed/models.rs"]
mod models;
#[path = "speed/net.rs"]
mod net;

fn main() {
    let mut criterion = compare::criterion();
    layers::measure(&mut criterion);
    models::measure(&mut criterion);
    compile::measure(&mut criterion);
    criterion.final_summary();
}
