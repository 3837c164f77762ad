//! Choices between ways to compute the same thing.

use std::collections::BTreeMap;

/// What to choose: the name of a candidate for the key of a choice.
pub type Choices = BTreeMap<String, String>;

/// A way to compute a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What tells it from the others: `tile 6x16`.
    pub name: String,
    /// What the cost model expects of it on one thread.
    pub nanoseconds: u64,
}

/// The ways to compute a step, and which was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What is computed, and what with: steps with equal keys have equal candidates, in any net.
    pub key: String,
    /// The ways, the one that the cost model expects to be the fastest first.
    pub candidates: Vec<Candidate>,
    /// The position of the one that was taken.
    pub taken: usize,
}

impl Choice {
    /// Takes the candidate that `choices` names for this key, or else the first; gives what belongs to it. There is
    /// at least one.
    pub(super) fn take<T>(
        key: String,
        ways: Vec<(Candidate, T)>,
        choices: &Choices,
    ) -> (Choice, T) {
        let named = choices.get(&key);
        let taken = ways.iter().position(|it| Some(&it.0.name) == named).unwrap_or(0);
        let (candidates, mut kinds): (Vec<_>, Vec<_>) = ways.into_iter().unzip();
        (Choice { key, candidates, taken }, kinds.swap_remove(taken))
    }

    /// The candidate that was taken.
    pub fn taken(&self) -> &Candidate {
        &self.candidates[self.taken]
    }

    /// The best of those that were not, as the cost model sees it.
    pub fn runner_up(&self) -> Option<&Candidate> {
        let others = self.candidates.iter().enumerate().filter(|it| it.0 != self.taken);
        others.map(|it| it.1).min_by_key(|it| it.nanoseconds)
    }
}
