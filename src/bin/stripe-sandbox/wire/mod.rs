//! How Stripe speaks HTTP: everything that is the same for every resource.

mod answer;
mod auth;
mod declare;
mod error;
mod expand;
mod fault;
mod idempotency;
mod limits;
mod list;
mod log;
mod params;
mod serve;

pub use auth::{Caller, DEFAULT_ACCOUNT, Keys};

pub use declare::{ADDRESS, Field, Shape, clearable, opt, req, unsupported};
pub use error::{Phase, StripeError};
pub use fault::{Faults, Spec as FaultSpec};
pub use idempotency::StoredAnswer;
pub use limits::{Limiter, Traffic};
pub use list::{created_matches, page, sublist};
pub use log::Log;
pub use params::Params;
use serde_json::Value;
pub use serve::{check_params, execute, serve};

use crate::state::State;

/// A Stripe API version; objects and events are rendered in it.
pub const API_VERSION: &str = "2026-09-30.endive";

/// HTTP methods Stripe's v1 API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Create, change or act.
    Post,
    /// Delete.
    Delete,
}

/// A request that has passed authentication and the parameter check.
#[derive(Clone, Debug)]
pub struct Request {
    /// The id answered in `Request-Id`; `None` for a change made in the Dashboard.
    pub id: Option<String>,
    /// Path as requested, such as `/v1/customers/cus_1`.
    pub path: String,
    /// What stood for each `{}` of the route's path.
    pub ids: Vec<String>,
    /// Query and body together.
    pub params: Params,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// Where the caller reaches the sandbox.
    pub base_url: String,
}

impl Request {
    /// The first id in the path.
    pub fn id(&self) -> &str {
        self.nth_id(0)
    }

    /// An id in the path, counted from zero.
    pub fn nth_id(&self, index: usize) -> &str {
        self.ids.get(index).map_or("", String::as_str)
    }
}

/// What a route does. It validates before it changes anything: changes made before an `Err` stay.
pub type Handler = fn(&mut State, &Request) -> Result<Value, StripeError>;

/// An endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path with `{}` for each id.
    pub path: &'static str,
    /// Parameters beside `expand` and, for lists, the cursor.
    pub params: &'static [Field],
    /// Whether it lists.
    pub paged: bool,
    /// What it does.
    pub handler: Handler,
}

/// A read of one object.
pub const fn get(path: &'static str, params: &'static [Field], handler: Handler) -> Route {
    Route {
        method: Method::Get,
        path,
        params,
        paged: false,
        handler,
    }
}

/// A list, taking `limit`, `starting_after` and `ending_before` by itself.
pub const fn list(path: &'static str, params: &'static [Field], handler: Handler) -> Route {
    Route {
        method: Method::Get,
        path,
        params,
        paged: true,
        handler,
    }
}

/// A change.
pub const fn post(path: &'static str, params: &'static [Field], handler: Handler) -> Route {
    Route {
        method: Method::Post,
        path,
        params,
        paged: false,
        handler,
    }
}

/// A deletion.
pub const fn delete(path: &'static str, params: &'static [Field], handler: Handler) -> Route {
    Route {
        method: Method::Delete,
        path,
        params,
        paged: false,
        handler,
    }
}

/// A path `expand[]` can name.
#[derive(Clone, Copy, Debug)]
pub enum Expansion {
    /// A member holding an id, wherever it occurs: `customer`, `default_payment_method`, …
    Reference {
        /// Name of the member.
        field: &'static str,
        /// Renders the object with that id.
        load: fn(&State, &str) -> Option<Value>,
    },
    /// A member left out unless asked for: a price's `tiers`, an invoice's `payments`, …
    Include {
        /// `object` of the objects that have it.
        object: &'static str,
        /// Name of the member.
        field: &'static str,
        /// Renders the member for the object with this id.
        load: fn(&State, &str) -> Option<Value>,
    },
}
