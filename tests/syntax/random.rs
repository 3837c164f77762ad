//! Random trees that a text could have, from the bytes of a property test.

use arbitrary::{Result, Unstructured};
use netc::diag::Span;
use netc::syntax::ast::*;

const NAMES: &[&str] =
    &["a", "b2", "conv", "bottleneck", "half", "N", "_hidden", "a_rather_long_name"];
const TITLES: &[&str] = &["x", "0", "layer.1/conv", "for", "say \"hi\"", "\u{65e5}\\\n", "_", ""];
const FLOATS: &[&str] = &["0.5", "1e-5", "2.0", "1.5E+3", "00.25"];
const OPS: &[BinaryOp] = &[
    BinaryOp::Or,
    BinaryOp::And,
    BinaryOp::Eq,
    BinaryOp::Lt,
    BinaryOp::Ge,
    BinaryOp::Add,
    BinaryOp::Sub,
    BinaryOp::Mul,
    BinaryOp::Div,
    BinaryOp::Rem,
];

/// Makes trees; `depth` is what is left of it.
pub(crate) struct Random<'a, 'b> {
    pub(crate) bytes: &'a mut Unstructured<'b>,
    pub(crate) depth: usize,
}

impl Random<'_, '_> {
    pub(crate) fn file(&mut self) -> Result<Ast> {
        let items = self.several(1, 4, |it| it.item())?;
        Ok(Ast { items, ..Ast::default() })
    }

    fn below(&mut self, end: usize) -> Result<usize> {
        self.bytes.int_in_range(0..=end - 1)
    }

    fn chance(&mut self, percent: u8) -> Result<bool> {
        self.bytes.ratio(percent, 100)
    }

