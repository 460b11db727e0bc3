//! Stripe's own OpenAPI document as a judge: what may be asked of Stripe, and what Stripe may answer.
//!
//! The document is fetched and cached by `tests/oracles/fetch`; `tests/oracles/overlay.json` carries it from the
//! version it was published in to the one this project speaks. Two things are stricter here than in the document,
//! because Stripe is: an unknown parameter or field is an error, and a related object is an id unless it was
//! expanded. Schemas are compiled when an operation is first met, and only what it reaches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
};
use serde_json::{Map, Value, json};

#[path = "form.rs"]
pub(crate) mod form;

use form::Node;

/// Where the repository keeps what the oracles need.
const ORACLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles");

/// The oracle's location in the cache, fetched if it is not there yet.
///
/// # Panics
/// With the reason, when it cannot be had: without the oracle the tests prove nothing.
pub(crate) fn fetch(oracle: &str) -> PathBuf {
    let script = Path::new(ORACLES).join("fetch");
    let output = Command::new("python3")
        .arg(&script)
        .arg(oracle)
        .output()
        .unwrap_or_else(|error| {
            panic!("python3 is needed to fetch the oracle `{oracle}` and did not start: {error}")
        });
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(
        String::from_utf8(output.stdout)
            .expect("the path is UTF-8")
            .trim(),
    )
}

/// The document with the overlay applied, and the validators compiled so far.
pub(crate) struct OpenApi {
    document: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

/// The one document all tests of a process share.
pub(crate) fn openapi() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
        let mut document = read_json(&fetch("openapi"));
        overlay(
            &mut document,
            &read_json(&Path::new(ORACLES).join("overlay.json")),
        );
        OpenApi {
            document,
            validators: Mutex::default(),
        }
    });
    &DOCUMENT
}

fn read_json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON merge patch, except that lists (`required`, `enum`) are united unless `$replace` says otherwise.
fn overlay(target: &mut Value, patch: &Value) {
    if let Some(replacement) = patch.get("$replace") {
        *target = replacement.clone();
        return;
    }
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (key, change) in patch {
                if change.is_null() {
                    assert!(
                        target.remove(key).is_some(),
                        "the overlay removes {key}, which is not there"
                    );
                } else if key != "$comment" {
                    overlay(target.entry(key).or_insert(Value::Null), change);
                }
            }
        }
        (Value::Array(target), Value::Array(patch)) => target.extend(patch.iter().cloned()),
        (target, patch) => *target = patch.clone(),
    }
}

/// Which related objects were asked to be expanded, as a tree of field names.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Expand(BTreeMap<String, Expand>);

impl Expand {
    fn from_params(params: &Node) -> Self {
        let mut root = Self::default();
        for path in params.get("expand").into_iter().flat_map(Node::leaves) {
            let mut at = &mut root;
            for field in path.split('.') {
                at = at.0.entry(field.to_owned()).or_default();
            }
        }
        root
    }
}

