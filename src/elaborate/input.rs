//! The inputs of a net: their extents, the symbols among them, and what a picture's must have.

use super::Expander;
use super::frame::{Bound, Frame};
use super::value::{Flow, Val};
use crate::diag::{Diagnostic, Span};
use crate::shape::Shape;
use crate::syntax::ast;

/// Smaller maps are no pictures.
const PICTURE_MIN: usize = 16;

impl<'a> Expander<'a> {
    /// `input a, b: f32[N, 3, 224, 224]`
    pub(super) fn inputs(
        &mut self,
        frame: &mut Frame<'a>,
        names: &'a [ast::Name],
        element: &'a ast::Name,
        dims: &'a [ast::Expr],
        span: Span,
    ) {
        if frame.net.is_none() {
            self.misplaced("input", span);
            return;
        }
        if element.text != "f32" {
            let message = format!("the elements of a value are `f32`, found `{}`", element.text);
            self.report(Diagnostic::error("element-type", element.span, message));
        }
        for name in names {
            let flow = self.input(frame, name, dims);
            self.declare(frame, name, Bound::Val(Val::Flow(flow.clone())));
            let net = frame.net.get_or_insert_default();
            net.inputs.push(name.span);
            if !net.input_names.insert(name.text.clone()) {
                let message = format!("the input `{}` is declared twice", name.text);
                self.report(Diagnostic::error("duplicate-name", name.span, message));
            }
            frame.current = (net.inputs.len() == 1).then_some(flow);
        }
    }

    fn input(&mut self, frame: &mut Frame<'a>, name: &'a ast::Name, dims: &'a [ast::Expr]) -> Flow {
        let applied = frame.net.as_mut().and_then(|it| it.given.as_mut());
        let (flow, given) = match applied {
            None => {
                let given = self.options.inputs.iter().find(|it| it.0 == name.text);
                (None, given.map(|it| (it.1.clone(), name.span)))
            }
            Some(queue) => match queue.pop_front() {
                None => {
                    let message = format!("no value is given for the input `{}`", name.text);
                    let at = self.active.last().map_or(name.span, |it| it.name.span);
                    self.report(
                        Diagnostic::error("net-inputs", at, message)
                            .and(name.span, "declared here"),
                    );
                    return Flow::default();
                }
                Some((flow, at)) => {
                    let Some(id) = flow.id else { return flow };
                    let dims = self.draft.shape(id).dims().to_vec();
                    (Some(flow), Some((dims, at)))
                }
            },
        };
        if let Some((extents, at)) = &given
            && extents.len() != dims.len()
        {
            let message = format!(
                "the input `{}` has {} axes, here {} are given: {extents:?}",
                name.text,
                dims.len(),
                extents.len()
            );
            let code = if flow.is_some() { "net-inputs" } else { "input-option" };
            self.report(Diagnostic::error(code, *at, message));
            return Flow::default();
        }
        let mut extents = Vec::with_capacity(dims.len());
        for (axis, dim) in dims.iter().enumerate() {
            let want = given.as_ref().map(|it| (it.0[axis], it.1, flow.is_some()));
            extents.push(self.dim(frame, dim, want, &name.text));
        }
        self.unbound(frame, name, dims, &extents);
        let Some(extents) = extents.into_iter().collect::<Option<Vec<_>>>() else {
            return Flow::default();
        };
        if let Some(flow) = flow {
            return flow;
        }
        let Some(shape) = Shape::checked(&extents)
            .filter(|it| it.rank() >= 1 && it.elements() <= self.limits.elements)
        else {
            let message = format!("an input cannot have the extents {extents:?}");
            let at = dims.first().zip(dims.last()).map_or(name.span, |it| it.0.span.to(it.1.span));
            self.report(
                Diagnostic::error("input-shape", at, message)
                    .help("each extent is at least 1; there are 1 to 8 axes, the batch first, and at most 2^31 elements"),
            );
            return Flow::default();
        };
        if given.is_none() {
            self.lint_batch(name, dims, &extents);
        }
        Flow::of(self.draft.add_input(&name.text, shape, name.span))
    }

