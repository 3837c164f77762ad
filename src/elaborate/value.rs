//! What a name can stand for while a net is expanded, and arithmetic on what is known when compiling.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::draft::Id;
use crate::ops::Value as Literal;

/// What an expression is.
#[derive(Clone, Debug)]
pub(super) enum Val {
    /// A whole number.
    Int(i64),
    /// Another number.
    Number(f64),
    /// `true`, `false`.
    Bool(bool),
    /// A string.
    Text(Rc<str>),
    /// A word that only arguments know: `half`.
    Word(&'static str),
    /// `[a, b]`.
    List(List),
    /// `(a, b)`.
    Tuple(List),
    /// A value of the net.
    Flow(Flow),
    /// What a mistake left; whatever is made of it is silent.
    Poison,
}

/// The items of a list or tuple. Lists can share parts, so their whole size is counted when they are
/// made: nothing may walk through more than [`List::SIZE_MAX`] items, or deeper than [`List::DEPTH_MAX`].
/// No item is poison: a list with a broken item is poison as a whole.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) items: Rc<[Val]>,
    /// Items of items included.
    pub(super) size: usize,
    depth: usize,
}

impl List {
    const SIZE_MAX: usize = 1 << 20;
    const DEPTH_MAX: usize = 64;

    /// A list of these; `None` if that is too much.
    pub(super) fn new(items: Rc<[Val]>) -> Option<List> {
        let (mut size, mut depth) = (items.len(), 0);
        for it in &*items {
            if let Val::List(inner) | Val::Tuple(inner) = it {
                size = size.saturating_add(inner.size);
                depth = depth.max(inner.depth);
            }
        }
        let fits = size <= Self::SIZE_MAX && depth < Self::DEPTH_MAX;
        fits.then_some(List { items, size, depth: depth + 1 })
    }
}

/// A value of the net, or what a broken layer left of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    /// `None` after a mistake.
    pub(super) id: Option<Id>,
    /// The labelled values inside the block or net that made it.
    pub(super) fields: Option<Rc<Fields>>,
}

/// Labelled values inside a block or net.
pub(super) type Fields = HashMap<String, Flow>;

impl Flow {
    pub(super) fn of(id: Id) -> Flow {
        Flow { id: Some(id), fields: None }
    }
}

impl Val {
    /// What it is, in words: `a whole number`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Val::Int(_) => "a whole number",
            Val::Number(_) => "a number",
            Val::Bool(_) => "true or false",
            Val::Text(_) => "a string",
            Val::Word(_) => "a word",
            Val::List(_) => "a list",
            Val::Tuple(_) => "a tuple",
            Val::Flow(_) => "a value of the net",
            Val::Poison => "nothing",
        }
    }

    pub(super) fn is_poison(&self) -> bool {
        matches!(self, Val::Poison)
    }

    /// How many items a walk through it meets.
    pub(super) fn size(&self) -> usize {
        match self {
            Val::List(it) | Val::Tuple(it) => it.size,
            _ => 1,
        }
    }

    /// As an argument of an operator; `None` if a value of the net is inside.
    pub(super) fn literal(&self) -> Option<Literal> {
        Some(match self {
            Val::Int(it) => Literal::Int(*it),
            Val::Number(it) => Literal::Number(*it),
            Val::Bool(it) => Literal::Bool(*it),
            Val::Text(it) => Literal::Text(it.to_string()),
            Val::Word(it) => Literal::Word((*it).to_owned()),
            Val::List(it) => {
                Literal::List(it.items.iter().map(Val::literal).collect::<Option<_>>()?)
            }
            Val::Tuple(it) => {
                Literal::Tuple(it.items.iter().map(Val::literal).collect::<Option<_>>()?)
            }
            Val::Flow(_) | Val::Poison => return None,
        })
    }

    /// A number of either kind.
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Val::Int(it) => Some(*it as f64),
            Val::Number(it) => Some(*it),
            _ => None,
        }
    }
}

