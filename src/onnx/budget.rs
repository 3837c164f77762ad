//! What constants may cost while a model is imported.
//!
//! A few bytes of a file can ask for much: a number repeated a billion times, one weight read by every node.
//! So a file pays for what it makes with the bytes that it has.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::Fault;

/// The elements that any model may make: grids of positions, lists of extents, the weights of a VGG-19 that all are one
/// number, which a file of four kilobytes can ask for. An element takes four bytes; a whole number is two.
const ELEMENTS_FREE: usize = 9 << 25;

/// The elements that any one constant may have: there may be two of it for a while.
const ELEMENTS_EACH: usize = 1 << 27;

/// What holds its operands, or helpers, beside its result makes smaller constants by this.
const BESIDE: usize = 4;

/// What is evaluated as a layer makes smaller constants by this: it holds sums in f64 and their magnitudes.
const EVALUATED: usize = 16;

/// The elements that each byte of data pays for: it is decoded, converted a few times and kept.
const ELEMENTS_A_BYTE: usize = 8;

/// The most terms of sums that are evaluated while importing.
const TERMS_MAX: u64 = 1 << 28;

/// What may still be spent.
pub(super) struct Budget {
    elements: Cell<usize>,
    /// The most that one constant may have.
    each: usize,
    terms: Cell<u64>,
    /// Constants outside the file that have paid.
    paid: RefCell<HashSet<usize>>,
}

impl Budget {
    /// What a file of so many bytes may spend.
    pub(super) fn of(bytes: usize) -> Budget {
        let paid = bytes.saturating_mul(ELEMENTS_A_BYTE);
        let (elements, each) =
            (ELEMENTS_FREE.saturating_add(paid), ELEMENTS_EACH.saturating_add(paid));
        Budget {
            elements: elements.into(),
            each,
            terms: TERMS_MAX.into(),
            paid: RefCell::default(),
        }
    }

    /// Counts the bytes of a constant that lies outside the file, once.
    pub(super) fn earn(&self, constant: usize, bytes: usize) {
        if self.paid.borrow_mut().insert(constant) {
            let more = bytes.saturating_mul(ELEMENTS_A_BYTE);
            self.elements.set(self.elements.get().saturating_add(more));
        }
    }

    /// The elements that the next constant may have.
    pub(super) fn left(&self) -> usize {
        self.elements.get().min(self.each)
    }

    /// The elements of the next constant if others as large are held beside it while it is made.
    pub(super) fn left_beside(&self) -> usize {
        self.left() / BESIDE
    }

    /// Pays for elements, before they are made where their number is not that of others.
    pub(super) fn spend(&self, elements: usize) -> Result<(), Fault> {
        let left = self.elements.get().checked_sub(elements).ok_or_else(too_much)?;
        self.elements.set(left);
        Ok(())
    }

    /// Whether a layer with so many elements of constants and of its result may be evaluated.
    pub(super) fn allows(&self, operands: usize, result: usize) -> bool {
        operands <= self.left_beside() && result <= self.left() / EVALUATED
    }

    /// Pays for a layer of constants that is evaluated, if there is enough left.
    pub(super) fn affords(&self, terms: u64) -> bool {
        let left = self.terms.get().checked_sub(terms);
        left.inspect(|it| self.terms.set(*it)).is_some()
    }
}

/// What to say of constants that no budget allows.
pub(super) fn too_much() -> Fault {
    Fault::new(
        "the constants that the model makes have far more elements than the file has data for",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_spends_what_it_has() {
        let budget = Budget::of(4);
        budget.spend(ELEMENTS_FREE + 32).expect("this much is there");
        budget.spend(1).unwrap_err();
        budget.earn(7, 1);
        budget.earn(7, 1);
        assert_eq!(budget.left(), 8);
        assert_eq!(budget.left_beside(), 2);
        assert!(budget.affords(TERMS_MAX) && budget.affords(0) && !budget.affords(1));
        budget.earn(8, 1);
        assert!(budget.allows(4, 1) && !budget.allows(5, 1) && !budget.allows(4, 2));
    }
}
