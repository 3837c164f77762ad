//! What is wrong with a file of weights.

use super::Code;

pub(super) const CODES: &[Code] = &[];
