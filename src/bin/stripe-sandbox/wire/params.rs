//! A request's parameters, from Stripe's form encoding.
//!
//! Everything is kept as Stripe receives it: text in nested maps, lists as maps with numeric keys (a metadata
//! key may be a number too, and only the declaration says which is meant).

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Parameters of a request, or of an object within it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(pub Map<String, Value>);

impl Params {
    /// Decodes `a[b][0]=c&d[]=e`.
    pub fn decode(form: &str) -> Self {
        let mut root = Map::new();
        for (name, value) in form_urlencoded::parse(form.as_bytes()) {
            insert(&mut root, &split(&name), value.into_owned());
        }
        Self(root)
    }

    /// Takes parameters written as JSON, as the control plane does.
    pub fn from_json(value: &Value) -> Self {
        match flatten(value) {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }

    /// Adds the parameters of another part of the request.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The value at a dotted path such as `invoice_settings.default_payment_method`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let mut value = self.0.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    }

    /// Whether the parameter was given, be it to unset it.
    pub fn has(&self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// Whether the parameter was given as the empty string, which unsets.
    pub fn is_unset(&self, path: &str) -> bool {
        self.str(path) == Some("")
    }

    /// The text given, empty when it unsets.
    pub fn str(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// The text given, if not empty.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.str(path).filter(|text| !text.is_empty())
    }

    /// A whole number.
    pub fn i64(&self, path: &str) -> Option<i64> {
        self.str(path)?.parse().ok()
    }

    /// A yes or no.
    pub fn bool(&self, path: &str) -> Option<bool> {
        self.str(path)?.parse().ok()
    }

    /// An exact decimal.
    pub fn decimal(&self, path: &str) -> Option<Decimal> {
        self.str(path)?.parse().ok()
    }

    /// An enumeration whose serde names are Stripe's.
    pub fn parse<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let text = self.text(path)?;
        serde_json::from_value(Value::String(text.to_owned())).ok()
    }

    /// The parameters nested under a name.
    pub fn object(&self, path: &str) -> Option<Self> {
        self.get(path)?.as_object().cloned().map(Self)
    }

    /// A list's elements in order; empty both when absent and when unset.
    pub fn elements(&self, path: &str) -> Vec<&Value> {
        let Some(Value::Object(map)) = self.get(path) else {
            return Vec::new();
        };
        let mut elements: Vec<_> = map.iter().collect();
        elements.sort_by_key(|(key, _)| key.parse::<usize>().unwrap_or(usize::MAX));
        elements.into_iter().map(|(_, value)| value).collect()
    }

    /// A list of texts.
    pub fn strings(&self, path: &str) -> Vec<&str> {
        self.elements(path)
            .into_iter()
            .filter_map(Value::as_str)
            .collect()
    }

    /// A list of objects.
    pub fn objects(&self, path: &str) -> Vec<Self> {
        let elements = self.elements(path).into_iter();
        elements
            .filter_map(|element| element.as_object().cloned().map(Self))
            .collect()
    }

    /// Writes a text parameter into a field if it was given; the empty string unsets.
    pub fn assign(&self, path: &str, field: &mut Option<String>) {
        if let Some(text) = self.str(path) {
            *field = Some(text.to_owned()).filter(|text| !text.is_empty());
        }
    }

    /// Applies `metadata` as Stripe does: keys merge, an empty value deletes its key, an empty map clears.
    pub fn assign_metadata(&self, path: &str, metadata: &mut BTreeMap<String, String>) {
        match self.get(path) {
            Some(Value::String(_)) => metadata.clear(),
            Some(Value::Object(changes)) => {
                for (key, value) in changes {
                    match value.as_str() {
                        Some("") | None => metadata.remove(key),
                        Some(text) => metadata.insert(key.clone(), text.to_owned()),
                    };
                }
            }
            _ => {}
        }
    }
}

/// `a[b][]` as `["a", "b", ""]`.
fn split(name: &str) -> Vec<&str> {
    let Some((head, rest)) = name.split_once('[') else {
        return vec![name];
    };
    let mut parts = vec![head];
    parts.extend(
        rest.split('[')
            .map(|part| part.strip_suffix(']').unwrap_or(part)),
    );
    parts
}

fn insert(map: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let key = if first.is_empty() {
        append_key(map, rest)
    } else {
        (*first).to_owned()
    };
    if rest.is_empty() {
        map.insert(key, Value::String(value));
        return;
    }
    let child = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !child.is_object() {
        *child = Value::Object(Map::new());
    }
    if let Value::Object(child) = child {
        insert(child, rest, value);
    }
}

/// Where `[]` puts its value: `a[][x]=1&a[][y]=2&a[][x]=3` are two elements, since the third repeats a key.
fn append_key(map: &Map<String, Value>, rest: &[&str]) -> String {
    let next = map.len();
    let Some(last) = next.checked_sub(1) else {
        return "0".to_owned();
    };
    let open = rest.first().is_some_and(|key| {
        map.get(&last.to_string())
            .and_then(Value::as_object)
            .is_some_and(|object| !object.contains_key(*key))
    });
    if open {
        last.to_string()
    } else {
        next.to_string()
    }
}

fn flatten(value: &Value) -> Value {
    match value {
        Value::Null => Value::String(String::new()),
        Value::Array(items) if items.is_empty() => Value::String(String::new()),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            Value::Object(
                items
                    .map(|(at, item)| (at.to_string(), flatten(item)))
                    .collect(),
            )
        }
        Value::Object(map) if map.is_empty() => Value::String(String::new()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, item)| (key.clone(), flatten(item)))
                .collect(),
        ),
        Value::String(text) => Value::String(text.clone()),
        other => Value::String(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(form: &str) -> Value {
        Value::Object(Params::decode(form).0)
    }

    #[test]
    fn brackets_nest_and_indices_count() {
        assert_eq!(
            decoded("items[0][price]=p&items[1][price]=q&email=a%40b+c&metadata[k]="),
            json!({"items": {"0": {"price": "p"}, "1": {"price": "q"}}, "email": "a@b c", "metadata": {"k": ""}})
        );
    }

    #[test]
    fn empty_brackets_append_and_start_a_new_element_when_a_key_repeats() {
        assert_eq!(
            decoded("expand[]=a&expand[]=b"),
            json!({"expand": {"0": "a", "1": "b"}})
        );
        assert_eq!(
            decoded("i[][x]=1&i[][y]=2&i[][x]=3"),
            json!({"i": {"0": {"x": "1", "y": "2"}, "1": {"x": "3"}}})
        );
    }

    #[test]
    fn lists_come_in_numeric_order() {
        let form: Vec<String> = (0..12).rev().map(|at| format!("l[{at}]=v{at}")).collect();
        let params = Params::decode(&form.join("&"));
        assert_eq!(params.strings("l")[9..], ["v9", "v10", "v11"]);
    }

    #[test]
    fn json_and_form_agree() {
        let form = Params::decode("a[0][b]=1&c=true&d=&e[x]=y");
        let value = json!({"a": [{"b": 1}], "c": true, "d": null, "e": {"x": "y"}});
        assert_eq!(Params::from_json(&value), form);
    }

    #[test]
    fn metadata_merges_deletes_and_clears() {
        let mut metadata =
            BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".into(), "2".into())]);
        Params::decode("metadata[a]=&metadata[c]=3").assign_metadata("metadata", &mut metadata);
        assert_eq!(metadata.keys().collect::<Vec<_>>(), ["b", "c"]);
        Params::decode("metadata=").assign_metadata("metadata", &mut metadata);
        assert!(metadata.is_empty());
    }
}
