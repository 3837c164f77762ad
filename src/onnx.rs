//! ONNX files: reading them safely, raising them to netc's operators, writing them.

pub mod proto;
pub mod scan;
