//! Endpoints: customers.

use crate::wire::{Expansion, Route};

/// Endpoints.
pub const ROUTES: &[Route] = &[];
/// What `expand` can name here.
pub const EXPANSIONS: &[Expansion] = &[];
