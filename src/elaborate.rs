//! From trees to a graph: names, repetition, shapes, and every mistake a net can have.
//!
//! Knows no file system (the caller reads files) and no machine. Expansion walks the tree once a copy;
//! whatever it makes is paid for from a budget before it is made. A mistake poisons the value that
//! it spoils, and what is made of a poisoned value says nothing more about shapes.

mod allow;
mod annotate;
mod applied;
mod apply;
mod args;
mod blocks;
mod body;
mod draft;
mod eval;
mod explain;
mod forms;
mod frame;
mod input;
mod limits;
mod load;
mod names;
mod net;
mod scope;
mod step;
mod suggest;
mod value;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

pub use annotate::annotate;
pub use limits::Limits;

use applied::Application;
use draft::{Draft, Id, Lines};
use load::{File, Global};
use value::Val;

use crate::diag::{Diagnostic, Diagnostics, FileId, Severity, Source, Sources, Span};
use crate::graph::Graph;
use crate::syntax::ast;

/// What the caller asks for besides the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The net to build; needed where a file has several.
    pub net: Option<String>,
    /// Parameters of the net, each value as it would be written.
    pub set: Vec<(String, String)>,
    /// What the symbol `N` is.
    pub batch: usize,
    /// Extents of inputs, batch first, in place of the declared ones.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// Whether `@train` outputs stay.
    pub train: bool,
    /// How much a file may ask for.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            net: None,
            set: Vec::new(),
            batch: 1,
            inputs: Vec::new(),
            train: false,
            limits: Limits::default(),
        }
    }
}

/// A net that has a meaning.
#[derive(Clone, Debug)]
pub struct Elaborated {
    /// The net: every layer that reaches a result.
    pub graph: Graph,
    /// Warnings and remarks, in the order of the file.
    pub warnings: Diagnostics,
    /// The file's `bind` rules.
    pub rules: Vec<BindRule>,
    /// Whether [`Options::inputs`] changed an extent that the file states as a number.
    pub resized: bool,
}

/// `bind { "to" <- "from" }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindRule {
    /// A pattern of weight paths of the net.
    pub to: String,
    /// A pattern of names in the weights file.
    pub from: String,
    /// The rule.
    pub span: Span,
}

/// Builds a net of a file. `read` fetches what `use` names, by a path made of the first file's folder;
/// its error is shown to the user. Errors come in the order of the file, warnings among them.
pub fn elaborate(
    sources: &mut Sources,
    root: FileId,
    read: &mut dyn FnMut(&str) -> Result<Source, String>,
    options: &Options,
) -> Result<Elaborated, Diagnostics> {
    let mut loaded = load::load(sources, root, read, &options.limits);
    let set = net::read_set(sources, options, &mut loaded);
    if loaded.broken {
        return Err(in_order(loaded.diagnostics));
    }
    let lines = Lines::of(sources);
    let mut expander = Expander::new(&loaded.files, options, lines, loaded.diagnostics);
    let net = expander.choose_net();
    if let Some(net) = net {
        expander.root_net(net, &set);
    }
    expander.check_idle_definitions();
    let mut result = expander.finish(net.map_or("", |it| it.name.text.as_str()));
    match &mut result {
        Ok(elaborated) => &mut elaborated.warnings,
        Err(diagnostics) => diagnostics,
    }
    .retain(|it| !allow::is_answered(sources, it));
    result
}

/// Finds every mistake in a file: each of its nets is built, blocks that none applies are read.
/// A file of blocks only is a library and has no net to build. Warnings and remarks are among the result.
pub fn check(
    sources: &mut Sources,
    root: FileId,
    read: &mut dyn FnMut(&str) -> Result<Source, String>,
    options: &Options,
) -> Diagnostics {
    let mut loaded = load::load(sources, root, read, &options.limits);
    let set = net::read_set(sources, options, &mut loaded);
    if loaded.broken {
        return in_order(loaded.diagnostics);
    }
    let found = std::mem::take(&mut loaded.diagnostics);
    let mut all = found.clone();
    let nets = loaded.files[0].nets();
    let chosen =
        nets.iter().filter(|it| options.net.as_ref().is_none_or(|net| *net == it.name.text));
    for net in chosen {
        let lines = Lines::of(sources);
        let mut expander = Expander::new(&loaded.files, options, lines, found.clone());
        expander.root_net(net, &set);
        match expander.finish(&net.name.text) {
            Ok(elaborated) => all.extend(elaborated.warnings),
            Err(diagnostics) => all.extend(diagnostics),
        }
    }
    let mut expander = Expander::new(&loaded.files, options, Lines::of(sources), all);
    if nets.len() != 1 && options.net.is_some() {
        expander.choose_net();
    }
    if nets.is_empty() && !loaded.files[0].is_library() {
        expander.choose_net();
    }
    expander.check_idle_definitions();
    let mut all = expander.sorted();
    all.retain(|it| !allow::is_answered(sources, it));
    all
}

