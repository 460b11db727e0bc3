//! Cursor pagination.

use serde_json::{Value, json};

use super::{Field, Params, Request, Shape, StripeError, opt};
use crate::table::Table;

/// Parameters of every list.
pub(super) const CURSOR: &[Field] = &[
    opt("limit", Shape::Int),
    opt("starting_after", Shape::Str),
    opt("ending_before", Shape::Str),
];

/// Answers a list request: newest first, those which `keep` accepts, one page of them.
///
/// `what` names the kind of object in the error about an unknown cursor.
pub fn page<T>(
    request: &Request,
    what: &str,
    table: &Table<T>,
    keep: impl Fn(&T) -> bool,
    render: impl Fn(&T) -> Value,
) -> Result<Value, StripeError> {
    let limit = limit(&request.params)?;
    let unknown = |id: &str, param: &str| StripeError::no_such(what, id, param);
    // One more than asked for tells whether there is more.
    let wanted = limit + 1;
    let mut rows: Vec<&T> = match cursor(&request.params)? {
        Cursor::Start => table
            .iter()
            .rev()
            .filter(|row| keep(row))
            .take(wanted)
            .collect(),
        Cursor::After(id) => {
            let older = table
                .before(id)
                .ok_or_else(|| unknown(id, "starting_after"))?;
            older.rev().filter(|row| keep(row)).take(wanted).collect()
        }
        Cursor::Before(id) => {
            let newer = table
                .after(id)
                .ok_or_else(|| unknown(id, "ending_before"))?;
            newer.filter(|row| keep(row)).take(wanted).collect()
        }
    };
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    if request.params.has("ending_before") {
        rows.reverse();
    }
    let data: Vec<Value> = rows.into_iter().map(render).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": request.path }))
}

/// A list within an object, such as a subscription's items; `data` is complete.
pub fn sublist(url: impl Into<String>, data: Vec<Value>) -> Value {
    json!({ "object": "list", "data": Value::Array(data), "has_more": false, "url": url.into() })
}

/// Whether a time satisfies a `created`-like filter.
pub fn created_matches(params: &Params, name: &str, time: i64) -> bool {
    if let Some(exact) = params.i64(name) {
        return time == exact;
    }
    let bound = |operator: &str| params.i64(&format!("{name}.{operator}"));
    bound("gt").is_none_or(|bound| time > bound)
        && bound("gte").is_none_or(|bound| time >= bound)
        && bound("lt").is_none_or(|bound| time < bound)
        && bound("lte").is_none_or(|bound| time <= bound)
}

enum Cursor<'a> {
    Start,
    After(&'a str),
    Before(&'a str),
}

fn cursor(params: &Params) -> Result<Cursor<'_>, StripeError> {
    match (params.text("starting_after"), params.text("ending_before")) {
        (Some(_), Some(_)) => Err(StripeError::validation(
            "ending_before",
            "You can only use one of starting_after and ending_before.",
        )),
        (Some(id), None) => Ok(Cursor::After(id)),
        (None, Some(id)) => Ok(Cursor::Before(id)),
        (None, None) => Ok(Cursor::Start),
    }
}

fn limit(params: &Params) -> Result<usize, StripeError> {
    match params.i64("limit") {
        None => Ok(10),
        Some(limit @ 1..=100) => Ok(usize::try_from(limit).unwrap_or(100)),
        Some(limit) => Err(StripeError::validation(
            "limit",
            format!("This value must be between 1 and 100 (passed: {limit})."),
        )
        .code("parameter_invalid_integer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(form: &str) -> Result<(Vec<i64>, bool), StripeError> {
        let mut table = Table::default();
        for number in 1..=9_i64 {
            table.insert(format!("n{number}"), number);
        }
        let request = Request {
            id: None,
            path: "/v1/numbers".into(),
            ids: Vec::new(),
            params: Params::decode(form),
            idempotency_key: None,
            base_url: String::new(),
        };
        // Every third is filtered out: 9, 6 and 3.
        let answer = page(&request, "number", &table, |n| n % 3 != 0, |n| json!(n))?;
        let data = answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_i64().unwrap())
            .collect();
        Ok((data, answer["has_more"].as_bool().unwrap()))
    }

    #[test]
    fn the_first_page_is_the_newest() {
        assert_eq!(listed("limit=2"), Ok((vec![8, 7], true)));
        assert_eq!(listed("limit=6"), Ok((vec![8, 7, 5, 4, 2, 1], false)));
    }

    #[test]
    fn starting_after_goes_on_with_older_ones_even_from_one_that_is_filtered_out() {
        assert_eq!(listed("limit=2&starting_after=n7"), Ok((vec![5, 4], true)));
        assert_eq!(listed("limit=2&starting_after=n3"), Ok((vec![2, 1], false)));
    }

    #[test]
    fn ending_before_yields_those_just_newer_still_newest_first() {
        assert_eq!(listed("limit=2&ending_before=n2"), Ok((vec![5, 4], true)));
        assert_eq!(listed("limit=5&ending_before=n5"), Ok((vec![8, 7], false)));
    }

    #[test]
    fn a_cursor_must_exist_and_a_limit_lie_within_bounds() {
        assert_eq!(
            listed("starting_after=n99").unwrap_err().code.as_deref(),
            Some("resource_missing")
        );
        assert_eq!(
            listed("limit=0").unwrap_err().param.as_deref(),
            Some("limit")
        );
        assert_eq!(
            listed("limit=101").unwrap_err().param.as_deref(),
            Some("limit")
        );
        assert!(listed("starting_after=n1&ending_before=n2").is_err());
    }
}
