//! Stripe's form encoding (`items[0][price]=…`, `expand[]=…`) read back into JSON, guided by a schema.

use serde_json::{Map, Value};

/// A parameter as it went over the wire: text, or named parts in the order they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    Parts(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Text(_) => None,
            Self::Parts(parts) => parts
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, node)| node),
        }
    }

    /// Every text below, in order.
    pub(crate) fn leaves(&self) -> Vec<&str> {
        match self {
            Self::Text(text) => vec![text],
            Self::Parts(parts) => parts.iter().flat_map(|(_, node)| node.leaves()).collect(),
        }
    }

    fn insert(&mut self, path: &[&str], text: String) {
        let Self::Parts(parts) = self else {
            panic!("a parameter is both a value and an object")
        };
        let (name, rest) = path.split_first().expect("a name has a segment");
        if rest.is_empty() {
            parts.push(((*name).to_owned(), Self::Text(text)));
            return;
        }
        // `a[][b]` starts a new element with every field it would otherwise repeat.
        let position = parts.iter().rposition(|(key, node)| {
            key == name && !(name.is_empty() && rest.len() == 1 && node.get(rest[0]).is_some())
        });
        let index = position.unwrap_or_else(|| {
            parts.push(((*name).to_owned(), Self::Parts(Vec::new())));
            parts.len() - 1
        });
        parts[index].1.insert(rest, text);
    }
}

/// Parses url-encoded texts (a query and a body) into one tree.
pub(crate) fn parse<'a>(encoded: impl IntoIterator<Item = &'a str>) -> Node {
    let mut root = Node::Parts(Vec::new());
    for text in encoded {
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let path: Vec<&str> = name
                .split('[')
                .map(|segment| segment.strip_suffix(']').unwrap_or(segment))
                .collect();
            root.insert(&path, value.into_owned());
        }
    }
    root
}

/// Reads the tree with the types its schema gives it. What fits no type stays text, for the validator to refuse.
pub(crate) fn coerce(node: &Node, schema: &Value) -> Value {
    let kinds = alternatives(schema);
    match node {
        Node::Text(text) => scalar(text, &kinds),
        Node::Parts(parts) => {
            if let Some(list) = kinds.iter().find(|kind| kind["type"] == "array") {
                return parts
                    .iter()
                    .map(|(_, node)| coerce(node, &list["items"]))
                    .collect();
            }
            let fields = parts
                .iter()
                .map(|(name, node)| (name.clone(), coerce(node, field(&kinds, name))));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

fn alternatives(schema: &Value) -> Vec<&Value> {
    match schema["anyOf"].as_array() {
        Some(kinds) => kinds.iter().flat_map(alternatives).collect(),
        None => vec![schema],
    }
}

fn field<'a>(kinds: &[&'a Value], name: &str) -> &'a Value {
    let named = kinds.iter().find_map(|kind| kind["properties"].get(name));
    named
        .or_else(|| {
            kinds
                .iter()
                .find_map(|kind| kind.get("additionalProperties"))
        })
        .unwrap_or(&Value::Null)
}

fn scalar(text: &str, kinds: &[&Value]) -> Value {
    let is = |name: &str| kinds.iter().any(|kind| kind["type"] == name);
    if is("integer")
        && let Ok(number) = text.parse::<i64>()
    {
        return number.into();
    }
    if is("number")
        && let Ok(number) = text.parse::<f64>()
    {
        return number.into();
    }
    if is("boolean")
        && let Ok(flag) = text.parse::<bool>()
    {
        return flag.into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn brackets_make_objects_and_lists_and_types_come_from_the_schema() {
        let schema = json!({"properties": {
            "items": {"type": "array", "items": {"properties": {"quantity": {"type": "integer"}}}},
            "trial_end": {"anyOf": [{"type": "string", "enum": ["now"]}, {"type": "integer"}]},
            "metadata": {"anyOf": [{"additionalProperties": {"type": "string"}}, {"type": "string", "enum": [""]}]},
            "expand": {"type": "array", "items": {"type": "string"}},
        }});
        let tree = parse([
            "expand[]=a&expand[]=b.c",
            "items[0][price]=p1&items[0][quantity]=2&items[1][price]=p2&trial_end=now&metadata[n]=1",
        ]);
        let expected = json!({
            "expand": ["a", "b.c"],
            "items": [{"price": "p1", "quantity": 2}, {"price": "p2"}],
            "trial_end": "now",
            "metadata": {"n": "1"},
        });
        assert_eq!(coerce(&tree, &schema), expected);
    }

    #[test]
    fn an_element_of_an_unnumbered_list_ends_where_a_field_repeats() {
        let tree = parse(["items[][price]=a&items[][quantity]=1&items[][price]=b"]);
        let schema =
            json!({"properties": {"items": {"type": "array", "items": {"properties": {}}}}});
        let expected = json!({"items": [{"price": "a", "quantity": "1"}, {"price": "b"}]});
        assert_eq!(coerce(&tree, &schema), expected);
    }

    #[test]
    fn an_empty_text_that_unsets_a_map_stays_text() {
        let schema = json!({"properties": {"metadata": {"anyOf": [
            {"type": "object", "additionalProperties": {"type": "string"}}, {"type": "string", "enum": [""]},
        ]}}});
        assert_eq!(
            coerce(&parse(["metadata="]), &schema),
            json!({"metadata": ""})
        );
    }
}
