//! `expand[]`.

use serde_json::Value;

use super::{Expansion, Params, StripeError};
use crate::{api, state::State};

/// Refuses what can be expanded nowhere, before anything is done.
pub(super) fn check(params: &Params) -> Result<(), StripeError> {
    for path in params.strings("expand") {
        let segments: Vec<&str> = path.split('.').collect();
        if segments
            .iter()
            .filter(|segment| **segment != "data")
            .count()
            > 4
        {
            let message = format!(
                "You cannot expand more than 4 levels of a property. You requested {path}."
            );
            return Err(StripeError::validation("expand", message));
        }
        let known = api::expansions().any(|expansion| match expansion {
            Expansion::Reference { field, .. } | Expansion::Include { field, .. } => {
                segments.last() == Some(field)
            }
        });
        if !known {
            return Err(unexpandable(path, path));
        }
    }
    Ok(())
}

/// Expands an answer as the request asks.
pub(super) fn apply(state: &State, params: &Params, answer: &mut Value) -> Result<(), StripeError> {
    for path in params.strings("expand") {
        let segments: Vec<&str> = path.split('.').collect();
        walk(state, answer, &segments).map_err(|segment| unexpandable(path, &segment))?;
    }
    Ok(())
}

fn walk(state: &State, value: &mut Value, path: &[&str]) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(());
    };
    if let Value::Array(items) = value {
        return items
            .iter_mut()
            .try_for_each(|item| walk(state, item, path));
    }
    let Some(object) = value.as_object_mut() else {
        return Ok(());
    };
    if !object.contains_key(*first) {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let member = include(state, text("object"), text("id"), first);
        object.insert(
            (*first).to_owned(),
            member.ok_or_else(|| (*first).to_owned())?,
        );
    }
    let Some(child) = object.get_mut(*first) else {
        return Ok(());
    };
    if let Value::String(id) = child {
        let (known, loaded) = load(state, id, first);
        if !known {
            return Err((*first).to_owned());
        }
        // What is not kept here stays an id.
        if let Some(loaded) = loaded {
            *child = loaded;
        }
    }
    walk(state, child, rest)
}

fn include(state: &State, kind: &str, id: &str, name: &str) -> Option<Value> {
    api::expansions().find_map(|expansion| match expansion {
        Expansion::Include {
            object,
            field,
            load,
        } if *object == kind && *field == name => load(state, id),
        _ => None,
    })
}

fn load(state: &State, id: &str, name: &str) -> (bool, Option<Value>) {
    let mut known = false;
    for expansion in api::expansions() {
        if let Expansion::Reference { field, load } = expansion
            && *field == name
        {
            known = true;
            if let Some(object) = load(state, id) {
                return (true, Some(object));
            }
        }
    }
    (known, None)
}

fn unexpandable(path: &str, segment: &str) -> StripeError {
    let message = format!("This property cannot be expanded ({segment}) in {path}.");
    StripeError::validation("expand", message)
}
