//! Layers as data: `tests/data/operators.json`, and arguments written as JSON.

use netc::diag::Span;
use netc::ops::{Given, Op, Value};
use netc::shape::Shape;
use netc::tensor::Tensor;
use serde_json::Value as Json;

/// A layer with its operands, its parameters and what PyTorch made of them in f64.
pub struct Case {
    pub op: Op,
    pub text: String,
    pub inputs: Vec<Tensor>,
    pub params: Vec<Tensor>,
    pub shape: Vec<usize>,
    pub output: Vec<f64>,
}

/// Every case of the file, in its order.
pub fn cases() -> Vec<Case> {
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
        op: op(name, &json["args"]).expect("the arguments are right"),
        text: format!("{name}{}", json["args"]),
        inputs: tensors("inputs"),
        params: tensors("params"),
        shape,
        output,
    }
}

/// An operator by name, with arguments as an object of JSON; the first complaint if they are wrong.
pub fn op(name: &str, args: &Json) -> Result<Op, String> {
    let args = args.as_object().expect("arguments are an object");
    let given: Vec<Given> = args
        .iter()
        .map(|(name, it)| Given { name: name.clone(), value: value(it), span: Span::default() })
        .collect();
    let op = Op::parse(name, Span::default(), &given)
        .unwrap_or_else(|| panic!("there is no operator `{name}`"));
    op.map_err(|faults| faults[0].message.clone())
}

fn value(json: &Json) -> Value {
    match json {
        Json::Bool(it) => Value::Bool(*it),
        Json::String(it) => Value::Text(it.clone()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        it => it.as_i64().map_or_else(|| Value::Number(it.as_f64().expect("a number")), Value::Int),
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
