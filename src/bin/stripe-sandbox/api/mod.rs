//! The endpoints, one file a resource.

mod account;
mod balance_transactions;
mod billing_portal;
mod checkout_sessions;
mod customer_fields;
pub mod customers;
mod disputes;
mod events;
mod invoice_payments;
mod invoice_previews;
mod invoices;
mod meter_events;
mod meters;
mod payment_intents;
pub mod payment_methods;
mod price_terms;
mod prices;
mod products;
mod setup_intents;
mod subscription_items;
mod subscription_schedules;
mod subscriptions;
mod test_clocks;
mod webhook_endpoints;

use crate::wire::{Expansion, Method, Route};

const ROUTES: &[&[Route]] = &[
    account::ROUTES,
    balance_transactions::ROUTES,
    billing_portal::ROUTES,
    checkout_sessions::ROUTES,
    customers::ROUTES,
    disputes::ROUTES,
    events::ROUTES,
    invoice_payments::ROUTES,
    invoices::ROUTES,
    meter_events::ROUTES,
    meters::ROUTES,
    payment_intents::ROUTES,
    payment_methods::ROUTES,
    prices::ROUTES,
    products::ROUTES,
    setup_intents::ROUTES,
    subscription_items::ROUTES,
    subscription_schedules::ROUTES,
    subscriptions::ROUTES,
    test_clocks::ROUTES,
    webhook_endpoints::ROUTES,
];

const EXPANSIONS: &[&[Expansion]] = &[
    account::EXPANSIONS,
    balance_transactions::EXPANSIONS,
    billing_portal::EXPANSIONS,
    checkout_sessions::EXPANSIONS,
    customers::EXPANSIONS,
    disputes::EXPANSIONS,
    events::EXPANSIONS,
    invoice_payments::EXPANSIONS,
    invoices::EXPANSIONS,
    meter_events::EXPANSIONS,
    meters::EXPANSIONS,
    payment_intents::EXPANSIONS,
    payment_methods::EXPANSIONS,
    prices::EXPANSIONS,
    products::EXPANSIONS,
    setup_intents::EXPANSIONS,
    subscription_items::EXPANSIONS,
    subscription_schedules::EXPANSIONS,
    subscriptions::EXPANSIONS,
    test_clocks::EXPANSIONS,
    webhook_endpoints::EXPANSIONS,
];

/// The route for a request, and the ids in its path. A literal segment goes before an id.
pub fn route(method: Method, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let candidates = ROUTES.iter().flat_map(|routes| routes.iter());
    candidates
        .filter(|route| route.method == method)
        .filter_map(|route| Some((route, ids(route.path, path)?)))
        .min_by_key(|(_, ids)| ids.len())
}

/// Everything `expand` can name.
pub fn expansions() -> impl Iterator<Item = &'static Expansion> {
    EXPANSIONS.iter().flat_map(|expansions| expansions.iter())
}

fn ids(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut segments = path.split('/');
    for part in pattern.split('/') {
        let segment = segments.next()?;
        if part == "{}" && !segment.is_empty() {
            ids.push(unescaped(segment));
        } else if part != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

/// A path segment without its percent-escapes: a product's own id may hold any character.
fn unescaped(segment: &str) -> String {
    if !segment.contains('%') {
        return segment.to_owned();
    }
    // In a path, unlike in a form, a plus is a plus.
    let escaped = segment
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_route_and_ids_are_unescaped() {
        let (found, ids) = route(Method::Post, "/v1/payment_methods/pm_1/attach").unwrap();
        assert_eq!(
            (found.path, ids),
            ("/v1/payment_methods/{}/attach", vec!["pm_1".to_owned()])
        );
        let (_, ids) = route(Method::Get, "/v1/products/a%20b%2Fc+d").unwrap();
        assert_eq!(ids, ["a b/c+d"]);
        assert!(route(Method::Get, "/v1/products/").is_none());
        assert!(route(Method::Delete, "/v1/products").is_none());
    }

    #[test]
    fn no_two_routes_answer_the_same_request() {
        let all: Vec<_> = ROUTES.iter().flat_map(|routes| routes.iter()).collect();
        for (at, one) in all.iter().enumerate() {
            let twin = all[at + 1..]
                .iter()
                .find(|it| it.method == one.method && it.path == one.path);
            assert!(twin.is_none(), "{} is declared twice", one.path);
        }
    }
}
