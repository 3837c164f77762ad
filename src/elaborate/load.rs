//! The files of a net: the first one and what `use` brings in.

use std::collections::HashMap;

use super::BindRule;
use super::apply::limit;
use super::limits::Limits;
use crate::diag::{Diagnostic, Diagnostics, FileId, Severity, Source, Sources, Span};
use crate::ops::Op;
use crate::syntax::{self, ast};

/// A file, and what its names stand for.
pub(super) struct File {
    pub(super) ast: ast::Ast,
    /// Constants, blocks and nets, its own and those of the files that it uses.
    pub(super) globals: HashMap<String, Global>,
}

/// A declaration: its file and its position among the items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Global {
    pub(super) file: usize,
    pub(super) item: usize,
}

impl File {
    pub(super) fn definitions(&self) -> impl Iterator<Item = &ast::Definition> {
        self.ast.items.iter().filter_map(|it| match &it.kind {
            ast::ItemKind::Net(it) | ast::ItemKind::Block(it) => Some(it),
            _ => None,
        })
    }

    pub(super) fn nets(&self) -> Vec<&ast::Definition> {
        let nets = self.ast.items.iter().filter_map(|it| match &it.kind {
            ast::ItemKind::Net(it) => Some(it),
            _ => None,
        });
        nets.collect()
    }

    /// Whether there are blocks or constants to use elsewhere.
    pub(super) fn is_library(&self) -> bool {
        self.definitions().next().is_some()
    }

    pub(super) fn rules(&self) -> Vec<BindRule> {
        let rules = self.ast.items.iter().filter_map(|it| match &it.kind {
            ast::ItemKind::Bind(rules) => Some(rules),
            _ => None,
        });
        let rule = |it: &ast::BindRule| BindRule {
            to: it.to.text.clone(),
            from: it.from.text.clone(),
            span: it.span,
        };
        rules.flatten().map(rule).collect()
    }
}

/// What a declaration is called; `None` for those without a name.
fn name_of(item: &ast::Item) -> Option<&ast::Name> {
    match &item.kind {
        ast::ItemKind::Net(it) | ast::ItemKind::Block(it) => Some(&it.name),
        ast::ItemKind::Const { name, .. } => Some(name),
        ast::ItemKind::Use(_) | ast::ItemKind::Defaults(_) | ast::ItemKind::Bind(_) => None,
    }
}

/// All files, the first one first, and what is wrong with how they hang together.
pub(super) struct Loaded {
    pub(super) files: Vec<File>,
    pub(super) diagnostics: Diagnostics,
    /// Whether a file is missing or has no whole tree: nothing can be said of names then.
    pub(super) broken: bool,
}

/// Reads the first file and, depth first, all that it uses.
pub(super) fn load(
    sources: &mut Sources,
    root: FileId,
    read: &mut dyn FnMut(&str) -> Result<Source, String>,
    limits: &Limits,
) -> Loaded {
    let name = sources.get(root).name.clone();
    let (folder, file) = name.rsplit_once('/').map_or(("", name.as_str()), |it| it);
    let mut loader = Loader {
        sources,
        read,
        limits,
        folder: folder.to_owned(),
        rooted: name.starts_with('/'),
        bytes: 0,
        by_path: HashMap::new(),
        open: Vec::new(),
        files: Vec::new(),
        diagnostics: Vec::new(),
        broken: false,
    };
    loader.open.push((vec![file.to_owned()], Span::default()));
    loader.file(root, &[file.to_owned()]);
    let Loader { files, diagnostics, broken, .. } = loader;
    Loaded { files, diagnostics, broken }
}

struct Loader<'a> {
    sources: &'a mut Sources,
    read: &'a mut dyn FnMut(&str) -> Result<Source, String>,
    limits: &'a Limits,
    /// The first file's folder, as the user gave it.
    folder: String,
    /// Whether that folder begins at the root of the file system.
    rooted: bool,
    bytes: usize,
    /// Files by their path below the folder.
    by_path: HashMap<Vec<String>, usize>,
    /// The files being read, outermost first, each with the `use` that asked for it.
    open: Vec<(Vec<String>, Span)>,
    files: Vec<File>,
    diagnostics: Diagnostics,
    broken: bool,
}

