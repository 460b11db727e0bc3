//! What parameters a route takes, and the check of a request against that.
//!
//! Handlers run only after the check, so they may read a declared integer without handling "not an integer".

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::{Params, StripeError};

/// What a parameter looks like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text.
    Str,
    /// Whole number.
    Int,
    /// `true` or `false`.
    Bool,
    /// Exact decimal as text.
    Decimal,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// Whole number or one of these words (`trial_end=now`).
    IntOr(&'static [&'static str]),
    /// Timestamp, or bounds `gt`, `gte`, `lt`, `lte`.
    Range,
    /// Key-value pairs within Stripe's limits.
    Metadata,
    /// Text under names of the caller's own.
    StringMap,
    /// Nested parameters.
    Object(&'static [Field]),
    /// List of that.
    List(&'static Shape),
    /// Stripe knows it, the sandbox does not.
    Unsupported,
}

/// A parameter of a route.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
    clearable: bool,
}

impl Field {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// An optional parameter that cannot be unset.
pub const fn opt(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
        clearable: false,
    }
}

/// An optional parameter which the empty string unsets.
pub const fn clearable(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
        clearable: true,
    }
}

/// A required parameter.
pub const fn req(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
        clearable: false,
    }
}

/// A parameter Stripe has and the sandbox refuses.
pub const fn unsupported(name: &'static str) -> Field {
    Field {
        name,
        shape: Shape::Unsupported,
        required: false,
        clearable: true,
    }
}

/// `created` and its like in lists.
const RANGE: &[Field] = &[
    opt("gt", Shape::Int),
    opt("gte", Shape::Int),
    opt("lt", Shape::Int),
    opt("lte", Shape::Int),
];

/// An address: descriptive everywhere.
pub const ADDRESS: &[Field] = &[
    clearable("city", Shape::Str),
    clearable("country", Shape::Str),
    clearable("line1", Shape::Str),
    clearable("line2", Shape::Str),
    clearable("postal_code", Shape::Str),
    clearable("state", Shape::Str),
];

/// Checks a request's parameters: unknown first, then missing, then ill-formed, as Stripe does.
pub fn check(params: &Params, fields: &[&[Field]]) -> Result<(), StripeError> {
    check_object(&params.0, fields, "")
}

fn check_object(
    map: &Map<String, Value>,
    fields: &[&[Field]],
    at: &str,
) -> Result<(), StripeError> {
    let declared = || fields.iter().flat_map(|part| part.iter());
    if let Some(unknown) = map
        .keys()
        .find(|name| declared().all(|field| field.name != *name))
    {
        return Err(StripeError::unknown(&join(at, unknown)));
    }
    for field in declared() {
        let name = join(at, field.name);
        match map.get(field.name) {
            None if field.required => return Err(StripeError::missing(&name)),
            None => {}
            Some(Value::String(text)) if text.is_empty() && field.clearable => {
                // Unsetting what was never modelled changes nothing.
            }
            Some(Value::String(text)) if text.is_empty() => {
                return Err(empty(&name, field));
            }
            Some(value) => check_value(value, field.shape, &name)?,
        }
    }
    Ok(())
}

fn check_value(value: &Value, shape: Shape, name: &str) -> Result<(), StripeError> {
    match (shape, value) {
        (Shape::Unsupported, _) => Err(StripeError::unsupported(name)),
        (Shape::Metadata, Value::Object(map)) => check_metadata(map, name),
        (Shape::StringMap, Value::Object(_)) => Ok(()),
        (Shape::Object(fields), Value::Object(map)) => check_object(map, &[fields], name),
        (Shape::Range, Value::Object(map)) => check_object(map, &[RANGE], name),
        (Shape::List(element), Value::Object(map)) => {
            for (index, value) in map {
                if index.parse::<usize>().is_err() {
                    return Err(invalid(name, "array"));
                }
                check_value(value, *element, &format!("{name}[{index}]"))?;
            }
            Ok(())
        }
        (Shape::Metadata | Shape::StringMap | Shape::Object(_), _) => Err(invalid(name, "object")),
        (Shape::List(_), _) => Err(invalid(name, "array")),
        (_, Value::String(text)) => check_text(text, shape, name),
        _ => Err(invalid(name, "string")),
    }
}

