//! netc: from a short description of a convolutional network to native code.
//!
//! ```text
//! .net text --parse--> Ast --elaborate--> Graph --optimise--> Graph --plan--> Plan --compile--> Program
//!                                           |                                          ^
//!                                           +-- bind <-- weights file ------------------+
//! ```
//!
//! A mistake of the user's is found before `Graph` and `Weights` exist and comes back as
//! [`diag::Diagnostics`]; what fails after that is a bug of netc's and panics with the printed graph.

#![warn(clippy::disallowed_methods)]

// Shared vocabulary.
pub mod diag;
pub mod shape;
pub mod tensor;

// Text.
pub mod syntax;

// Meaning.
pub mod nest;
pub mod ops;

// The model.
pub mod darknet;
pub mod elaborate;
pub mod graph;
pub mod interpret;
pub mod lift;
pub mod onnx;
pub mod passes;
pub mod picture;
pub mod report;
pub mod verify;
pub mod weights;

// Machine code.
pub mod codegen;
pub mod plan;
pub mod program;

// The outside.
pub mod cli;
pub mod model;
