//! Every diagnostic code: what it means, and a file that shows it. `netc explain CODE` prints a row.
//!
//! Codes are stable words; a code is never given another meaning.

mod calls;
mod command;
mod lints;
mod names;
mod syntax;
mod weights;

/// A diagnostic code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The word.
    pub name: &'static str,
    /// What is wrong, in one sentence.
    pub sentence: &'static str,
    /// Why it is so, and what to do.
    pub explanation: &'static str,
    /// A file that gives this code and no other; empty if no file alone can.
    pub bad: &'static str,
    /// The same file put right.
    pub good: &'static str,
}

/// Every code, by stage.
pub const CODES: &[&[Code]] =
    &[syntax::CODES, names::CODES, calls::CODES, lints::CODES, weights::CODES, command::CODES];

/// Every code, one after another.
pub fn all() -> impl Iterator<Item = &'static Code> {
    CODES.iter().copied().flatten()
}

/// The row of a code.
pub fn find(name: &str) -> Option<&'static Code> {
    all().find(|it| it.name == name)
}

/// Whether a code is about the text of a file, which has a first line even if it is empty.
pub fn is_about_text(name: &str) -> bool {
    syntax::CODES.iter().chain(names::CODES).any(|it| it.name == name)
}

impl Code {
    /// The page that `netc explain` prints: plain Markdown.
    pub fn page(&self) -> String {
        let mut page = format!("{}: {}\n\n{}\n", self.name, self.sentence, self.explanation);
        if !self.bad.is_empty() {
            page.push_str(&format!(
                "\nWrong:\n\n{}\nRight:\n\n{}",
                indent(self.bad),
                indent(self.good)
            ));
        }
        page
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|it| if it.is_empty() { "\n".into() } else { format!("    {it}\n") }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_words_and_each_has_one_row() {
        let mut seen = HashSet::new();
        for code in all() {
            let word = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
            assert!(code.name.chars().all(word), "{}", code.name);
            assert!(seen.insert(code.name), "`{}` has two rows", code.name);
            assert!(!code.sentence.is_empty() && !code.sentence.ends_with('.'), "{}", code.name);
            assert!(code.explanation.ends_with('.'), "{}", code.name);
            assert_eq!(code.bad.is_empty(), code.good.is_empty(), "{}", code.name);
        }
    }
}
