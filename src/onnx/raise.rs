//! Nodes as calls of netc's operators.
//!
//! Values keep the extents that the file gives them: axis 0 is what netc calls the batch. A scalar is held
//! as a vector of one.

mod activation;
mod arithmetic;
mod convolution;
mod detect;
mod inputs;
mod normalise;
mod pool;
mod product;
mod quantise;
mod rearrange;
mod recognise;
mod reduce;
mod resize;
mod step;
mod survey;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

pub(super) use product::broadcast;
pub(super) use quantise::range;
pub(super) use step::Step;

use super::budget::{Budget, too_much};
use super::constant::{self, Constant, is_real};
use super::net::{Arguments, Call, Id, Item, Net};
use super::proto::{self, Extent};
use super::read::{self, Declared, FAULTS_MAX, Model};
use super::{Error, Fault, Options, Port, element_name, fold, names};
use crate::diag::Span;
use crate::graph::Names;
use crate::ops::Op;
use crate::shape::Shape;
use crate::tensor::Tensor;
use crate::weights::{FileError, Store};

/// A value of the model while it is raised.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// An operand that was left out.
    Absent,
    /// A constant of the file, not decoded yet.
    Stored(usize),
    /// A constant.
    Known(Constant),
    /// A value of the net.
    Made(Made),
    /// What a suppression picks.
    Picks(detect::Picks),
}

/// A value of the net and what the file takes it for.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) id: Id,
    /// The extents in the file; none for a scalar.
    pub(super) dims: Vec<usize>,
    pub(super) element: i32,
}

/// Raises a node's operator: one value for each of the outputs, or fewer if the rest is not used.
type Handler = fn(&mut Raise<'_>, &Step<'_>) -> Result<Vec<Value>, Fault>;

fn handler(operator: &str) -> Option<Handler> {
    activation::handler(operator)
        .or_else(|| arithmetic::handler(operator))
        .or_else(|| convolution::handler(operator))
        .or_else(|| detect::handler(operator))
        .or_else(|| rearrange::handler(operator))
        .or_else(|| normalise::handler(operator))
        .or_else(|| pool::handler(operator))
        .or_else(|| product::handler(operator))
        .or_else(|| quantise::handler(operator))
        .or_else(|| reduce::handler(operator))
        .or_else(|| resize::handler(operator))
}

/// The state of raising a model.
pub(super) struct Raise<'a> {
    model: &'a Model,
    options: &'a Options<'a>,
    net: Net,
    /// `None` for what could not be made, which was reported.
    values: HashMap<&'a str, Option<Value>>,
    /// Names of inputs of the net, for asking for their values.
    inputs: HashMap<Id, String>,
    /// What the layers of this node are called.
    label: String,
    taken: Names,
    budget: Budget,
    /// Files beside the model, by name.
    beside: RefCell<HashMap<String, Store>>,
    /// Constants of the file that several nodes read, once they are decoded: layers with common weights share them.
    common: RefCell<HashMap<usize, Constant>>,
}

