//! Compiled code against definitions: loops over random layouts against their nests, nets in all ways against the
//! reference.

#[path = "kernels/case.rs"]
mod case;
#[path = "kernels/far.rs"]
mod far;
#[cfg(target_arch = "x86_64")]
#[path = "kernels/features.rs"]
mod features;
#[path = "kernels/guard.rs"]
mod guard;
#[path = "kernels/halves.rs"]
mod halves;
#[path = "kernels/math.rs"]
mod math;
#[path = "kernels/net.rs"]
mod net;
#[path = "kernels/operators.rs"]
mod operators;
#[path = "kernels/pools.rs"]
mod pools;
#[path = "kernels/program.rs"]
mod program;
#[path = "kernels/samples.rs"]
mod samples;
#[path = "kernels/stages.rs"]
mod stages;
#[path = "kernels/tiles.rs"]
mod tiles;
#[path = "kernels/ways.rs"]
mod ways;
