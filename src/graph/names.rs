//! Names that are given once.

use std::collections::HashMap;

/// Names in use, each with the last number that was put behind it.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    /// Takes a name that is nobody else's: this one, or this one with a number.
    pub(crate) fn free(&mut self, name: &str) -> String {
        self.free_if(name, |_| true)
    }

    /// [`Names::free`] among the names that will do; with a number each will in the end.
    pub(crate) fn free_if(&mut self, name: &str, will_do: impl Fn(&str) -> bool) -> String {
        let mut count = self.0.get(name).copied().unwrap_or(0);
        let mut free = name.to_owned();
        while self.0.contains_key(&free) || !will_do(&free) {
            count = count.max(1) + 1;
            free = format!("{name}_{count}");
        }
        self.0.insert(name.to_owned(), count);
        self.0.entry(free.clone()).or_insert(0);
        free
    }

    /// Keeps a name from being given.
    pub(crate) fn take(&mut self, name: String) {
        self.0.entry(name).or_insert(0);
    }

    /// Lets a name be given after all.
    pub(crate) fn release(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_given_once() {
        let mut names = Names::default();
        let given = ["a", "a_2", "a", "a", "b", "a"].map(|it| names.free(it));
        assert_eq!(given, ["a", "a_2", "a_3", "a_4", "b", "a_5"]);
        assert_eq!(names.free_if("c", |it| it.ends_with('3')), "c_3");
        names.take("d".to_owned());
        assert_eq!(names.free("d"), "d_2");
        names.release("d");
        assert_eq!(names.free("d"), "d");
    }
}