impl Loader<'_> {
    fn file(&mut self, id: FileId, path: &[String]) -> usize {
        let at = self.files.len();
        self.by_path.insert(path.to_vec(), at);
        let text = self.sources.get(id).text.clone();
        self.bytes = self.bytes.saturating_add(text.len());
        let (ast, faults) = syntax::parse(id, &text);
        self.broken |= faults.iter().any(|it| it.severity == Severity::Error);
        self.diagnostics.extend(faults);
        self.files.push(File { ast, globals: HashMap::new() });
        let uses: Vec<ast::Name> = self.files[at]
            .ast
            .items
            .iter()
            .filter_map(|it| match &it.kind {
                ast::ItemKind::Use(path) => Some(path.clone()),
                _ => None,
            })
            .collect();
        self.declare(at);
        for name in uses {
            match self.used(path, &name) {
                Some(used) => self.bring(at, used, name.span),
                None => self.broken = true,
            }
        }
        at
    }

    /// The file that a `use` names, read if it is new; `None` after a mistake.
    fn used(&mut self, from: &[String], name: &ast::Name) -> Option<usize> {
        let path = self.resolve(from, name)?;
        if let Some(start) = self.open.iter().position(|it| it.0 == path) {
            let ring: Vec<String> = self.open[start..].iter().map(|it| it.0.join("/")).collect();
            let mut fault =
                Diagnostic::error("use-cycle", name.span, "files use one another in a ring")
                    .note(format!("{} -> {}", ring.join(" -> "), path.join("/")));
            for it in &self.open[start + 1..] {
                fault = fault.and(it.1, "used here");
            }
            self.diagnostics.push(fault.help("move what both need into a third file"));
            return None;
        }
        if let Some(&known) = self.by_path.get(&path) {
            return Some(known);
        }
        if self.open.len() >= self.limits.depth {
            let message = format!("`use` inside `use` goes deeper than {}", self.limits.depth);
            self.diagnostics.push(limit(name.span, "depth", message));
            return None;
        }
        if self.files.len() >= self.limits.files {
            let message = format!("more than {} files are used", self.limits.files);
            self.diagnostics.push(limit(name.span, "files", message));
            return None;
        }
        let shown = self.shown(&path);
        let source = match (self.read)(&shown) {
            Ok(source) => source,
            Err(fault) => {
                let message = format!("`{}` cannot be read: {fault}", name.text);
                let fault = Diagnostic::error("use-missing", name.span, message)
                    .help("the path is relative to the file that uses it");
                self.diagnostics.push(fault);
                return None;
            }
        };
        if self.bytes.saturating_add(source.text.len()) > self.limits.bytes {
            let message = format!("the files are more than {} bytes together", self.limits.bytes);
            self.diagnostics.push(limit(name.span, "bytes", message));
            return None;
        }
        let id = self.sources.add(source);
        self.open.push((path.clone(), name.span));
        let at = self.file(id, &path);
        self.open.pop();
        Some(at)
    }

    /// A path below the first file's folder, one entry a component.
    fn resolve(&mut self, from: &[String], name: &ast::Name) -> Option<Vec<String>> {
        let mut fault = |message: String, help: &str| {
            let fault = Diagnostic::error("use-path", name.span, message).help(help);
            self.diagnostics.push(fault);
            None
        };
        let text = name.text.as_str();
        if text.starts_with(['/', '\\']) || text.contains([':', '\\', '\0']) {
            let message = format!("`{text}` is not a relative path with `/`");
            return fault(
                message,
                "write the path from this file's folder, as in \"blocks/vgg.net\"",
            );
        }
        let mut path = from[..from.len() - 1].to_vec();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." if path.pop().is_none() => {
                    let message = format!("`{text}` leads out of the first file's folder");
                    return fault(message, "keep the files of a net in one folder");
                }
                ".." => {}
                part => path.push(part.to_owned()),
            }
        }
        if path.is_empty() || text.ends_with('/') {
            return fault(format!("`{text}` names no file"), "name a `.net` file");
        }
        Some(path)
    }

    /// The path to read, and to show.
    fn shown(&self, path: &[String]) -> String {
        let path = path.join("/");
        match (self.folder.as_str(), self.rooted) {
            ("", false) => path,
            (folder, _) => format!("{folder}/{path}"),
        }
    }

    /// Enters a file's own names.
    fn declare(&mut self, at: usize) {
        for item in 0..self.files[at].ast.items.len() {
            let Some(name) = name_of(&self.files[at].ast.items[item]).cloned() else { continue };
            if let Some(fault) = reserved(&name) {
                self.diagnostics.push(fault);
            }
            self.enter(at, &name.text, Global { file: at, item }, name.span);
            self.params(at, item);
        }
    }

    /// A parameter has a name of its own.
    fn params(&mut self, at: usize, item: usize) {
        let (ast::ItemKind::Net(it) | ast::ItemKind::Block(it)) =
            &self.files[at].ast.items[item].kind
        else {
            return;
        };
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for param in &it.params {
            if let Some(first) = seen.insert(&param.name.text, param.name.span) {
                let message = format!("the parameter `{}` is declared twice", param.name.text);
                let fault = Diagnostic::error("duplicate-name", param.name.span, message);
                self.diagnostics.push(fault.and(first, "first declared here"));
            }
        }
    }

    /// Enters the names that a used file declares itself.
    fn bring(&mut self, at: usize, used: usize, span: Span) {
        for item in 0..self.files[used].ast.items.len() {
            let name = name_of(&self.files[used].ast.items[item]).map(|it| it.text.clone());
            if let Some(name) = name {
                self.enter(at, &name, Global { file: used, item }, span);
            }
        }
    }

    fn enter(&mut self, at: usize, name: &str, global: Global, span: Span) {
        let known = self.files[at].globals.insert(name.to_owned(), global);
        let Some(known) = known.filter(|it| *it != global) else { return };
        let first = name_of(&self.files[known.file].ast.items[known.item]).map(|it| it.span);
        let message = format!("`{name}` is declared twice");
        let fault = Diagnostic::error("duplicate-name", span, message);
        self.diagnostics.push(match first {
            Some(first) => fault.and(first, "first declared here"),
            None => fault,
        });
    }
}

/// The complaint about a name that layers or functions have.
pub(super) fn reserved(name: &ast::Name) -> Option<Diagnostic> {
    let text = name.text.as_str();
    let what = match text {
        "first" | "min" | "max" | "floor" => "function",
        _ if Op::find(text).is_some() => "layer",
        _ => return None,
    };
    let message = format!("`{text}` is a {what} and cannot be the name of anything else");
    Some(Diagnostic::error("reserved-name", name.span, message).help("choose another name"))
}
