//! The text of a nest.

use std::fmt;

use super::{Affine, Binary, Buffer, Expr, Guard, Index, Nest, Reduction, Stage, Unary};

impl fmt::Display for Nest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, temp) in self.temps.iter().enumerate() {
            writeln!(f, "temp t{i} {:?}", temp.dims())?;
        }
        for stage in &self.stages {
            writeln!(f, "{stage}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes: Vec<String> =
            self.extents.iter().enumerate().map(|(i, it)| format!("a{i}<{it}")).collect();
        write!(f, "for {}: {}[{}] = ", axes.join(" "), self.target, list(&self.at))?;
        write_expr(f, &self.value, self.extents.len())
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Buffer::Input(i) => write!(f, "in{i}"),
            Buffer::Param(i) => write!(f, "p{i}"),
            Buffer::Temp(i) => write!(f, "t{i}"),
            Buffer::Output => write!(f, "out"),
        }
    }
}

impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for &(axis, coefficient) in &self.terms {
            let sign = if coefficient < 0 { "-" } else { "+" };
            if !first || coefficient < 0 {
                f.write_str(sign)?;
            }
            match coefficient.unsigned_abs() {
                1 => write!(f, "a{axis}")?,
                by => write!(f, "{by}*a{axis}")?,
            }
            first = false;
        }
        match self.constant {
            0 if first => f.write_str("0"),
            0 => Ok(()),
            constant if first => write!(f, "{constant}"),
            constant => write!(f, "{constant:+}"),
        }
    }
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Index::Affine(affine) => affine.fmt(f),
            Index::Part { of, by, modulo: None } => write!(f, "({of})/{by}"),
            Index::Part { of, by, modulo: Some(modulo) } => write!(f, "({of})/{by}%{modulo}"),
            Index::Table { table, at } => write!(f, "table{}[{at}]", table.len()),
        }
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Guard::Within(affine, extent) => write!(f, "0 <= {affine} < {extent}"),
            Guard::Divides(affine, by) => write!(f, "{by} divides {affine}"),
        }
    }
}

/// Prints an expression whose own axes start at `a0`, such as one of an epilogue.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_expr(f, self, 0)
    }
}

fn write_expr(f: &mut fmt::Formatter<'_>, expr: &Expr, depth: usize) -> fmt::Result {
    match expr {
        Expr::Const(it) => write!(f, "{it:?}"),
        Expr::It => f.write_str("it"),
        Expr::Table(table, at) => write!(f, "table{}[{at}]", table.len()),
        Expr::Load(buffer, at) => write!(f, "{buffer}[{}]", list(at)),
        Expr::Unary(function, a) => {
            write!(f, "{}(", unary_name(*function))?;
            write_expr(f, a, depth)?;
            f.write_str(")")
        }
        Expr::Binary(function, a, b) => {
            write!(f, "{}(", binary_name(*function))?;
            write_expr(f, a, depth)?;
            f.write_str(", ")?;
            write_expr(f, b, depth)?;
            f.write_str(")")
        }
        Expr::Reduce { op, extents, guards, body } => {
            let axes: Vec<String> =
                extents.iter().enumerate().map(|(i, it)| format!("a{}<{it}", depth + i)).collect();
            let guards =
                if guards.is_empty() { String::new() } else { format!(" | {}", list(guards)) };
            write!(f, "{}({}{guards}) {{ ", reduction_name(*op), axes.join(" "))?;
            write_expr(f, body, depth + extents.len())?;
            f.write_str(" }")
        }
        Expr::Choose(guards, a, b) => {
            write!(f, "if {} {{ ", list(guards))?;
            write_expr(f, a, depth)?;
            f.write_str(" } else { ")?;
            write_expr(f, b, depth)?;
            f.write_str(" }")
        }
    }
}

fn reduction_name(op: Reduction) -> &'static str {
    match op {
        Reduction::Sum => "sum",
        Reduction::Product => "product",
        Reduction::Max => "max",
        Reduction::Min => "min",
    }
}

fn unary_name(f: Unary) -> &'static str {
    match f {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Sqrt => "sqrt",
        Unary::Recip => "recip",
        Unary::Tanh => "tanh",
        Unary::Sigmoid => "sigmoid",
        Unary::Erf => "erf",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
        Unary::Sign => "sign",
    }
}

fn binary_name(f: Binary) -> &'static str {
    match f {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Max => "max",
        Binary::Min => "min",
        Binary::Pow => "pow",
        Binary::Positive => "positive",
    }
}