impl OpenApi {
    /// Checks a request as it went over the wire: the method, the path with its query, and the form body.
    pub(crate) fn check_request(
        &self,
        method: &str,
        target: &str,
        body: &str,
    ) -> Result<(), String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (template, operation) = self.operation(method, path)?;
        let params = form::parse([query, body]);
        let schema = request_schema(operation);
        let instance = form::coerce(&params, &schema);
        let key = format!("request {method} {template}");
        let validator = self.validator(&key, &schema, &Expand::default())?;
        verdict(&validator, &instance, &key)
    }

    /// The names of the parameters an operation takes, outermost level.
    pub(crate) fn parameters(&self, method: &str, path: &str) -> Result<Vec<String>, String> {
        let (_, operation) = self.operation(method, path)?;
        let schema = request_schema(operation);
        let names = schema["properties"].as_object().into_iter().flatten();
        Ok(names.map(|(name, _)| name.clone()).collect())
    }

    /// Checks what was answered to a request.
    pub(crate) fn check_response(
        &self,
        method: &str,
        target: &str,
        request_body: &str,
        status: u16,
        body: &Value,
    ) -> Result<(), String> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if status >= 400 {
            // Also for paths Stripe does not have: it answers those with the same error object.
            let schema = json!({"$ref": "#/components/schemas/error"});
            let validator = self.validator("error", &schema, &Expand::default())?;
            return verdict(
                &validator,
                body,
                &format!("answer {status} to {method} {path}"),
            );
        }
        let (template, operation) = self.operation(method, path)?;
        let schema = operation
            .pointer("/responses/200/content/application~1json/schema")
            .ok_or_else(|| format!("{method} {template} documents no answer"))?;
        let expand = Expand::from_params(&form::parse([query, request_body]));
        let key = format!("answer to {method} {template} {expand:?}");
        verdict(&*self.validator(&key, schema, &expand)?, body, &key)?;
        self.check_events(body)
    }

    /// Checks an object by the type it names itself, with nothing expanded: what an event carries.
    pub(crate) fn check_object(&self, object: &Value) -> Result<(), String> {
        let name = object["object"]
            .as_str()
            .ok_or("the object does not name its type")?;
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        let validator = self.validator(name, &schema, &Expand::default())?;
        verdict(&validator, object, name)?;
        self.check_events(object)
    }

    /// The document leaves open what an event carries; the carried object has a schema of its own.
    fn check_events(&self, body: &Value) -> Result<(), String> {
        let events = match body["object"].as_str() {
            Some("event") => std::slice::from_ref(body),
            Some("list") => body["data"].as_array().map_or(&[][..], Vec::as_slice),
            _ => &[],
        };
        for event in events.iter().filter(|event| event["object"] == "event") {
            self.check_object(&event["data"]["object"])
                .map_err(|problem| format!("{} carries: {problem}", event["type"]))?;
        }
        Ok(())
    }

    /// The operation a request names, and its path as the document writes it. A literal segment beats a parameter.
    fn operation(&self, method: &str, path: &str) -> Result<(&str, &Value), String> {
        let method = method.to_ascii_lowercase();
        let paths = self.document["paths"]
            .as_object()
            .expect("the document lists paths");
        paths
            .iter()
            .filter(|(template, item)| item.get(&method).is_some() && matches(template, path))
            .min_by_key(|(template, _)| template.matches('{').count())
            .map(|(template, item)| (template.as_str(), &item[&method]))
            .ok_or_else(|| format!("Stripe has no {method} {path}"))
    }

    fn validator(
        &self,
        key: &str,
        schema: &Value,
        expand: &Expand,
    ) -> Result<Arc<Validator>, String> {
        if let Some(validator) = self.validators.lock().expect("not poisoned").get(key) {
            return Ok(Arc::clone(validator));
        }
        let mut conversion = Conversion {
            document: &self.document,
            reached: BTreeSet::new(),
        };
        let mut root = conversion.schema(schema, expand);
        let mut definitions = Map::new();
        while let Some(name) = conversion
            .reached
            .iter()
            .find(|name| !definitions.contains_key(**name))
            .copied()
        {
            let definition = conversion.schema(conversion.component(name)?, &Expand::default());
            definitions.insert(name.to_owned(), definition);
        }
        root["$defs"] = Value::Object(definitions);
        let validator = jsonschema::draft202012::options()
            .offline()
            .build(&root)
            .map_err(|error| format!("{key}: the schema does not compile: {error}"))?;
        let validator = Arc::new(validator);
        self.validators
            .lock()
            .expect("not poisoned")
            .insert(key.to_owned(), Arc::clone(&validator));
        Ok(validator)
    }
}

/// Everything an operation takes, in the query or in the body.
fn request_schema(operation: &Value) -> Value {
    let mut schema = query_schema(operation);
    if let Some(body) =
        operation.pointer("/requestBody/content/application~1x-www-form-urlencoded/schema")
    {
        overlay(&mut schema, body);
    }
    schema
}

/// The query parameters of an operation as one object schema.
fn query_schema(operation: &Value) -> Value {
    let parameters = operation["parameters"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let query: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter["in"] == "query")
        .collect();
    let named = |parameter: &&Value| {
        parameter["name"]
            .as_str()
            .expect("parameters are named")
            .to_owned()
    };
    json!({
        "type": "object",
        "properties": query.iter().map(|p| (named(p), p["schema"].clone())).collect::<Map<_, _>>(),
        "required": query.iter().filter(|p| p["required"] == true).map(named).collect::<Vec<_>>(),
    })
}

fn matches(template: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    template.split('/').all(|expected| {
        segments
            .next()
            .is_some_and(|segment| expected.starts_with('{') || expected == segment)
    }) && segments.next().is_none()
}

fn verdict(validator: &Validator, instance: &Value, what: &str) -> Result<(), String> {
    let mut problems = String::new();
    for error in validator.iter_errors(instance) {
        describe(&error, &mut problems);
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("{what}:{problems}"))
    }
}

