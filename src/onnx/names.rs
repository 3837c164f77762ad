//! What layers are called: the names that the exporter gave, without its decoration.

use std::collections::HashMap;

use super::proto::Node;

/// The longest name that is kept.
const LENGTH_MAX: usize = 128;

/// A node as messages name it.
pub(super) fn of_node(node: &Node) -> String {
    let name = if node.name.is_empty() {
        node.output.first().map_or("", String::as_str)
    } else {
        &node.name
    };
    let name: String = name.chars().filter(|it| !it.is_control()).take(LENGTH_MAX).collect();
    if name.contains(&node.op_type) { name } else { format!("{} {name}", node.op_type) }
}

/// What the layer of a parameter is called: its path without the last component.
pub(super) fn of_param(name: &str) -> String {
    let stem = ["weight", "bias", "running_mean", "value"]
        .iter()
        .find_map(|it| name.strip_suffix(it)?.strip_suffix('.'));
    clean(stem.unwrap_or(name))
}

/// What the layers of a node are called: as its weights are, or as it is itself.
pub(super) fn label(node: &Node, stored: &HashMap<String, usize>) -> String {
    let weight = node.input.iter().skip(1).find(|it| stored.contains_key(*it));
    if let Some(stem) = weight.and_then(|it| it.strip_suffix(".weight")) {
        return clean(stem);
    }
    if node.name.starts_with('/') {
        return clean(&of_scope(&node.name));
    }
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    clean(name.map_or("", String::as_str))
}

/// The module path in a scope as PyTorch writes it: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`.
fn of_scope(scope: &str) -> String {
    let mut parts: Vec<&str> = scope.split('/').filter(|it| !it.is_empty()).collect();
    let last = parts.pop().unwrap_or_default();
    let mut path: Vec<&str> = Vec::new();
    for part in parts {
        if let Some(before) = path.last()
            && part.strip_prefix(before).is_some_and(|it| it.starts_with('.'))
        {
            path.pop();
        }
        path.push(part);
    }
    if path.is_empty() { last.to_owned() } else { path.join(".") }
}

/// A name without what a string in a `.net` file cannot hold.
fn clean(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|it| if it.is_control() || it == '"' || it == '\\' { '_' } else { it })
        .take(LENGTH_MAX)
        .collect();
    let name = name.trim_matches(['.', '/', ' ']);
    if name.is_empty() { "layer".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{of_param, of_scope};

    #[test]
    fn scopes_are_module_paths() {
        assert_eq!(of_scope("/layer1/layer1.0/conv1/Conv"), "layer1.0.conv1");
        assert_eq!(
            of_scope("/layer2/layer2.0/downsample/downsample.0/Conv"),
            "layer2.0.downsample.0"
        );
        assert_eq!(of_scope("/Flatten"), "Flatten");
        assert_eq!(of_param("layer1.0.bn1.weight"), "layer1.0.bn1");
        assert_eq!(of_param("anchors"), "anchors");
    }
}
