//! One application of a body: its names, its place among the weight paths, its current value.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use super::applied::Copy;
use super::scope::Scope;
use super::value::{Fields, Flow, Val};
use crate::diag::Span;
use crate::syntax::ast;

/// One application of a net or block, or the evaluation of a constant.
pub(super) struct Frame<'a> {
    /// The file whose names and defaults hold.
    pub(super) file: usize,
    /// The net or block.
    pub(super) definition: Option<&'a ast::Definition>,
    names: HashMap<&'a str, Binding<'a>>,
    /// Scopes of weight paths, the innermost last, each with its labelled values.
    pub(super) scopes: Vec<(Scope, Fields)>,
    /// What the next step goes on from.
    pub(super) current: Option<Flow>,
    /// Which copy of the innermost repetition is being made, for `first`.
    pub(super) copy: Option<Copy>,
    /// In a net: what its inputs are and where its results go.
    pub(super) net: Option<NetFrame>,
}

/// What only a net has.
#[derive(Default)]
pub(super) struct NetFrame {
    /// In a net applied as a block: the values for its inputs.
    pub(super) given: Option<VecDeque<(Flow, Span)>>,
    /// The inputs declared so far.
    pub(super) inputs: Vec<Span>,
    /// Their names.
    pub(super) input_names: BTreeSet<String>,
    /// The results, in the order of the file.
    pub(super) outputs: Vec<(String, Flow)>,
    /// Their names and places.
    pub(super) output_names: HashMap<String, Span>,
}

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Bound<'a> {
    /// A parameter, loop variable, symbol or value.
    Val(Val),
    /// A shared instance.
    Shared(Rc<Shared<'a>>),
}

/// One set of weights to apply many times; its arguments are evaluated at each application.
pub(super) struct Shared<'a> {
    pub(super) path: String,
    pub(super) layer: &'a ast::Expr,
}

/// A name of a frame.
#[derive(Clone)]
pub(super) struct Binding<'a> {
    pub(super) bound: Bound<'a>,
    pub(super) span: Span,
    pub(super) read: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(file: usize, definition: Option<&'a ast::Definition>, path: String) -> Self {
        Frame {
            file,
            definition,
            names: HashMap::new(),
            scopes: vec![(Scope::new(path), Fields::new())],
            current: None,
            copy: None,
            net: None,
        }
    }

    /// Binds a name; gives what it stood for before.
    pub(super) fn bind(
        &mut self,
        name: &'a str,
        bound: Bound<'a>,
        span: Span,
    ) -> Option<Binding<'a>> {
        self.names.insert(name, Binding { bound, span, read: false })
    }

    /// Gives a name back what it stood for.
    pub(super) fn restore(&mut self, name: &'a str, before: Option<Binding<'a>>) {
        match before {
            Some(before) => self.names.insert(name, before),
            None => self.names.remove(name),
        };
    }

    /// What a name stands for.
    pub(super) fn look(&self, name: &str) -> Option<&Bound<'a>> {
        self.names.get(name).map(|it| &it.bound)
    }

    /// What a name stands for, and notes that it was read.
    pub(super) fn read(&mut self, name: &str) -> Option<&Bound<'a>> {
        let binding = self.names.get_mut(name)?;
        binding.read = true;
        Some(&binding.bound)
    }

    /// All names, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'a str, &Binding<'a>)> {
        self.names.iter().map(|it| (*it.0, it.1))
    }

    /// The innermost scope of weight paths.
    pub(super) fn scope(&mut self) -> &mut Scope {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last].0
    }

    /// The labelled values of the innermost scope.
    pub(super) fn fields(&mut self) -> &mut Fields {
        let last = self.scopes.len() - 1;
        &mut self.scopes[last].1
    }
}