/// A net while it is expanded.
struct Expander<'a> {
    files: &'a [File],
    options: &'a Options,
    limits: &'a Limits,
    lines: Lines,
    draft: Draft,
    diagnostics: Diagnostics,
    seen: HashSet<(&'static str, Span)>,
    errors: usize,
    /// After a fatal limit: nothing more is made.
    stopped: bool,
    steps_left: usize,
    /// How deep the walk is.
    depth: usize,
    /// Blocks and nets being applied, outermost first.
    active: Vec<&'a ast::Definition>,
    /// The applications that led to the innermost of these; the net itself has none.
    applications: Vec<Application<'a>>,
    /// Blocks and nets that were applied.
    applied: HashSet<*const ast::Definition>,
    /// Constants: `None` while they are being evaluated.
    consts: HashMap<(usize, &'a str), Option<Val>>,
    /// Arguments from `defaults`, by file and operator; filled when first asked for.
    defaults: HashMap<usize, HashMap<&'a str, Rc<[args::Default]>>>,
    /// Where the shared instances being applied are applied.
    sites: Vec<Span>,
    /// Values named and never read.
    unread: Vec<(Id, Span)>,
    /// Values made inside an applied net, of which only some may be wanted.
    inner: BTreeSet<Id>,
    /// Values of which a field was read.
    tapped: HashSet<Id>,
    /// Results that only training keeps.
    train: Vec<Id>,
    /// Whether an input has other extents than declared, so that notes do not hold.
    resized: bool,
    /// What statements did to shapes, if that is asked for.
    shapes: Option<annotate::Shapes>,
}

/// So many different mistakes are kept; after as many errors expansion stops.
const DIAGNOSTICS_MAX: usize = 1000;

impl<'a> Expander<'a> {
    fn new(
        files: &'a [File],
        options: &'a Options,
        lines: Lines,
        diagnostics: Diagnostics,
    ) -> Self {
        let mut expander = Expander {
            files,
            options,
            limits: &options.limits,
            lines,
            draft: Draft::default(),
            diagnostics: Vec::new(),
            seen: HashSet::new(),
            errors: 0,
            stopped: false,
            steps_left: options.limits.steps,
            depth: 0,
            active: Vec::new(),
            applications: Vec::new(),
            applied: HashSet::new(),
            consts: HashMap::new(),
            defaults: HashMap::new(),
            sites: Vec::new(),
            unread: Vec::new(),
            inner: BTreeSet::new(),
            tapped: HashSet::new(),
            train: Vec::new(),
            resized: false,
            shapes: None,
        };
        expander.report_all(diagnostics);
        expander
    }

    /// Keeps a diagnostic, unless the same code was said of the same place (another copy of it).
    fn report(&mut self, diagnostic: Diagnostic) {
        let is_error = diagnostic.severity == Severity::Error;
        if !is_error && self.diagnostics.len() >= DIAGNOSTICS_MAX {
            return;
        }
        if self.seen.insert((diagnostic.code, diagnostic.span)) {
            self.errors += usize::from(is_error);
            let diagnostic = self.with_settings(self.in_application(diagnostic));
            self.diagnostics.push(diagnostic);
        }
        self.stopped |= self.errors >= DIAGNOSTICS_MAX;
    }

    /// Whether a code was said of a place already.
    fn was_said(&self, code: &'static str, span: Span) -> bool {
        self.seen.contains(&(code, span))
    }

    fn report_all(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for it in diagnostics {
            self.report(it);
        }
    }

    fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The tree of what a file declares under a name, its own names before those that `use` brings.
    fn global(&self, file: usize, name: &str) -> Option<Global> {
        self.files[file].globals.get(name).copied()
    }

    /// The depth of the walk, counted so that no file can exhaust the stack.
    fn enter(&mut self, span: Span) -> bool {
        if self.stopped {
            return false;
        }
        if self.depth >= DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} forms stand inside one another");
            self.report(Diagnostic::error("limit", span, message));
            self.stopped = true;
            return false;
        }
        self.depth += 1;
        true
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn sorted(self) -> Diagnostics {
        in_order(self.diagnostics)
    }

    fn finish(mut self, name: &str) -> Result<Elaborated, Diagnostics> {
        if self.has_errors() {
            return Err(self.sorted());
        }
        self.lint_idle();
        let rules = self.files[0].rules();
        let graph = std::mem::take(&mut self.draft).finish(name);
        if cfg!(debug_assertions) {
            graph.verify();
        }
        let resized = self.resized;
        Ok(Elaborated { graph, warnings: self.sorted(), rules, resized })
    }
}

/// Diagnostics in the order of the files.
fn in_order(mut diagnostics: Diagnostics) -> Diagnostics {
    diagnostics.sort_by_key(|it| (it.span.file, it.span.start));
    diagnostics.dedup_by(|a, b| (a.code, a.span, &a.message) == (b.code, b.span, &b.message));
    diagnostics
}

/// The walk's depth: blocks within blocks, each with forms within forms.
const DEPTH_MAX: usize = 400;
