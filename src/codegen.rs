//! Machine code: hot tiles and the loops around them.

pub mod tile;
