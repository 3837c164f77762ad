//! A net as chains while its text is being found: what stands in one place of a text, for all its copies.
//!
//! A step of a block stands for one layer in each application of the block. What differs between them is a
//! column: one entry for each application, `None` where the arm that holds the step is not there.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::graph::NodeId;
use crate::ops::Value;

/// One entry for each application.
pub(super) type Column<T> = Vec<Option<T>>;

/// One step of a chain.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Layer(Layer),
    Branch(Branch),
    Call(Call),
    /// Applications of one block in a row, the first perhaps with other arguments than the rest.
    Repeat(Vec<Call>),
    /// Steps that are called by their positions, under a label.
    Seq(String, Vec<Step>),
}

/// A layer.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) op: &'static str,
    pub(super) nodes: Column<NodeId>,
    pub(super) args: Vec<(&'static str, Form)>,
    /// How it gets its operands.
    pub(super) operands: Operands,
    /// The set of weights that it shares with other layers.
    pub(super) shared: Option<usize>,
    pub(super) label: Option<String>,
}

/// How a layer gets its operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// The value that flows is the first; these follow.
    Flow(Vec<NodeId>),
    /// All are given; none of them flows.
    Given(Vec<NodeId>),
}

/// Arms that are joined.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) op: &'static str,
    pub(super) nodes: Column<NodeId>,
    pub(super) arms: Vec<Arm>,
    pub(super) label: Option<String>,
}

/// One arm of a branch.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub(super) steps: Vec<Step>,
    /// Whether it is there, and not the identity, in each application.
    pub(super) present: Vec<bool>,
}

/// An application of a block.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) block: usize,
    /// Which of the block's applications this is.
    pub(super) instances: Column<usize>,
    pub(super) label: Option<String>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    /// A whole number in each application.
    Whole(Column<i64>),
    /// The same in all.
    Fixed(Value),
    List(Vec<Form>),
    Tuple(Vec<Form>),
}

impl Form {
    pub(super) fn of(value: Value) -> Form {
        match value {
            Value::Int(it) => Form::Whole(vec![Some(it)]),
            Value::List(items) => Form::List(items.into_iter().map(Form::of).collect()),
            Value::Tuple(items) => Form::Tuple(items.into_iter().map(Form::of).collect()),
            other => Form::Fixed(other),
        }
    }

    /// The number if it is one, and the same in all applications.
    pub(super) fn constant(&self) -> Option<i64> {
        match self {
            Form::Whole(column) => same(column),
            _ => None,
        }
    }

    fn absent(&mut self, width: usize) {
        match self {
            Form::Whole(column) => *column = vec![None; width],
            Form::Fixed(_) => {}
            Form::List(items) | Form::Tuple(items) => {
                items.iter_mut().for_each(|it| it.absent(width));
            }
        }
    }

    fn append(&mut self, more: &Form) {
        match (self, more) {
            (Form::Whole(all), Form::Whole(more)) => all.extend(more),
            (Form::List(all), Form::List(more)) | (Form::Tuple(all), Form::Tuple(more)) => {
                all.iter_mut().zip(more).for_each(|(all, more)| all.append(more));
            }
            _ => {}
        }
    }

    fn hash(&self, to: &mut impl Hasher) {
        match self {
            Form::Whole(_) => 0_u8.hash(to),
            Form::Fixed(value) => format!("{value:?}").hash(to),
            Form::List(items) | Form::Tuple(items) => {
                (1_u8, items.len(), matches!(self, Form::List(_))).hash(to);
                items.iter().for_each(|it| it.hash(to));
            }
        }
    }
}

/// What all entries are that are there, if they agree.
pub(super) fn same<T: Copy + PartialEq>(column: &[Option<T>]) -> Option<T> {
    let mut entries = column.iter().flatten();
    let first = *entries.next()?;
    entries.all(|it| *it == first).then_some(first)
}

impl Step {
    /// How much of a text it is, roughly in words.
    pub(super) fn size(&self) -> usize {
        match self {
            Step::Layer(it) => 1 + it.args.iter().filter(|it| !is_usual(it)).count(),
            Step::Branch(it) => 1 + it.arms.iter().map(|it| 1 + size(&it.steps)).sum::<usize>(),
            Step::Call(_) => 2,
            Step::Repeat(_) => 3,
            Step::Seq(_, steps) => 2 + size(steps),
        }
    }

    /// How many layers it is.
    pub(super) fn layers(&self) -> usize {
        match self {
            Step::Layer(_) | Step::Call(_) | Step::Repeat(_) => 1,
            Step::Seq(_, steps) => steps.iter().map(Step::layers).sum(),
            Step::Branch(it) => {
                1 + it.arms.iter().flat_map(|it| &it.steps).map(Step::layers).sum::<usize>()
            }
        }
    }

    /// Whether it reads values by name, or weights that others have too: such a step makes sense in its place only.
    pub(super) fn is_bound(&self) -> bool {
        match self {
            Step::Layer(it) => {
                it.shared.is_some()
                    || !matches!(&it.operands, Operands::Flow(more) if more.is_empty())
                        && !matches!(&it.operands, Operands::Given(all) if all.is_empty())
            }
            Step::Branch(it) => it.arms.iter().flat_map(|it| &it.steps).any(Step::is_bound),
            Step::Call(_) | Step::Repeat(_) => false,
            Step::Seq(_, steps) => steps.iter().any(Step::is_bound),
        }
    }

