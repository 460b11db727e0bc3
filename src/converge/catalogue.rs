//! Plans: from a `BillingPlan` to a product, prices and meters in Stripe.
//!
//! Prices are immutable. The terms of each hash into its lookup key, so other terms mean another
//! price, and the same terms always find the one price that exists for them.
//!
//! | module        | what it is |
//! |---------------|------------|
//! | [`mod@desired`] | what a manifest asks for, and the keys its prices are found under |
//! | [`meters`]    | which plan decides about a meter that several name |
//! | [`observed`]  | what is in Stripe for a plan |
//! | [`rates`]     | what a price costs at a usage |
//! | [`guard`]     | whether new terms differ so much that a person has to agree |
//! | [`mod@plan`]  | the steps between |

mod desired;
mod guard;
mod meters;
mod observed;
mod plan;
mod rates;
mod steps;
mod wanted;

#[cfg(test)]
mod tests;

pub use self::desired::{
    DesiredMeter, DesiredPlan, DesiredPrice, DesiredUsage, UsageCharge, desired,
};
pub use self::meters::{Claim, settle};
pub use self::observed::{CUSTOMER_KEY, CataloguePrice, Meter, ObservedPlan, Product, VALUE_KEY};
pub use self::plan::{Archive, CataloguePlan, Circumstances, plan};
pub use self::rates::{Rates, Tier};
pub use self::steps::{CatalogueStep, NewPrice};
