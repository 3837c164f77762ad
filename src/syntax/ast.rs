//! The tree of one file: spanned, names unresolved.
//!
//! Knows no operator and no shape. Whether `x` is a layer, a block, a value or a parameter, and whether
//! `3 * x` is a product, a scaling or a repetition, is for elaboration to say.

use crate::diag::Span;

/// One file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ast {
    /// The declarations, in the order of the file.
    pub items: Vec<Item>,
    /// Comments and blank lines, in the order of the file; only the formatter reads them.
    pub trivia: Vec<Trivia>,
    /// The whole file.
    pub span: Span,
}

/// What the grammar passes over and the formatter keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trivia {
    /// Which kind.
    pub kind: TriviaKind,
    /// From the `#` to the end of the line, or the blank line.
    pub span: Span,
}

/// The kinds of [`Trivia`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriviaKind {
    /// `# text` on a line of its own; the text begins with `#` and ends without white space.
    Comment(String),
    /// `# text` after something else on its line.
    Trailing(String),
    /// One or more blank lines.
    Blank,
}

/// A name as it was written, or a quoted one without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name itself; any text at all if it was quoted.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

/// A declaration of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// What is declared.
    pub kind: ItemKind,
    /// From the keyword to the end.
    pub span: Span,
}

/// The kinds of [`Item`].
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `net Name(params) { body }`
    Net(Definition),
    /// `block name(params) { body }`
    Block(Definition),
    /// `const name = value`
    Const {
        /// What it is called.
        name: Name,
        /// What it is.
        value: Expr,
    },
    /// `use "file.net"`; the name is the path without quotes.
    Use(Name),
    /// `defaults { conv(pad=half) }`: arguments for every layer of that kind in this file.
    Defaults(Vec<Call>),
    /// `bind { "ours.*" <- "theirs.*" }`
    Bind(Vec<BindRule>),
}

/// A net or a block.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// What it is called.
    pub name: Name,
    /// Its parameters; empty also where the parentheses are left out.
    pub params: Vec<Param>,
    /// What it does.
    pub body: Body,
}

/// `name` or `name = default` in the head of a net or block.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// What it is called.
    pub name: Name,
    /// What it is when it is not given.
    pub default: Option<Expr>,
}

/// `"to" <- "from"`: weights named by the pattern `from` in a file are those of `to` in the net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindRule {
    /// A pattern of weight paths of the net.
    pub to: Name,
    /// A pattern of names in the weights file.
    pub from: Name,
    /// The whole rule.
    pub span: Span,
}

/// Statements in braces, or one arm of a branch: each goes on from the one before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// In the order of the file; none is the identity.
    pub stmts: Vec<Stmt>,
    /// Between the braces or bars, these left out.
    pub span: Span,
}

/// A statement of a body.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// What it says.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// The kinds of [`Stmt`].
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `input a, b: f32[N, 3, 224, 224]`
    Input {
        /// One or more.
        names: Vec<Name>,
        /// The type of an element, such as `f32`.
        element: Name,
        /// One an axis, the batch first; a name may be a symbol bound when compiling.
        dims: Vec<Expr>,
    },
    /// `output name`, `output name = chain`, `output name @train = chain`
    Output {
        /// What it is called.
        name: Name,
        /// Whether only `--train` keeps it.
        train: bool,
        /// What it is; without it, the value of that name, or the current value.
        chain: Option<Chain>,
    },
    /// `shared name: layer`: one set of weights to apply many times.
    Shared {
        /// The instance.
        name: Name,
        /// A call, a name, a `seq`.
        layer: Expr,
    },
    /// `name = chain`
    Value {
        /// What it is called.
        name: Name,
        /// What it is.
        chain: Chain,
    },
    /// A chain alone.
    Chain(Chain),
}

/// `a -> b -> c`
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// One or more.
    pub steps: Vec<Step>,
    /// From the first step to the last.
    pub span: Span,
}