fn check_text(text: &str, shape: Shape, name: &str) -> Result<(), StripeError> {
    match shape {
        Shape::Int | Shape::Range if text.parse::<i64>().is_err() => Err(StripeError::validation(
            name,
            format!("Invalid integer: {text}"),
        )
        .code("parameter_invalid_integer")),
        Shape::Bool if text.parse::<bool>().is_err() => Err(StripeError::validation(
            name,
            format!("Invalid boolean: {text}"),
        )),
        Shape::Decimal if text.parse::<Decimal>().is_err() => Err(StripeError::validation(
            name,
            format!("Invalid decimal: {text}"),
        )),
        Shape::Enum(words) if !words.contains(&text) => Err(not_one_of(name, words)),
        Shape::IntOr(words) if !words.contains(&text) && text.parse::<i64>().is_err() => {
            Err(not_one_of(name, words))
        }
        Shape::Str if text.chars().count() > 5000 => Err(StripeError::validation(
            name,
            format!("Invalid string: {name} must be at most 5000 characters"),
        )
        .code("parameter_invalid_string_length")),
        _ => Ok(()),
    }
}

fn check_metadata(map: &Map<String, Value>, name: &str) -> Result<(), StripeError> {
    let refuse = |message: String| Err(StripeError::validation(name, message));
    if map.len() > 50 {
        return refuse("Metadata can have up to 50 keys".to_owned());
    }
    for (key, value) in map {
        let Some(value) = value.as_str() else {
            return Err(invalid(name, "string"));
        };
        if key.chars().count() > 40 || key.contains(['[', ']']) {
            return refuse(format!(
                "Metadata keys can be up to 40 characters long, without square brackets: {key}"
            ));
        }
        if value.chars().count() > 500 {
            return refuse(format!(
                "Metadata values can have up to 500 characters, but {key} has more"
            ));
        }
    }
    Ok(())
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}[{name}]")
    }
}

fn invalid(name: &str, wanted: &str) -> StripeError {
    StripeError::validation(name, format!("Invalid {wanted}: {name}"))
}

fn empty(name: &str, field: &Field) -> StripeError {
    if field.required {
        return StripeError::missing(name);
    }
    let message = format!(
        "You passed an empty string for '{name}'. Empty values unset a parameter, and '{name}' cannot be unset. \
         Remove it from your request or supply a non-empty value."
    );
    StripeError::validation(name, message).code("parameter_invalid_empty")
}

fn not_one_of(name: &str, words: &[&str]) -> StripeError {
    StripeError::validation(
        name,
        format!("Invalid {name}: must be one of {}", words.join(", ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        req("name", Shape::Str),
        clearable("note", Shape::Str),
        opt("active", Shape::Bool),
        opt(
            "items",
            Shape::List(&Shape::Object(&[
                req("price", Shape::Str),
                opt("n", Shape::Int),
            ])),
        ),
        clearable("metadata", Shape::Metadata),
        unsupported("source"),
    ];

    fn code(form: &str) -> (Option<String>, Option<String>) {
        let error = check(&Params::decode(form), &[FIELDS]).unwrap_err();
        assert_eq!(
            (error.status, error.phase),
            (400, super::super::Phase::Validation)
        );
        (error.code, error.param)
    }

    #[test]
    fn what_is_declared_passes() {
        for form in [
            "name=a&note=&active=true",
            "name=a&items[0][price]=p&items[0][n]=-1",
            "name=a&metadata=",
        ] {
            assert_eq!(check(&Params::decode(form), &[FIELDS]), Ok(()), "{form}");
        }
    }

    #[test]
    fn what_is_not_declared_is_refused_by_its_full_name() {
        assert_eq!(
            code("name=a&foo=1"),
            (Some("parameter_unknown".into()), Some("foo".into()))
        );
        assert_eq!(
            code("name=a&items[0][price]=p&items[0][x]=1"),
            (Some("parameter_unknown".into()), Some("items[0][x]".into()))
        );
    }

    #[test]
    fn missing_empty_and_ill_formed_are_told_apart() {
        assert_eq!(
            code("note=x"),
            (Some("parameter_missing".into()), Some("name".into()))
        );
        assert_eq!(
            code("name=a&active="),
            (
                Some("parameter_invalid_empty".into()),
                Some("active".into())
            )
        );
        assert_eq!(code("name=a&active=maybe").1, Some("active".into()));
        assert_eq!(
            code("name=a&items[0][price]=p&items[0][n]=x").0,
            Some("parameter_invalid_integer".into())
        );
        assert_eq!(code("name=a&source=tok").1, Some("source".into()));
    }

    #[test]
    fn metadata_has_stripes_limits() {
        let long = "x".repeat(41);
        assert_eq!(
            code(&format!("name=a&metadata[{long}]=1")).1,
            Some("metadata".into())
        );
        let long = "x".repeat(501);
        assert_eq!(
            code(&format!("name=a&metadata[k]={long}")).1,
            Some("metadata".into())
        );
    }
}
