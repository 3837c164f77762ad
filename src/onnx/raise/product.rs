//! Matrix products.

use super::arithmetic::binary;
use super::{Handler, Raise, Step, Value};
use crate::onnx::net::args;
use crate::onnx::{Constant, Data, Fault};

pub(super) fn handler(operator: &str) -> Option<Handler> {
    Some(match operator {
        "Gemm" => gemm,
        "MatMul" => matmul,
        _ => return None,
    })
}

fn gemm(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let (a, b, c) = (step.input(0)?, step.input(1)?, step.optional(2));
    let (alpha, beta) = (step.float("alpha").unwrap_or(1.0), step.float("beta").unwrap_or(1.0));
    let dims = raise.dims(a)?;
    let a = match dims.len() {
        2 => a.clone(),
        // Before version 7 the operand was flattened.
        0 | 1 => return Err(Fault::new(format!("its first operand is {dims:?}, not a matrix"))),
        _ => raise.reshape(a, &[dims[0], dims[1..].iter().product()])?,
    };
    let a = if step.flag("transA") { raise.permute(&a, &[1, 0])? } else { a };
    let product = if matches!(b, Value::Made(_)) {
        let b = if step.flag("transB") { raise.permute(b, &[1, 0])? } else { b.clone() };
        let product = raise.call("matmul", args(), &[a, b], Vec::new())?;
        raise.scaled(product, alpha)?
    } else {
        let mut weight = raise.constant(b)?;
        if weight.dims.len() != 2 {
            return Err(Fault::new(format!("its weight is {:?}, not a matrix", weight.dims)));
        }
        if weight.is_empty() {
            return Err(Fault::new(format!("its weight is {:?}, without elements", weight.dims)));
        }
        if !step.flag("transB") {
            weight = weight.permuted(&[1, 0]);
        }
        let features = weight.dims[0];
        let weight = times(weight, alpha);
        if let Some(bias) = bias(raise, c, features)? {
            let args = args().int("features", features);
            return Ok(vec![raise.call("fc", args, &[a], vec![weight, times(bias, beta)])?]);
        }
        let args = args().int("features", features).flag("bias", false);
        raise.call("fc", args, &[a], vec![weight])?
    };
    if !step.has(2) {
        return Ok(vec![product]);
    }
    let c = raise.scaled(c.clone(), beta)?;
    Ok(vec![binary(raise, "add", &product, &c)?])
}

/// The third operand of `Gemm` as a bias, if it is constant and the same for every row.
fn bias(raise: &Raise<'_>, c: &Value, features: usize) -> Result<Option<Constant>, Fault> {
    let row = |dims: &[usize]| dims.iter().rev().skip(1).all(|it| *it == 1);
    match c {
        Value::Absent | Value::Made(_) => Ok(None),
        constant if !row(&raise.dims(constant)?) => Ok(None),
        constant => {
            let constant = raise.constant(constant)?;
            let last = vec![constant.len()];
            raise.room(features)?;
            Ok(constant.reshaped(last).stretched(&[features]))
        }
    }
}

/// Every element times a number.
fn times(constant: Constant, factor: f32) -> Constant {
    if factor == 1.0 {
        return constant;
    }
    let data = constant.floats().into_iter().map(|it| it * factor).collect();
    Constant { data: Data::real(data), ..constant }
}

fn matmul(raise: &mut Raise<'_>, step: &Step<'_>) -> Result<Vec<Value>, Fault> {
    let (a, b) = (step.input(0)?, step.input(1)?);
    let (left, right) = (raise.dims(a)?, raise.dims(b)?);
    if left.is_empty() || right.is_empty() {
        return Err(Fault::new("a scalar is not a matrix"));
    }
    // A vector on the left is one row, on the right one column; the axis goes again afterwards.
    let rows = if left.len() == 1 { vec![1, left[0]] } else { left.clone() };
    let columns = if right.len() == 1 { vec![right[0], 1] } else { right.clone() };
    let mut shown = broadcast(&rows[..rows.len() - 2], &columns[..columns.len() - 2])?;
    let features = columns[columns.len() - 1];
    shown.extend(left.iter().rev().nth(1));
    if right.len() > 1 {
        shown.push(features);
    }
    let product = if columns.len() == 2 && !matches!(b, Value::Made(_)) {
        let weight = raise.constant(b)?.reshaped(columns.clone()).permuted(&[1, 0]);
        let width = rows[rows.len() - 1];
        let flat = raise.reshape(a, &[rows.iter().product::<usize>() / width.max(1), width])?;
        let args = args().int("features", features).flag("bias", false);
        raise.call("fc", args, &[flat], vec![weight])?
    } else {
        let rank = rows.len().max(columns.len());
        let a = raise.reshape(a, &with_rank(&rows, rank))?;
        let b = raise.reshape(b, &with_rank(&columns, rank))?;
        raise.call("matmul", args(), &[a, b], Vec::new())?
    };
    Ok(vec![raise.reshape(&product, &shown)?])
}

/// Extents with leading ones up to a rank.
pub(super) fn with_rank(dims: &[usize], rank: usize) -> Vec<usize> {
    [vec![1; rank.saturating_sub(dims.len())], dims.to_vec()].concat()
}

/// The extents to which two values stretch.
pub(in crate::onnx) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = a.len().max(b.len());
    let extent = |(a, b): (usize, usize)| match (a, b) {
        (a, b) if a == b => Ok(a),
        (1, other) | (other, 1) => Ok(other),
        _ => Err(Fault::new(format!("an extent of {a} does not stretch to {b}"))),
    };
    with_rank(a, rank).into_iter().zip(with_rank(b, rank)).map(extent).collect()
}
