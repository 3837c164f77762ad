//! Compiled loops against the definition of nests: random stages over random layouts.

#[path = "kernels/case.rs"]
mod case;
#[path = "kernels/far.rs"]
mod far;
#[cfg(target_arch = "x86_64")]
#[path = "kernels/features.rs"]
mod features;
#[path = "kernels/guard.rs"]
mod guard;
#[path = "kernels/math.rs"]
mod math;
#[path = "kernels/net.rs"]
mod net;
#[path = "kernels/pools.rs"]
mod pools;
#[path = "kernels/stages.rs"]
mod stages;
#[path = "kernels/tiles.rs"]
mod tiles;