/// Prints it as it would be written, long lists cut.
impl fmt::Display for Val {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Val::Int(it) => write!(f, "{it}"),
            Val::Number(it) => write!(f, "{it}"),
            Val::Bool(it) => write!(f, "{it}"),
            Val::Text(it) => write!(f, "{it:?}"),
            Val::Word(it) => f.write_str(it),
            Val::List(it) => list(f, '[', &it.items, ']'),
            Val::Tuple(it) => list(f, '(', &it.items, ')'),
            Val::Flow(_) => f.write_str("a value of the net"),
            Val::Poison => f.write_str("?"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, open: char, items: &[Val], close: char) -> fmt::Result {
    const SHOWN: usize = 8;
    write!(f, "{open}")?;
    for (i, it) in items.iter().take(SHOWN).enumerate() {
        write!(f, "{}{it}", if i == 0 { "" } else { ", " })?;
    }
    write!(f, "{}{close}", if items.len() > SHOWN { ", .." } else { "" })
}

/// An operation on what is known when compiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Min,
    Max,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Math {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Math::Add => "+",
            Math::Sub => "-",
            Math::Mul => "*",
            Math::Div => "/",
            Math::Rem => "%",
            Math::Min => "min",
            Math::Max => "max",
            Math::Equal => "==",
            Math::Unequal => "!=",
            Math::Less => "<",
            Math::LessEqual => "<=",
            Math::Greater => ">",
            Math::GreaterEqual => ">=",
        }
    }
}

/// Why a result cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The operation does not know such operands.
    Types,
    /// Larger than 64 bits, or no number.
    Overflow,
    /// Division by zero.
    Zero,
    /// A division of whole numbers that leaves this.
    Remainder(i64),
}

/// The result of an operation; poison in gives poison out.
pub(super) fn math(op: Math, a: &Val, b: &Val) -> Result<Val, Fault> {
    if a.is_poison() || b.is_poison() {
        return Ok(Val::Poison);
    }
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => ints(op, *a, *b),
        (Val::Int(_) | Val::Number(_), Val::Int(_) | Val::Number(_)) => {
            let (Some(a), Some(b)) = (a.float(), b.float()) else { return Err(Fault::Types) };
            floats(op, a, b)
        }
        _ => {
            let same = equal(a, b).ok_or(Fault::Types)?;
            match op {
                Math::Equal => Ok(Val::Bool(same)),
                Math::Unequal => Ok(Val::Bool(!same)),
                _ => Err(Fault::Types),
            }
        }
    }
}

fn ints(op: Math, a: i64, b: i64) -> Result<Val, Fault> {
    let checked = |it: Option<i64>| it.map(Val::Int).ok_or(Fault::Overflow);
    match op {
        Math::Add => checked(a.checked_add(b)),
        Math::Sub => checked(a.checked_sub(b)),
        Math::Mul => checked(a.checked_mul(b)),
        Math::Div if b == 0 => Err(Fault::Zero),
        Math::Rem if b == 0 => Err(Fault::Zero),
        Math::Div => match a.checked_rem(b) {
            Some(0) => checked(a.checked_div(b)),
            Some(rest) => Err(Fault::Remainder(rest)),
            None => Err(Fault::Overflow),
        },
        Math::Rem => checked(a.checked_rem_euclid(b)),
        Math::Min => Ok(Val::Int(a.min(b))),
        Math::Max => Ok(Val::Int(a.max(b))),
        _ => Ok(Val::Bool(compare(op, a.cmp(&b)))),
    }
}

