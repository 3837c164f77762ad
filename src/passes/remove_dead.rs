use super::Why;
use crate::graph::Graph;

/// Removes layers that no result needs.
///
/// ```text
/// a = conv(x)                 a = conv(x)
/// b = conv(a)         ->
/// output y = a                output y = a
/// ```
///
/// Does not apply to inputs: they are the caller's.
pub(super) fn run(graph: &mut Graph, why: &mut Why) {
    for id in graph.order().into_iter().rev() {
        let read = graph.is_output(id) || !graph.users(id).is_empty();
        if !read && graph.layer(id).is_some() {
            graph.remove(id);
            why.did(id, "removed: no result needs it");
        }
    }
}
