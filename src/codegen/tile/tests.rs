//! Every kind of tile, in both forms, against plain loops in f64.

mod contraction;
mod elementwise;
mod functions;
mod harness;
mod vectors;