/// Raises a model, or says all that is wrong with it.
pub(super) fn raise(
    model: &Model,
    inputs: &[Declared],
    options: &Options<'_>,
) -> Result<Net, Error> {
    let live = survey::live(&model.graph);
    let nodes = || model.graph.node.iter().zip(&live).filter(|it| *it.1).map(|it| it.0);
    let missing = survey::missing(nodes());
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    let mut raise = Raise {
        model,
        options,
        net: Net::default(),
        values: HashMap::new(),
        inputs: HashMap::new(),
        label: String::new(),
        taken: Names::default(),
        budget: Budget::of(usize::try_from(model.store.bytes().count()).unwrap_or(usize::MAX)),
        beside: RefCell::default(),
        common: RefCell::default(),
    };
    for (at, tensor) in model.graph.initializer.iter().enumerate() {
        raise.values.insert(&tensor.name, Some(Value::Stored(at)));
    }
    raise.add_inputs(inputs)?;
    let (mut faults, mut needs) = (Vec::new(), Vec::new());
    let read = model
        .graph
        .node
        .iter()
        .flat_map(|it| &it.input)
        .chain(model.graph.output.iter().map(|it| &it.name));
    let read: HashSet<&str> = read.map(String::as_str).collect();
    for node in nodes() {
        match raise.node(node, &read) {
            Ok(()) => {}
            Err(Fault::Wrong(message)) => {
                faults.push(format!("{}: {message}", names::of_node(node)))
            }
            Err(Fault::Needs(name)) => needs.push(name),
        }
        if faults.len() >= FAULTS_MAX {
            faults.push("and perhaps more".to_owned());
            break;
        }
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    if !needs.is_empty() {
        needs.sort();
        needs.dedup();
        return Err(Error::NeedsValues(needs));
    }
    raise.add_outputs()?;
    match raise.fault() {
        Some(fault) => Err(fault.into()),
        None => Ok(raise.net),
    }
}

impl<'a> Raise<'a> {
    fn node(&mut self, node: &'a proto::Node, read: &HashSet<&str>) -> Result<(), Fault> {
        let mut inputs = Vec::new();
        for name in &node.input {
            if name.is_empty() {
                inputs.push(Value::Absent);
                continue;
            }
            match self.values.get(name.as_str()) {
                Some(Some(value)) => inputs.push(value.clone()),
                Some(None) => return self.spoil(node, Ok(())),
                None => {
                    let fault = Fault::new(format!("`{name}` is read before any node makes it"));
                    return self.spoil(node, Err(fault));
                }
            }
        }
        self.label = names::label(node, &self.model.initializers);
        let wanted = node.output.iter().map(|it| read.contains(it.as_str())).collect();
        let step = Step { model: self.model, node, inputs, opset: self.model.opset, wanted };
        let made = match self.raise_step(&step) {
            Ok(made) => made,
            Err(fault) => return self.spoil(node, Err(fault)),
        };
        for (i, name) in node.output.iter().enumerate().filter(|it| !it.1.is_empty()) {
            let value = made.get(i).cloned();
            if value.is_none() && step.wanted[i] {
                return self.spoil(
                    node,
                    Err(Fault::new(format!("output {i} of {} is not supported", node.op_type))),
                );
            }
            if value.is_some() && self.values.insert(name, value).is_some() {
                return Err(Fault::new(format!("`{name}` is made twice")));
            }
        }
        Ok(())
    }

    /// Marks what a node would have made as known to be missing.
    fn spoil(&mut self, node: &'a proto::Node, result: Result<(), Fault>) -> Result<(), Fault> {
        for name in &node.output {
            self.values.insert(name, None);
        }
        result
    }

    fn raise_step(&mut self, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
        let operator = step.node.op_type.as_str();
        if step.inputs.iter().any(|it| matches!(it, Value::Picks(_))) {
            return detect::of_picks(self, step);
        }
        let known = |it: &Value| matches!(it, Value::Absent | Value::Known(_) | Value::Stored(_));
        if fold::knows(operator) && step.inputs.iter().all(known) {
            let constants: Result<Vec<_>, Fault> =
                step.inputs.iter().map(|it| self.optional(it)).collect();
            let constants = constants?;
            if let Some(folded) = fold::fold(step, &constants, &self.budget)? {
                return folded.into_iter().map(|it| self.keep(it)).collect();
            }
        }
        match handler(operator) {
            Some(handler) => handler(self, step),
            None => {
                // Only folding knows the operator: what it reads must be constant.
                for input in &step.inputs {
                    self.optional(input)?;
                }
                Err(Fault::new(format!("{operator} of these element types is not supported")))
            }
        }
    }

    /// Whether a constant of so many elements may be made, and others as large beside it.
    pub(super) fn room(&self, elements: usize) -> Result<(), Fault> {
        if elements <= self.budget.left_beside() { Ok(()) } else { Err(too_much()) }
    }

    /// A constant made while importing, counted.
    pub(super) fn keep(&mut self, constant: Constant) -> Result<Value, Fault> {
        self.budget.spend(constant.cost())?;
        Ok(Value::Known(constant))
    }

    /// What the file takes a value's extents for.
    pub(super) fn dims(&self, value: &Value) -> Result<Vec<usize>, Fault> {
        match value {
            Value::Absent => Err(Fault::new("an operand is left out that must be there")),
            Value::Stored(at) => constant::dims(&self.model.graph.initializer[*at]),
            Value::Known(constant) => Ok(constant.dims.clone()),
            Value::Made(made) => Ok(made.dims.clone()),
            Value::Picks(picks) => Ok(picks.dims(self)),
        }
    }

    /// What the file takes a value's elements for.
    pub(super) fn element(&self, value: &Value) -> i32 {
        match value {
            Value::Absent => proto::element::F32,
            Value::Stored(at) => self.model.graph.initializer[*at].data_type,
            Value::Known(constant) => constant.element,
            Value::Made(made) => made.element,
            Value::Picks(picks) => picks.element(),
        }
    }

    /// A value if it is constant.
    pub(super) fn known(&self, value: &Value) -> Result<Option<Constant>, Fault> {
        match value {
            Value::Absent | Value::Made(_) | Value::Picks(_) => Ok(None),
            Value::Stored(at) => self.stored(*at).map(Some),
            Value::Known(constant) => Ok(Some(constant.clone())),
        }
    }

    fn stored(&self, at: usize) -> Result<Constant, Fault> {
        if let Some(known) = self.common.borrow().get(&at) {
            return Ok(known.clone());
        }
        let constant = self.decoded(at)?;
        if self.model.is_common(at) {
            self.common.borrow_mut().insert(at, constant.clone());
        }
        Ok(constant)
    }

    fn decoded(&self, at: usize) -> Result<Constant, Fault> {
        let tensor = &self.model.graph.initializer[at];
        if tensor.data_location != 1 {
            self.budget.spend(constant::cost_of(tensor)?)?;
            return self.model.decode(tensor);
        }
        let constant = read::outside(tensor, &|it| self.beside(it))?;
        self.budget.earn(at, constant::byte_length(tensor)?);
        self.budget.spend(constant.cost())?;
        Ok(constant)
    }

    /// A file beside the model, opened once.
    fn beside(&self, name: &str) -> Result<Store, String> {
        if let Some(store) = self.beside.borrow().get(name) {
            return Ok(store.clone());
        }
        let open = self.options.external;
        let open =
            open.ok_or_else(|| format!("it lies in the file {name:?}, which is not at hand"))?;
        let store = Store::new(name, open(name)?);
        self.beside.borrow_mut().insert(name.to_owned(), store.clone());
        Ok(store)
    }

    /// What went wrong when constants were read, if anything did.
    fn fault(&self) -> Option<FileError> {
        let beside = self.beside.borrow();
        let faults = beside.values().filter_map(Store::fault);
        self.model.store.fault().or_else(|| faults.min_by(|a, b| a.message.cmp(&b.message)))
    }

    /// A value that must be constant, unless it is absent.
    pub(super) fn optional(&self, value: &Value) -> Result<Option<Constant>, Fault> {
        match value {
            Value::Made(made) => Err(match self.deciding_input(made.id) {
                Some(name) => Fault::Needs(name.to_owned()),
                None => {
                    let name = &self.net.values[made.id.0].name;
                    Fault::new(format!(
                        "the value of `{name}` must be known when importing, and is not"
                    ))
                }
            }),
            Value::Picks(_) => Err(detect::unknown()),
            value => self.known(value),
        }
    }

    /// An input to ask for if a value must be known: the value itself, or the first that it is computed from,
    /// where all of these are whole numbers.
    fn deciding_input(&self, id: Id) -> Option<&str> {
        if let Some(name) = self.inputs.get(&id) {
            return Some(name);
        }
        let (mut open, mut seen, mut first) = (vec![id], HashSet::new(), None);
        while let Some(id) = open.pop() {
            match &self.net.values[id.0].call {
                _ if !seen.insert(id) => {}
                Some(call) => open.extend(&call.operands),
                None => {
                    let (_, port) = self.net.inputs.iter().find(|it| it.0 == id)?;
                    if !port.is_whole() {
                        return None;
                    }
                    first = Some(first.map_or(id, |it: Id| it.min(id)));
                }
            }
        }
        first.and_then(|it| self.inputs.get(&it)).map(String::as_str)
    }

    /// A value that must be constant.
    pub(super) fn constant(&self, value: &Value) -> Result<Constant, Fault> {
        self.optional(value)?.ok_or_else(|| Fault::new("an operand is left out that must be there"))
    }

    /// A constant list of whole numbers.
    pub(super) fn ints(&self, value: &Value) -> Result<Vec<i64>, Fault> {
        let constant = self.constant(value)?;
        let ints = constant.ints().map(<[i64]>::to_vec);
        ints.ok_or_else(|| Fault::new("an operand holds real numbers where whole ones are needed"))
    }

    /// A value of the net; a constant becomes a layer that holds it.
    pub(super) fn made(&mut self, value: &Value) -> Result<Made, Fault> {
        match value {
            Value::Made(made) => return Ok(made.clone()),
            Value::Picks(picks) => return detect::made(self, picks),
            Value::Absent | Value::Stored(_) | Value::Known(_) => {}
        }
        let constant = self.constant(value)?;
        let (dims, element) = (constant.dims.clone(), constant.element);
        let shape = constant::shape(&dims)?;
        let args = super::net::args()
            .ints("shape", shape.sample().iter().map(|&it| it as i64))
            .int("batch", shape.batch());
        let label = std::mem::take(&mut self.label);
        let name = match value {
            Value::Stored(at) => names::of_param(&self.model.graph.initializer[*at].name),
            _ => format!("{label}.value"),
        };
        self.label = name;
        let made = self.layer("param", args, &[], vec![constant]);
        self.label = label;
        made.map(|it| Made { dims, element, ..it })
    }

    /// Applies a layer. What depends on constants only is computed at once.
    ///
    /// The element type is the first operand's.
    pub(super) fn call(
        &mut self,
        layer: &'static str,
        args: Arguments,
        operands: &[Value],
        params: Vec<Constant>,
    ) -> Result<Value, Fault> {
        let element = operands.first().map_or(proto::element::F32, |it| self.element(it));
        if !operands.is_empty()
            && !operands.iter().any(|it| matches!(it, Value::Made(_)))
            && let Some(value) = self.evaluate(layer, &args, operands, &params)?
        {
            let value = if is_real(element) { value } else { value.rounded() };
            return self.keep(value.of_element(element));
        }
        let made: Result<Vec<Made>, Fault> = operands.iter().map(|it| self.made(it)).collect();
        Ok(Value::Made(Made { element, ..self.layer(layer, args, &made?, params)? }))
    }

    fn evaluate(
        &self,
        layer: &str,
        args: &Arguments,
        operands: &[Value],
        params: &[Constant],
    ) -> Result<Option<Constant>, Fault> {
        let op = parse(layer, args)?;
        let operands: Result<Vec<Constant>, Fault> =
            operands.iter().map(|it| self.constant(it)).collect();
        let operands = operands?;
        let held: usize = operands.iter().chain(params).map(Constant::cost).sum();
        let (operands, params) = if self.budget.allows(held, 0) {
            (tensors(operands)?, tensors(params.to_vec())?)
        } else {
            return Ok(None);
        };
        let shapes: Vec<&Shape> = operands.iter().map(|it| &it.shape).collect();
        let output = infer(&op, &shapes)?;
        let of_params = params.iter().map(|it| it.shape.clone()).collect::<Vec<_>>();
        check_params(&op, &shapes, &of_params)?;
        if !self.budget.allows(held, output.elements()) {
            return Ok(None);
        }
        let nest = op.lower(&shapes, &output);
        if !nest.is_some_and(|it| self.budget.affords(it.terms())) {
            return Ok(None);
        }
        let (operands, params): (Vec<_>, Vec<_>) =
            (operands.iter().collect(), params.iter().collect());
        let value = op.eval(&operands, &params).round();
        Ok(Some(Constant::real(value.shape.dims().to_vec(), value.data)))
    }

    fn layer(
        &mut self,
        layer: &str,
        args: Arguments,
        operands: &[Made],
        params: Vec<Constant>,
    ) -> Result<Made, Fault> {
        let op = parse(layer, &args)?;
        let ids: Vec<Id> = operands.iter().map(|it| it.id).collect();
        let shapes: Vec<&Shape> = ids.iter().map(|it| &self.net.values[it.0].shape).collect();
        let shape = infer(&op, &shapes)?;
        self.budget.spend(params.iter().map(Constant::len).sum())?;
        let of_params: Result<Vec<Shape>, Fault> =
            params.iter().map(|it| constant::shape(&it.dims)).collect();
        check_params(&op, &shapes, &of_params?)?;
        let dims = shape.dims().to_vec();
        let name = self.taken.free(&self.label);
        let call = Call { op, given: args.0, operands: ids, params };
        let id = self.net.add(Item { name, shape, call: Some(call) });
        Ok(Made { id, dims, element: proto::element::F32 })
    }

    /// The same value, which the file takes for one of these extents (a scalar, for one).
    pub(super) fn seen_as(&self, value: Value, dims: &[usize]) -> Value {
        match value {
            Value::Made(made) => Value::Made(Made { dims: dims.to_vec(), ..made }),
            Value::Known(constant) => Value::Known(constant.reshaped(dims.to_vec())),
            other => other,
        }
    }

    /// The same value, whose elements the file takes for this type.
    pub(super) fn taken_for(&self, value: Value, element: i32) -> Value {
        match value {
            Value::Made(made) => Value::Made(Made { element, ..made }),
            Value::Known(constant) => {
                let constant = if is_real(element) { constant } else { constant.rounded() };
                Value::Known(constant.of_element(element))
            }
            other => other,
        }
    }

    fn add_outputs(&mut self) -> Result<(), Error> {
        let model = self.model;
        for output in &model.graph.output {
            let made = match self.values.get(output.name.as_str()).cloned().flatten() {
                None => Err(Fault::new("no node makes it")),
                Some(value) => {
                    self.label = output.name.clone();
                    self.made(&value)
                }
            };
            match made {
                Ok(made) => {
                    let port =
                        Port { name: output.name.clone(), dims: made.dims, element: made.element };
                    self.net.outputs.push((made.id, port));
                }
                Err(Fault::Wrong(fault) | Fault::Needs(fault)) => {
                    return Err(Error::Invalid(vec![format!(
                        "the output `{}`: {fault}",
                        output.name
                    )]));
                }
            }
        }
        Ok(())
    }
}

fn parse(layer: &str, args: &Arguments) -> Result<Op, Fault> {
    let op = Op::parse(layer, Span::default(), &args.0);
    let op = op.unwrap_or_else(|| panic!("there is no layer `{layer}`"));
    op.map_err(|faults| {
        let messages: Vec<String> = faults.into_iter().map(|it| it.message).collect();
        Fault::new(messages.join("; "))
    })
}

fn infer(op: &Op, shapes: &[&Shape]) -> Result<Shape, Fault> {
    let (least, most) = op.entry().arity;
    if !(least..=most).contains(&shapes.len()) {
        let (name, found) = (op.entry().name, shapes.len());
        return Err(Fault::new(format!("`{name}` takes {least} to {most} values, not {found}")));
    }
    op.infer(shapes).map_err(|it| Fault::new(it.message))
}

fn tensors(params: Vec<Constant>) -> Result<Vec<Tensor>, Fault> {
    params.into_iter().map(Constant::tensor).collect()
}

fn check_params(op: &Op, shapes: &[&Shape], params: &[Shape]) -> Result<(), Fault> {
    let specs = op.params(shapes);
    if specs.len() != params.len() {
        let found = params.len();
        return Err(Fault::new(format!(
            "`{}` has {found} parameters, not {}",
            op.entry().name,
            specs.len()
        )));
    }
    for (spec, param) in specs.iter().zip(params) {
        if spec.shape != *param {
            let (need, found) = (spec.shape.dims(), param.dims());
            return Err(Fault::new(format!(
                "its {} is {found:?}, but must be {need:?}",
                spec.name
            )));
        }
    }
    Ok(())
}

/// What to say of an element type that an operator does not take.
fn wrong_element(element: i32) -> Fault {
    Fault::new(format!("elements of {} are not supported here", element_name(element)))
}
