//! What to say of a name that stands for nothing: our word for it, or a name of the kind that is wanted.

use super::Expander;
use super::eval::word;
use super::frame::{Bound, Frame};
use super::load::Global;
use super::value::Val;
use crate::diag::{Diagnostic, Span, nearest};
use crate::ops::{Arg, Op, synonyms};
use crate::syntax::ast::{self, ExprKind};

/// What an unknown name was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A layer that is no block: it joins arms, or has defaults.
    Operator,
    /// Whatever can be applied.
    Layer,
    /// Whatever can begin a chain: the same, or a value.
    Step,
    /// Whatever an expression can hold.
    Value,
}

/// So many names are compared.
const KNOWN_MAX: usize = 200;

impl<'a> Expander<'a> {
    /// The complaint about a name that stands for nothing here.
    pub(super) fn unknown(
        &self,
        frame: &Frame<'a>,
        name: &str,
        span: Span,
        wanted: Wanted,
    ) -> Diagnostic {
        if let Some(later) =
            frame.definition.and_then(|it| super::names::binding_of(&it.body, name))
        {
            let message = format!("`{name}` is used before it is defined");
            return Diagnostic::error("used-before-defined", span, message)
                .and(later, "defined here")
                .help("statements run in the order of the file; move the definition up");
        }
        let (code, nothing) = match wanted {
            Wanted::Operator => ("unknown-layer", "no layer is called"),
            Wanted::Layer | Wanted::Step => ("unknown-layer", "no layer or block is called"),
            Wanted::Value => ("unknown-name", "nothing is called"),
        };
        let fault = Diagnostic::error(code, span, format!("{nothing} `{name}`"));
        if wanted != Wanted::Value
            && let Some(entry) = synonyms::layer(name)
        {
            let ours = format!("`{name}` is called `{}` here", entry.name);
            return fault.help(match entry.args {
                [] => ours,
                _ => format!("{ours}: {}", entry.signature()),
            });
        }
        if wanted != Wanted::Value && name.eq_ignore_ascii_case("sequential") {
            return fault.help("layers in a row are `a -> b`; in `seq { a -> b }` their positions name the weights");
        }
        let near = nearest(name, self.alike(frame, name, wanted));
        match near.map(|it| (it, Op::find(it))) {
            Some((near, Some(entry))) => {
                fault.help(format!("did you mean `{near}`? {}", entry.signature()))
            }
            Some((near, None)) => fault.help(format!("did you mean `{near}`?")),
            None if wanted == Wanted::Value => fault.help(
                "parameters, constants, values, loop variables and the symbols of inputs have names here",
            ),
            None => fault.help("`netc ops` lists the layers"),
        }
    }

    /// The names of the kind that is wanted, and about as long.
    fn alike(&self, frame: &Frame<'a>, name: &str, wanted: Wanted) -> Vec<&'a str> {
        // Long names and many names make the comparison slow, and a typing mistake less likely.
        let alike = |it: &&str| it.len() <= 40 && it.len().abs_diff(name.len()) <= 2;
        let own = frame.names().filter(|it| match &it.1.bound {
            Bound::Shared(_) => matches!(wanted, Wanted::Layer | Wanted::Step),
            Bound::Val(Val::Flow(_)) => matches!(wanted, Wanted::Step | Wanted::Value),
            Bound::Val(_) => wanted == Wanted::Value,
        });
        let files = self.files;
        let declared = files[frame.file].globals.iter().filter(|it| {
            let Global { file, item } = *it.1;
            match &files[file].ast.items[item].kind {
                ast::ItemKind::Const { .. } => wanted == Wanted::Value,
                ast::ItemKind::Net(it) | ast::ItemKind::Block(it) => {
                    let is_open = self.active.iter().any(|open| std::ptr::eq(*open, it));
                    matches!(wanted, Wanted::Layer | Wanted::Step) && !is_open
                }
                _ => false,
            }
        });
        let mut known: Vec<&'a str> =
            own.map(|it| it.0).chain(declared.map(|it| it.0.as_str())).filter(alike).collect();
        known.sort_unstable();
        known.truncate(KNOWN_MAX);
        if wanted == Wanted::Value {
            known.extend(["true", "false"]);
        } else {
            known.extend(Op::TABLE.iter().map(|it| it.name).filter(alike));
        }
        known
    }

    /// The complaint about a bare word that is almost one of those that an argument knows.
    pub(super) fn unknown_word(
        &self,
        frame: &Frame<'a>,
        arg: &Arg,
        value: &ast::Expr,
    ) -> Option<Diagnostic> {
        let ExprKind::Name(name) = &value.kind else { return None };
        let is_known = frame.look(name).is_some()
            || self.global(frame.file, name).is_some()
            || word(name).is_some()
            || Op::find(name).is_some();
        if is_known {
            return None;
        }
        let near = nearest(name, arg.words.iter().copied())?;
        let words: Vec<String> = arg.words.iter().map(|it| format!("`{it}`")).collect();
        let help =
            format!("did you mean `{near}`? The words of `{}` are {}", arg.name, words.join(", "));
        let message = format!("nothing is called `{name}`");
        Some(Diagnostic::error("unknown-name", value.span, message).help(help))
    }
}