/// One step of a chain: `label: layer => [shape]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The instance, a component of the weight path. The grammar lets it stand before any kind of step.
    pub label: Option<Name>,
    /// What is done.
    pub kind: StepKind,
    /// The shape that must come out.
    pub note: Option<Note>,
    /// Label and note included.
    pub span: Span,
}

/// The kinds of [`Step`].
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// A layer, block or value, or a computation with them.
    Expr(Expr),
    /// `for x in list { body }`
    For(For),
    /// `if condition { body } else { body }`
    If(If),
}

/// `for pattern in list { body }`
#[derive(Clone, Debug, PartialEq)]
pub struct For {
    /// What each element is called.
    pub pattern: Pattern,
    /// A list or a range.
    pub list: Expr,
    /// What is done for each.
    pub body: Body,
    /// The whole loop.
    pub span: Span,
}

/// What an element of a list is bound to.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `_`
    Any(Span),
    /// `name`
    Name(Name),
    /// `(a, b)`, for elements that are tuples (or lists) of that length.
    Tuple(Vec<Pattern>, Span),
}

/// `if a { .. } else if b { .. } else { .. }`
#[derive(Clone, Debug, PartialEq)]
pub struct If {
    /// Conditions and what is done under each; the first that holds counts. Never empty.
    pub cases: Vec<(Expr, Body)>,
    /// What is done when none holds; without it, nothing.
    pub otherwise: Option<Body>,
    /// The whole statement.
    pub span: Span,
}

/// `=> [64, 56, 56]`: the shape without the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// One an axis.
    pub dims: Vec<Dim>,
    /// From the arrow to the bracket.
    pub span: Span,
}

/// One axis of a [`Note`].
#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    /// `_`: whatever it is.
    Any(Span),
    /// A size.
    Size(Expr),
}

/// `name(1, 2, key=3)`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// A layer, a block, a net, a shared instance or a function such as `min`.
    pub name: Name,
    /// Positional ones first (the parser sees to that).
    pub args: Vec<Arg>,
    /// The whole call.
    pub span: Span,
}

/// One argument of a [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub struct Arg {
    /// The name in `key=value`.
    pub name: Option<Name>,
    /// What is given.
    pub value: Expr,
    /// Both.
    pub span: Span,
}

/// An expression: a number, a value of the net, a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// The whole expression; parentheses around it are left out, those of a tuple are not.
    pub span: Span,
}

/// The kinds of [`Expr`].
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `42`; never negative, the sign is a [`UnaryOp::Neg`].
    Int(i64),
    /// `1e-5`, finite.
    Float {
        /// Its value.
        value: f64,
        /// As it was written.
        text: String,
    },
    /// `true`, `false`
    Bool(bool),
    /// `"bilinear"`; where a value of the net is wanted, a quoted name.
    Text(String),
    /// `it`, the current value.
    It,
    /// Any other word: a parameter, constant, value, layer, block, symbol, or one such as `half`.
    Name(String),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `(a, b)`, `(a,)`; never empty.
    Tuple(Vec<Expr>),
    /// `from..to`, `to` left out.
    Range(Box<Expr>, Box<Expr>),
    /// `-a`, `not a`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`; [`BinaryOp::Mul`] is also repetition.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `condition ? yes : no`
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `g.relu4_2`, `it.c`
    Field(Box<Expr>, Name),
    /// `conv(64, 3, pad=1)`
    Call(Call),
    /// `seq { body }`
    Seq(Body),
    /// `add { a | b }`
    Branch {
        /// What joins the arms.
        op: Name,
        /// One or more.
        arms: Vec<Body>,
    },
    /// A chain in parentheses that is more than an expression: several steps, a label or a note.
    Chain(Chain),
}

/// The operators before an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Neg,
    /// `not`
    Not,
}

/// The operators between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Rem,
}

impl BinaryOp {
    /// As it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
        }
    }
}