    /// What steps have in common that differ in whole numbers only, or in whether a shortcut is there.
    pub(super) fn shape(&self) -> u64 {
        let mut to = DefaultHasher::new();
        match self {
            Step::Layer(it) => {
                ('l', it.op, matches!(it.operands, Operands::Flow(_))).hash(&mut to);
                for (name, form) in &it.args {
                    name.hash(&mut to);
                    form.hash(&mut to);
                }
            }
            Step::Branch(it) => {
                ('b', it.op, it.arms.len()).hash(&mut to);
                for i in 0..it.arms.len() {
                    if it.is_shortcut(i) {
                        's'.hash(&mut to);
                    } else {
                        shapes(&it.arms[i].steps).hash(&mut to);
                    }
                }
            }
            Step::Call(it) => ('c', it.block).hash(&mut to),
            Step::Repeat(all) => ('r', all.len()).hash(&mut to),
            Step::Seq(label, steps) => ('q', label, shapes(steps)).hash(&mut to),
        }
        to.finish()
    }

    /// Puts the applications of a like step behind its own; `false` if the two are not alike after all.
    fn append(&mut self, more: &Step) -> bool {
        match (self, more) {
            (Step::Layer(all), Step::Layer(more)) => {
                all.nodes.extend(&more.nodes);
                all.args.iter_mut().zip(&more.args).for_each(|(all, more)| all.1.append(&more.1));
                true
            }
            (Step::Branch(all), Step::Branch(more)) => {
                all.nodes.extend(&more.nodes);
                all.arms.iter_mut().zip(&more.arms).all(|(all, more)| all.append(more))
            }
            (Step::Call(all), Step::Call(more)) => {
                all.instances.extend(&more.instances);
                all.block == more.block
            }
            _ => false,
        }
    }

    /// Leaves out the arms that may be missing in other applications.
    pub(super) fn drop_shortcuts(&mut self) {
        if let Step::Branch(branch) = self
            && let Some(at) = (0..branch.arms.len()).find(|it| branch.is_shortcut(*it))
        {
            branch.arms[at].steps.clear();
        }
    }

    fn absent(&mut self, width: usize) {
        match self {
            Step::Layer(it) => {
                it.nodes = vec![None; width];
                it.args.iter_mut().for_each(|it| it.1.absent(width));
            }
            Step::Branch(it) => {
                it.nodes = vec![None; width];
                for arm in &mut it.arms {
                    arm.present = vec![false; width];
                    arm.steps.iter_mut().for_each(|it| it.absent(width));
                }
            }
            Step::Call(it) => it.instances = vec![None; width],
            Step::Repeat(_) | Step::Seq(..) => {}
        }
    }
}

impl Arm {
    fn append(&mut self, more: &Arm) -> bool {
        if shapes(&self.steps) == shapes(&more.steps) && self.steps.len() == more.steps.len() {
            self.present.extend(&more.present);
            return self.steps.iter_mut().zip(&more.steps).all(|(all, more)| all.append(more));
        }
        let width = self.present.len();
        let mut other = more.clone();
        if more.steps.is_empty() {
            other.steps.clone_from(&self.steps);
            other.steps.iter_mut().for_each(|it| it.absent(more.present.len()));
        } else if self.steps.is_empty() {
            self.steps.clone_from(&more.steps);
            self.steps.iter_mut().for_each(|it| it.absent(width));
        } else {
            return false;
        }
        self.append(&other)
    }
}

impl Branch {
    /// Whether an arm may be missing in other applications: the identity, or a projection beside the work.
    pub(super) fn is_shortcut(&self, at: usize) -> bool {
        let layers = |it: &Arm| it.steps.iter().map(Step::layers).sum::<usize>();
        let plain = |it: &Arm| {
            it.steps.iter().all(|it| matches!(it, Step::Layer(_)))
                && !it.steps.iter().any(Step::is_bound)
        };
        let [a, b] = self.arms.as_slice() else { return false };
        let (own, other) = if at == 0 { (a, b) } else { (b, a) };
        self.op == "add" && layers(own) <= 2 && layers(other) > 2 && plain(own)
    }
}

/// The shapes of a chain.
pub(super) fn shapes(steps: &[Step]) -> Vec<u64> {
    steps.iter().map(Step::shape).collect()
}

/// How much of a text a chain is.
pub(super) fn size(steps: &[Step]) -> usize {
    steps.iter().map(Step::size).sum()
}

/// Chains that are alike as one, with the applications of all; `None` if they are not alike.
pub(super) fn merged<'a>(mut chains: impl Iterator<Item = &'a [Step]>) -> Option<Vec<Step>> {
    let mut all = chains.next()?.to_vec();
    for more in chains {
        let alike = all.iter_mut().zip(more).all(|(all, more)| all.append(more));
        if !alike {
            return None;
        }
    }
    Some(all)
}

/// Whether an argument is at a default that text leaves out.
pub(super) fn is_usual((name, form): &(&'static str, Form)) -> bool {
    matches!(*name, "stride" | "groups" | "dilation") && form.constant() == Some(1)
        || *name == "pad" && form.constant() == Some(0)
}
