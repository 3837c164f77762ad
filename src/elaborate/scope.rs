//! Weight paths: who is called what inside a scope.

use std::collections::HashMap;

use crate::diag::Span;

/// A name space of weight paths: a net, a block's application, a `seq`, the copies of a repetition.
#[derive(Debug, Default)]
pub(super) struct Scope {
    path: String,
    /// Every name taken, with its place, and whether it was written as a label.
    names: HashMap<String, (Span, bool)>,
    /// How many children of a kind there were.
    kinds: HashMap<String, usize>,
    /// Inside `seq`: the next position.
    position: Option<usize>,
}

/// A name that two children want.
#[derive(Debug)]
pub(super) struct Clash {
    pub(super) name: String,
    pub(super) first: Span,
    pub(super) first_is_label: bool,
}

impl Scope {
    /// A scope whose unlabelled children count by kind.
    pub(super) fn new(path: String) -> Scope {
        Scope { path, ..Scope::default() }
    }

    /// A scope whose unlabelled children are called by position.
    pub(super) fn seq(path: String) -> Scope {
        Scope { path, position: Some(0), ..Scope::default() }
    }

    /// Whether children are called by position.
    pub(super) fn is_seq(&self) -> bool {
        self.position.is_some()
    }

    /// `layer1.0.conv1` for `conv1` in `layer1.0`.
    pub(super) fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The path of the next child of a kind, and the clash if its name is taken.
    pub(super) fn child(
        &mut self,
        label: Option<&str>,
        kind: &str,
        span: Span,
    ) -> (String, Option<Clash>) {
        let position = self.position;
        if let Some(next) = &mut self.position {
            *next += 1;
        }
        let count = match self.kinds.get_mut(kind) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.kinds.insert(kind.to_owned(), 1);
                1
            }
        };
        let name = match (label, position) {
            (Some(label), _) => label.to_owned(),
            (None, Some(position)) => position.to_string(),
            (None, None) => format!("{kind}{count}"),
        };
        let path = self.join(&name);
        let clash = self.take(name, span, label.is_some());
        (path, clash)
    }

    /// A child that is called by its own path takes a position all the same.
    pub(super) fn skip(&mut self) {
        if let Some(next) = &mut self.position {
            *next += 1;
        }
    }

    fn take(&mut self, name: String, span: Span, label: bool) -> Option<Clash> {
        if let Some(&(first, first_is_label)) = self.names.get(&name) {
            return Some(Clash { name, first, first_is_label });
        }
        self.names.insert(name, (span, label));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(scope: &mut Scope, label: Option<&str>, kind: &str) -> String {
        let (path, clash) = scope.child(label, kind, Span::default());
        assert!(clash.is_none(), "{clash:?}");
        path
    }

    #[test]
    fn unlabelled_children_count_by_kind_and_labelled_ones_count_too() {
        let mut scope = Scope::new("layer1.0".into());
        assert_eq!(path(&mut scope, Some("stem"), "conv"), "layer1.0.stem");
        assert_eq!(path(&mut scope, None, "conv"), "layer1.0.conv2");
        assert_eq!(path(&mut scope, None, "relu"), "layer1.0.relu1");
    }

    #[test]
    fn in_seq_every_child_takes_a_position() {
        let mut scope = Scope::seq("features".into());
        assert_eq!(path(&mut scope, None, "conv"), "features.0");
        assert_eq!(path(&mut scope, Some("act"), "relu"), "features.act");
        assert_eq!(path(&mut scope, None, "conv"), "features.2");
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut scope = Scope::new(String::new());
        path(&mut scope, None, "conv");
        let (_, clash) = scope.child(Some("conv1"), "conv", Span::default());
        assert!(clash.is_some_and(|it| it.name == "conv1" && !it.first_is_label));
    }
}
