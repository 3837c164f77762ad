//! The cases of `tests/data/operators.json`.

use netc::ops::Op;
use netc::shape::Shape;
use netc::tensor::Tensor;
use serde_json::Value as Json;

/// A layer with its operands, its parameters and what PyTorch made of them in f64.
pub(crate) struct Case {
    pub(crate) op: Op,
    pub(crate) text: String,
    pub(crate) inputs: Vec<Tensor>,
    pub(crate) params: Vec<Tensor>,
    pub(crate) shape: Vec<usize>,
    pub(crate) output: Vec<f64>,
}

/// Every case of the file, in its order.
pub(crate) fn cases() -> Vec<Case> {
    let text = include_str!("../data/operators.json");
    let Json::Array(cases) = serde_json::from_str(text).expect("the file is JSON") else {
        panic!("the file is a list")
    };
    cases.iter().map(case).collect()
}

fn case(json: &Json) -> Case {
    let name = json["op"].as_str().expect("a case names its operator");
    let tensors = |key: &str| json[key].as_array().expect("a list").iter().map(tensor).collect();
    let (shape, output) = numbers(&json["output"]);
    Case {
        op: crate::layers::op(name, &json["args"]).expect("the arguments are right"),
        text: format!("{name}{}", json["args"]),
        inputs: tensors("inputs"),
        params: tensors("params"),
        shape,
        output,
    }
}

fn tensor(json: &Json) -> Tensor {
    let (shape, data) = numbers(json);
    Tensor::new(Shape::of(&shape), data.iter().map(|&it| it as f32).collect())
}

fn numbers(json: &Json) -> (Vec<usize>, Vec<f64>) {
    let list = |key: &str| json[key].as_array().expect("a tensor has shape and data").iter();
    let number = |it: &Json| {
        it.as_f64().unwrap_or_else(|| it.as_str().expect("a number").parse().expect("a number"))
    };
    let shape = list("shape").map(|it| it.as_u64().expect("an extent") as usize).collect();
    (shape, list("data").map(number).collect())
}
