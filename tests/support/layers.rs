//! Operators whose arguments are written as JSON.

use netc::diag::Span;
use netc::ops::{Given, Op, Value};
use serde_json::Value as Json;

/// An operator by name, with arguments as an object of JSON; the first complaint if they are wrong.
pub(crate) fn op(name: &str, args: &Json) -> Result<Op, String> {
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