    /// At least `least` and fewer than `end`; as few as may be once the tree is deep.
    fn several<T>(
        &mut self,
        least: usize,
        end: usize,
        make: impl Fn(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let end = if self.depth == 0 { least + 1 } else { end };
        let count = least + self.below(end - least)?;
        (0..count).map(|_| make(self)).collect()
    }

    fn deeper<T>(&mut self, make: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        let made = make(self);
        self.depth = depth;
        made
    }

    fn word(&mut self) -> Result<Name> {
        Ok(name(self.bytes.choose(NAMES)?))
    }

    fn title(&mut self) -> Result<Name> {
        if self.chance(70)? { self.word() } else { Ok(name(self.bytes.choose(TITLES)?)) }
    }

    fn item(&mut self) -> Result<Item> {
        let kind = match self.below(7)? {
            0 => ItemKind::Const { name: self.word()?, value: self.deeper(|it| it.expr())? },
            1 => ItemKind::Use(self.title()?),
            2 => ItemKind::Defaults(self.several(0, 3, |it| it.call())?),
            3 => ItemKind::Bind(self.several(0, 3, |it| {
                Ok(BindRule { to: it.title()?, from: it.title()?, span: Span::default() })
            })?),
            4 => ItemKind::Block(self.definition()?),
            _ => ItemKind::Net(self.definition()?),
        };
        Ok(Item { kind, span: Span::default() })
    }

    fn definition(&mut self) -> Result<Definition> {
        let params = self.several(0, 4, |it| {
            let default = if it.chance(50)? { Some(it.deeper(|it| it.expr())?) } else { None };
            Ok(Param { name: it.word()?, default })
        })?;
        Ok(Definition { name: self.word()?, params, body: self.body()? })
    }

    fn body(&mut self) -> Result<Body> {
        let stmts = self.deeper(|it| it.several(0, 4, |it| it.stmt()))?;
        Ok(Body { stmts, span: Span::default() })
    }

    fn stmt(&mut self) -> Result<Stmt> {
        let kind = match self.below(9)? {
            0 => StmtKind::Input {
                names: self.several(1, 3, |it| it.title())?,
                element: self.word()?,
                dims: self.several(0, 4, |it| it.deeper(|it| it.expr()))?,
            },
            1 => StmtKind::Output {
                name: self.title()?,
                train: self.chance(50)?,
                chain: if self.chance(50)? { Some(self.chain()?) } else { None },
            },
            2 => StmtKind::Shared { name: self.title()?, layer: self.step_expr()? },
            3 | 4 => StmtKind::Value { name: self.title()?, chain: self.chain()? },
            _ => StmtKind::Chain(self.chain()?),
        };
        Ok(Stmt { kind, span: Span::default() })
    }

    fn chain(&mut self) -> Result<Chain> {
        let steps = self.several(1, 5, |it| it.step())?;
        Ok(Chain { steps, span: Span::default() })
    }

    fn step(&mut self) -> Result<Step> {
        let label = if self.chance(25)? { Some(self.title()?) } else { None };
        let note = if self.chance(25)? {
            let dims = self.several(0, 4, |it| {
                let any = it.chance(30)?;
                if any {
                    Ok(Dim::Any(Span::default()))
                } else {
                    it.deeper(|it| it.expr()).map(Dim::Size)
                }
            })?;
            Some(Note { dims, span: Span::default() })
        } else {
            None
        };
        let kind = match self.below(if self.depth == 0 { 1 } else { 8 })? {
            6 => StepKind::For(For {
                pattern: self.pattern()?,
                list: self.deeper(|it| it.expr())?,
                body: self.body()?,
                span: Span::default(),
            }),
            7 => StepKind::If(If {
                cases: self.several(1, 3, |it| Ok((it.deeper(|it| it.expr())?, it.body()?)))?,
                otherwise: if self.chance(40)? { Some(self.body()?) } else { None },
                span: Span::default(),
            }),
            _ => StepKind::Expr(self.step_expr()?),
        };
        Ok(Step { label, kind, note, span: Span::default() })
    }

    fn pattern(&mut self) -> Result<Pattern> {
        Ok(match self.below(if self.depth == 0 { 2 } else { 4 })? {
            0 => Pattern::Any(Span::default()),
            1 | 2 => Pattern::Name(self.word()?),
            _ => Pattern::Tuple(
                self.deeper(|it| it.several(1, 4, |it| it.pattern()))?,
                Span::default(),
            ),
        })
    }

    /// A choice is no step.
    fn step_expr(&mut self) -> Result<Expr> {
        let it = self.deeper(|it| it.expr())?;
        Ok(if matches!(it.kind, ExprKind::Choice(..)) { expr(ExprKind::It) } else { it })
    }

    fn call(&mut self) -> Result<Call> {
        let mut args = self.several(0, 4, |it| {
            let name = if it.chance(40)? { Some(it.word()?) } else { None };
            Ok(Arg { name, value: it.deeper(|it| it.expr())?, span: Span::default() })
        })?;
        args.sort_by_key(|it| it.name.is_some());
        Ok(Call { name: self.word()?, args, span: Span::default() })
    }

    fn boxed(&mut self) -> Result<Box<Expr>> {
        self.deeper(|it| it.expr()).map(Box::new)
    }

    fn expr(&mut self) -> Result<Expr> {
        let choices = if self.depth == 0 { 6 } else { 18 };
        Ok(expr(match self.below(choices)? {
            0 | 1 => ExprKind::Int(self.below(5000)? as i64),
            2 => {
                let text = self.bytes.choose(FLOATS)?;
                ExprKind::Float { value: text.parse().unwrap_or(0.0), text: (*text).to_owned() }
            }
            3 => ExprKind::Bool(self.chance(50)?),
            4 => ExprKind::Text(self.title()?.text),
            5 => self.atom()?,
            6 => ExprKind::List(self.several(0, 12, |it| it.deeper(|it| it.expr()))?),
            7 => ExprKind::Tuple(self.several(1, 4, |it| it.deeper(|it| it.expr()))?),
            8 => ExprKind::Range(self.boxed()?, self.boxed()?),
            9 => {
                let op = if self.chance(50)? { UnaryOp::Neg } else { UnaryOp::Not };
                ExprKind::Unary(op, self.boxed()?)
            }
            10 | 11 => ExprKind::Binary(*self.bytes.choose(OPS)?, self.boxed()?, self.boxed()?),
            12 => ExprKind::Choice(self.boxed()?, self.boxed()?, self.boxed()?),
            13 => ExprKind::Field(self.boxed()?, self.title()?),
            14 => ExprKind::Seq(self.body()?),
            15 => ExprKind::Branch { op: self.word()?, arms: self.several(1, 4, |it| it.body())? },
            16 => {
                let chain = self.deeper(|it| it.chain())?;
                match &chain.steps[..] {
                    [Step { label: None, kind: StepKind::Expr(_), note: None, .. }] => ExprKind::It,
                    _ => ExprKind::Chain(chain),
                }
            }
            _ => ExprKind::Call(self.call()?),
        }))
    }

    fn atom(&mut self) -> Result<ExprKind> {
        Ok(if self.chance(20)? { ExprKind::It } else { ExprKind::Name(self.word()?.text) })
    }
}

fn name(text: &str) -> Name {
    Name { text: text.to_owned(), span: Span::default() }
}

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}