fn floats(op: Math, a: f64, b: f64) -> Result<Val, Fault> {
    let finite = |it: f64| if it.is_finite() { Ok(Val::Number(it)) } else { Err(Fault::Overflow) };
    match op {
        Math::Add => finite(a + b),
        Math::Sub => finite(a - b),
        Math::Mul => finite(a * b),
        Math::Div | Math::Rem if b == 0.0 => Err(Fault::Zero),
        Math::Div => finite(a / b),
        Math::Rem => finite(a.rem_euclid(b)),
        Math::Min => finite(if b < a { b } else { a }),
        Math::Max => finite(if b > a { b } else { a }),
        _ => Ok(Val::Bool(compare(op, a.partial_cmp(&b).ok_or(Fault::Overflow)?))),
    }
}

fn compare(op: Math, order: std::cmp::Ordering) -> bool {
    match op {
        Math::Equal => order.is_eq(),
        Math::Unequal => order.is_ne(),
        Math::Less => order.is_lt(),
        Math::LessEqual => order.is_le(),
        Math::Greater => order.is_gt(),
        Math::GreaterEqual => order.is_ge(),
        _ => unreachable!("arithmetic is done before"),
    }
}

/// Whether two things of one kind are equal; `None` if they are of different kinds.
fn equal(a: &Val, b: &Val) -> Option<bool> {
    match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => Some(a == b),
        (Val::Text(a), Val::Text(b)) => Some(a == b),
        (Val::Word(a), Val::Word(b)) => Some(a == b),
        (Val::Word(_), Val::Int(_) | Val::Number(_)) => Some(false),
        (Val::Int(_) | Val::Number(_), Val::Word(_)) => Some(false),
        (Val::Int(_) | Val::Number(_), Val::Int(_) | Val::Number(_)) => {
            Some(a.float() == b.float())
        }
        (Val::List(a), Val::List(b)) | (Val::Tuple(a), Val::Tuple(b)) => {
            if a.items.len() != b.items.len() {
                return Some(false);
            }
            a.items
                .iter()
                .zip(b.items.iter())
                .try_fold(true, |same, (a, b)| Some(same && equal(a, b)?))
        }
        _ => None,
    }
}

/// The largest whole number that is not above; `None` if it has no 64 bits.
pub(super) fn floor(it: &Val) -> Option<Val> {
    match it {
        Val::Int(_) | Val::Poison => Some(it.clone()),
        Val::Number(it) => {
            let floor = it.floor();
            let fits = floor >= -(2_f64.powi(63)) && floor < 2_f64.powi(63);
            fits.then_some(Val::Int(floor as i64))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(op: Math, a: i64, b: i64) -> Result<i64, Fault> {
        math(op, &Val::Int(a), &Val::Int(b)).map(|it| match it {
            Val::Int(it) => it,
            Val::Bool(it) => i64::from(it),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn whole_numbers_never_wrap_or_round() {
        assert_eq!(int(Math::Mul, i64::MAX, 2), Err(Fault::Overflow));
        assert_eq!(int(Math::Div, i64::MIN, -1), Err(Fault::Overflow));
        assert_eq!(int(Math::Rem, i64::MIN, -1), Err(Fault::Overflow));
        assert_eq!(int(Math::Div, 7, 2), Err(Fault::Remainder(1)));
        assert_eq!(int(Math::Div, 8, 2), Ok(4));
        assert_eq!(int(Math::Rem, -1, 4), Ok(3));
        assert_eq!(int(Math::Div, 1, 0), Err(Fault::Zero));
        assert_eq!(int(Math::LessEqual, 2, 2), Ok(1));
    }

    #[test]
    fn kinds_are_not_mixed() {
        assert_eq!(math(Math::Add, &Val::Bool(true), &Val::Int(1)).err(), Some(Fault::Types));
        assert_eq!(math(Math::Less, &Val::Bool(true), &Val::Bool(true)).err(), Some(Fault::Types));
        assert!(matches!(
            math(Math::Equal, &Val::Word("half"), &Val::Int(1)),
            Ok(Val::Bool(false))
        ));
        assert!(math(Math::Add, &Val::Poison, &Val::Bool(true)).is_ok_and(|it| it.is_poison()));
    }
}