    /// Says which symbols of an input have no size; they are names all the same.
    fn unbound(
        &mut self,
        frame: &mut Frame<'a>,
        name: &ast::Name,
        dims: &'a [ast::Expr],
        extents: &[Option<usize>],
    ) {
        let mut open: Vec<(&'a str, Span)> = Vec::new();
        for (dim, _) in dims.iter().zip(extents).filter(|it| it.1.is_none()) {
            if let ast::ExprKind::Name(symbol) = &dim.kind
                && frame.look(symbol).is_none()
                && self.global(frame.file, symbol).is_none()
            {
                frame.bind(symbol, Bound::Val(Val::Poison), dim.span);
                open.push((symbol, dim.span));
            }
        }
        let (Some(first), Some(last)) = (open.first(), open.last()) else { return };
        let names: Vec<String> = open.iter().map(|it| format!("`{}`", it.0)).collect();
        let be = if names.len() == 1 { "is" } else { "are" };
        let shape: Vec<String> = dims
            .iter()
            .zip(extents)
            .map(|it| match (it.1, &it.0.kind) {
                (Some(extent), _) => extent.to_string(),
                (None, ast::ExprKind::Name(symbol)) => symbol.clone(),
                (None, _) => "..".to_owned(),
            })
            .collect();
        let message = format!("nothing says what {} {be}", names.join(" and "));
        let help = format!(
            "give a size with `--input {}={}`, numbers for the names, or write numbers here",
            name.text,
            shape.join("x")
        );
        let span = first.1.to(last.1);
        self.report(Diagnostic::error("unbound-symbol", span, message).help(help));
    }

    /// Warns of an input that looks like one picture: its first extent is taken for the batch.
    fn lint_batch(&mut self, name: &ast::Name, dims: &[ast::Expr], extents: &[usize]) {
        let [ast::Expr { kind: ast::ExprKind::Int(_), span }, ..] = dims else { return };
        let &[first, height, width] = extents else { return };
        let is_map = height >= PICTURE_MIN && width >= PICTURE_MIN;
        if is_map && (first == 3 || first == 4 || first == 1 && height == width) {
            let message = format!(
                "the first extent is the batch, so `{}` is {first} values [{height}, {width}]",
                name.text
            );
            self.report(
                Diagnostic::warning("batch-missing", *span, message)
                    .help(format!("a picture is written `f32[N, {first}, {height}, {width}]`")),
            );
        }
    }

    /// One extent of an input: what is given, what it says, or what its symbol is bound to.
    fn dim(
        &mut self,
        frame: &mut Frame<'a>,
        dim: &'a ast::Expr,
        given: Option<(usize, Span, bool)>,
        input: &str,
    ) -> Option<usize> {
        if let ast::ExprKind::Name(symbol) = &dim.kind
            && frame.look(symbol).is_none()
            && self.global(frame.file, symbol).is_none()
        {
            let extent = match given {
                Some((extent, ..)) => extent,
                None if symbol == "N" => self.options.batch,
                // Said by the input, of all its symbols at once.
                None => return None,
            };
            let val = Val::Int(i64::try_from(extent).unwrap_or(i64::MAX));
            frame.bind(symbol, Bound::Val(val), dim.span);
            return Some(extent);
        }
        let declared = self.whole(frame, dim)?;
        let Ok(size) = usize::try_from(declared) else {
            let message = format!("an extent is at least 1, found {declared}");
            self.report(Diagnostic::error("input-shape", dim.span, message));
            return None;
        };
        match given {
            Some((extent, at, applied)) if extent != size => {
                if let ast::ExprKind::Int(_) = dim.kind
                    && !applied
                {
                    self.resized = true;
                    return Some(extent);
                }
                let message =
                    format!("the input `{input}` has {size} on this axis, here {extent} is given");
                let code = if applied { "net-inputs" } else { "input-option" };
                self.report(Diagnostic::error(code, at, message).and(dim.span, "declared here"));
                None
            }
            _ => Some(size),
        }
    }
}
