//! Integers that are linear in values of the running program: indices and addresses.

use cranelift::prelude::Value;

/// `constant + sum of coefficient * value`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Linear {
    /// `(value, coefficient)`, in the order in which the values came to be, no coefficient zero.
    pub terms: Vec<(Value, i64)>,
    /// The term without a value.
    pub constant: i64,
}

impl Linear {
    /// A number.
    pub(super) fn constant(constant: i64) -> Self {
        Self { terms: Vec::new(), constant }
    }

    /// `coefficient * value`.
    pub(super) fn value(value: Value, coefficient: i64) -> Self {
        Self { terms: vec![(value, coefficient)], constant: 0 }
    }

    /// Adds `factor * other`.
    pub(super) fn add(&mut self, other: &Linear, factor: i64) {
        if factor == 0 {
            return;
        }
        self.constant += other.constant * factor;
        for &(value, coefficient) in &other.terms {
            match self.terms.binary_search_by_key(&value, |it| it.0) {
                Ok(at) => {
                    self.terms[at].1 += coefficient * factor;
                    if self.terms[at].1 == 0 {
                        self.terms.remove(at);
                    }
                }
                Err(at) => self.terms.insert(at, (value, coefficient * factor)),
            }
        }
    }

    /// This and a number.
    #[must_use]
    pub(super) fn plus(mut self, number: i64) -> Self {
        self.constant += number;
        self
    }

    /// Whether every coefficient is a multiple of a number.
    pub(super) fn steps_by(&self, by: i64) -> bool {
        self.terms.iter().all(|it| it.1 % by == 0)
    }
}
