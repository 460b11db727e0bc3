//! Which plan decides about a meter that several name: meters belong to the account, and their
//! settings can never change.

use jiff::Timestamp;

use super::desired::DesiredPlan;
use crate::api::reason;
use crate::converge::plan::Hold;

/// A plan that may name the same meters.
#[derive(Clone, Debug)]
pub struct Claim {
    /// When its manifest was made: the older decides, and among equals the name.
    pub created: Option<Timestamp>,
    /// What it wants.
    pub plan: DesiredPlan,
}

/// Brings a plan in line with the older ones that name the same meters, or says what stands in the
/// way. `all` holds every plan, this one included.
///
/// The display name is that of the oldest plan that gives one, so that two plans never rename a
/// meter back and forth.
pub fn settle(plan: &mut DesiredPlan, all: &[Claim]) -> Result<(), Hold> {
    let mut claims: Vec<&Claim> = all.iter().collect();
    claims.sort_by(|a, b| (a.created, &a.plan.name).cmp(&(b.created, &b.plan.name)));
    let name = plan.name.clone();
    for (index, usage) in plan.usage.iter_mut().enumerate() {
        let meter = &mut usage.meter;
        let claimants = || {
            claims.iter().flat_map(|claim| {
                let meters = claim.plan.usage.iter().map(|usage| &usage.meter);
                meters
                    .filter(|other| other.event_name == meter.event_name)
                    .map(|other| (&claim.plan.name, other))
            })
        };
        let Some((holder, first)) = claimants().next() else {
            continue;
        };
        if *holder != name && first.settings() != meter.settings() {
            return Err(Hold::stalled(
                reason::METER_CONFLICT,
                format!(
                    "spec.usage[{index}].meter: the older BillingPlan {holder} uses the meter \"{}\" \
                     for {}, this one wants {}; give both the same granularity and aggregation, or \
                     use another meter",
                    meter.event_name,
                    first.settings(),
                    meter.settings()
                ),
            ));
        }
        let named = claimants().find_map(|(_, other)| other.display_name.clone());
        meter.display_name = named;
    }
    Ok(())
}