/// Says what is wrong, and of alternatives what is wrong with each: that none fits helps nobody.
fn describe(error: &ValidationError<'_>, problems: &mut String) {
    if let ValidationErrorKind::AnyOf { context } = error.kind() {
        for error in context
            .iter()
            .flatten()
            .filter(|error| !is_null(error.kind()))
        {
            describe(error, problems);
        }
        return;
    }
    let message: String = error.to_string().chars().take(300).collect();
    let _ = write!(problems, "\n  {}: {message}", error.instance_path());
}

/// Whether all that is wrong is that the value is not null.
fn is_null(kind: &ValidationErrorKind) -> bool {
    matches!(kind, ValidationErrorKind::Type { kind: TypeKind::Single(expected) } if *expected == JsonType::Null)
}

/// Turns the document's dialect (`OpenAPI` 3.0) into JSON Schema, noting the components it meets.
struct Conversion<'a> {
    document: &'a Value,
    reached: BTreeSet<&'a str>,
}

impl<'a> Conversion<'a> {
    fn component(&self, name: &str) -> Result<&'a Value, String> {
        self.document["components"]["schemas"]
            .get(name)
            .ok_or_else(|| format!("no schema {name}"))
    }

    fn schema(&mut self, schema: &Value, expand: &Expand) -> Value {
        if let Some(name) = schema["$ref"]
            .as_str()
            .and_then(|r| r.strip_prefix("#/components/schemas/"))
        {
            return self.reference(name, expand);
        }
        let Some(fields) = schema.as_object() else {
            return schema.clone();
        };
        let mut converted = Map::new();
        for (keyword, value) in fields {
            let value = match keyword.as_str() {
                "nullable" | "x-expansionResources" => continue,
                "properties" => Value::Object(self.properties(value, expand)),
                "items" => self.schema(value, expand),
                "anyOf" => Value::Array(self.alternatives(schema, expand)),
                // An open map; its values may be schemas.
                "additionalProperties" if value.is_object() => {
                    self.schema(value, &Expand::default())
                }
                _ => value.clone(),
            };
            converted.insert(keyword.clone(), value);
        }
        if converted.contains_key("properties") && !converted.contains_key("additionalProperties") {
            converted.insert("additionalProperties".to_owned(), false.into());
        }
        if schema["nullable"] == true {
            allow_null(&mut converted);
        }
        Value::Object(converted)
    }

    /// Inlined where something below is expanded, since there the schema differs from the shared one.
    fn reference(&mut self, name: &str, expand: &Expand) -> Value {
        let names = &self.document["components"]["schemas"];
        let (name, component) = names
            .as_object()
            .and_then(|schemas| schemas.get_key_value(name))
            .unwrap_or_else(|| panic!("no schema {name}"));
        if *expand != Expand::default() {
            return self.schema(component, expand);
        }
        self.reached.insert(name);
        json!({"$ref": format!("#/$defs/{name}")})
    }

    fn properties(&mut self, properties: &Value, expand: &Expand) -> Map<String, Value> {
        let nothing = Expand::default();
        let fields = properties.as_object().into_iter().flatten();
        fields
            .map(|(name, schema)| {
                let expandable = !schema["x-expansionResources"].is_null()
                    || !schema["items"]["x-expansionResources"].is_null();
                let below = expand.0.get(name);
                let schema = match below {
                    Some(below) if expandable => self.expanded(schema, below),
                    below => self.schema(schema, below.unwrap_or(&nothing)),
                };
                (name.clone(), schema)
            })
            .collect()
    }

    /// A field that was asked to be expanded: objects only.
    fn expanded(&mut self, schema: &Value, expand: &Expand) -> Value {
        let mut schema = schema.clone();
        let field = if schema["items"].is_object() {
            &mut schema["items"]
        } else {
            &mut schema
        };
        field
            .as_object_mut()
            .expect("a schema")
            .remove("x-expansionResources");
        let alternatives = field["anyOf"]
            .as_array_mut()
            .expect("an expandable field has alternatives");
        alternatives.retain(|alternative| alternative.get("$ref").is_some());
        self.schema(&schema, expand)
    }

    /// A field that may be expanded is an id when it was not asked to be.
    fn alternatives(&mut self, schema: &Value, expand: &Expand) -> Vec<Value> {
        let unexpanded = !schema["x-expansionResources"].is_null();
        let alternatives = schema["anyOf"].as_array().into_iter().flatten();
        alternatives
            .filter(|alternative| !unexpanded || alternative.get("$ref").is_none())
            .map(|alternative| self.schema(alternative, expand))
            .collect()
    }
}

fn allow_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        alternatives.push(json!({"type": "null"}));
    }
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.push(Value::Null);
    }
}
