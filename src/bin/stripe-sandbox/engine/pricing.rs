//! What a quantity costs under a price's terms. Pure; amounts are in minor units.
//!
//! Unit amounts are exact decimals (Stripe's `unit_amount_decimal` has up to twelve places). Each invoice
//! line is rounded on its own, half away from zero, and the invoice is the sum of its lines.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

/// Amounts saturate here. Stripe refuses anything over eight digits when the price is made; this bound only keeps
/// absurd quantities from overflowing.
const LARGEST: i64 = 99_999_999_999_999;

/// How a price turns a quantity into money.
#[derive(Clone, Debug, PartialEq)]
pub enum Scheme {
    /// The same amount for every unit.
    PerUnit(Decimal),
    /// Each unit costs what the tier it falls into says.
    Graduated(Vec<Tier>),
    /// Every unit costs what the tier of the whole quantity says.
    Volume(Vec<Tier>),
}

/// One tier of a tiered price.
#[derive(Clone, Debug, PartialEq)]
pub struct Tier {
    /// Last unit of this tier; `None` in the last one.
    pub up_to: Option<u64>,
    /// Amount for each unit.
    pub unit_amount: Decimal,
    /// Amount for entering the tier.
    pub flat_amount: Decimal,
}

/// Stripe's `transform_quantity`: packages of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packages {
    /// Units in a package.
    pub divide_by: u64,
    /// What happens to a started package.
    pub rounding: PackageRounding,
}

/// Rounding of a started package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageRounding {
    /// A started package is free.
    Down,
    /// A started package is charged whole.
    Up,
}

/// One line's worth of a charge.
#[derive(Clone, Debug, PartialEq)]
pub struct Portion {
    /// Units charged.
    pub quantity: u64,
    /// Amount for each of them; `None` for a tier's flat amount.
    pub unit_amount: Option<Decimal>,
    /// Number of the tier, counted from 1; `None` for a price without tiers.
    pub tier: Option<usize>,
    /// Amount in minor units.
    pub amount: i64,
}

impl Packages {
    fn count(self, quantity: u64) -> u64 {
        let size = self.divide_by.max(1);
        match self.rounding {
            PackageRounding::Down => quantity / size,
            PackageRounding::Up => quantity.div_ceil(size),
        }
    }
}

/// The portions `quantity` units cost, in the order Stripe puts them on an invoice. Never empty.
pub fn portions(scheme: &Scheme, packages: Option<Packages>, quantity: u64) -> Vec<Portion> {
    match scheme {
        Scheme::PerUnit(unit_amount) => {
            let charged = packages.map_or(quantity, |packages| packages.count(quantity));
            let amount = times(*unit_amount, charged);
            vec![Portion {
                quantity,
                unit_amount: Some(*unit_amount),
                tier: None,
                amount,
            }]
        }
        Scheme::Graduated(tiers) => graduated(tiers, quantity),
        Scheme::Volume(tiers) => {
            let tier = tiers
                .iter()
                .position(|tier| tier.up_to.is_none_or(|last| quantity <= last));
            tier.map_or_else(Vec::new, |index| of_tier(index, &tiers[index], quantity))
        }
    }
}

/// The sum of [`portions`].
pub fn amount(scheme: &Scheme, packages: Option<Packages>, quantity: u64) -> i64 {
    portions(scheme, packages, quantity)
        .iter()
        .map(|portion| portion.amount)
        .sum()
}

/// Rounds half away from zero to whole minor units.
pub fn round(amount: Decimal) -> i64 {
    let whole = amount.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    let limit = if amount.is_sign_negative() {
        -LARGEST
    } else {
        LARGEST
    };
    whole.to_i64().unwrap_or(limit).clamp(-LARGEST, LARGEST)
}

/// A unit amount, which is never negative, so many times, rounded like [`round`]. Decimal's own product drops digits beyond its
/// 28, which twenty digits of amount and as many of quantity exceed.
fn times(unit_amount: Decimal, quantity: u64) -> i64 {
    let unit_amount = unit_amount.normalize();
    let product = unit_amount.mantissa().checked_mul(i128::from(quantity));
    let one = 10_i128.pow(unit_amount.scale());
    let whole = product.map_or(i128::MAX, |product| {
        let up = i128::from(product % one >= one - product % one);
        product / one + up
    });
    i64::try_from(whole).map_or(LARGEST, |whole| whole.min(LARGEST))
}

fn graduated(tiers: &[Tier], quantity: u64) -> Vec<Portion> {
    let mut portions = Vec::new();
    let mut below = 0;
    for (index, tier) in tiers.iter().enumerate() {
        // The first tier is always entered: its flat amount is due even for a quantity of zero.
        if index > 0 && quantity <= below {
            break;
        }
        let last = tier.up_to.unwrap_or(u64::MAX).min(quantity);
        portions.extend(of_tier(index, tier, last - below));
        below = last;
    }
    portions
}

fn of_tier(index: usize, tier: &Tier, quantity: u64) -> Vec<Portion> {
    let number = Some(index + 1);
    let amount = times(tier.unit_amount, quantity);
    let mut portions = vec![Portion {
        quantity,
        unit_amount: Some(tier.unit_amount),
        tier: number,
        amount,
    }];
    if !tier.flat_amount.is_zero() {
        let amount = round(tier.flat_amount);
        portions.push(Portion {
            quantity: 0,
            unit_amount: None,
            tier: number,
            amount,
        });
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn tier(up_to: Option<u64>, unit_amount: &str, flat_amount: &str) -> Tier {
        Tier {
            up_to,
            unit_amount: decimal(unit_amount),
            flat_amount: decimal(flat_amount),
        }
    }

    #[test]
    fn a_flat_price_is_multiplied_exactly() {
        assert_eq!(amount(&Scheme::PerUnit(decimal("9900")), None, 3), 29_700);
        assert_eq!(amount(&Scheme::PerUnit(decimal("9900")), None, 0), 0);
    }

    #[test]
    fn a_fraction_of_a_cent_is_rounded_once_per_line_half_up() {
        let scheme = Scheme::PerUnit(decimal("0.05"));
        assert_eq!(amount(&scheme, None, 9), 0);
        assert_eq!(amount(&scheme, None, 10), 1);
        assert_eq!(amount(&scheme, None, 29), 1);
        assert_eq!(amount(&scheme, None, 30), 2);
        let twelve_places = Scheme::PerUnit(decimal("0.000000000001"));
        assert_eq!(amount(&twelve_places, None, 1_500_000_000_000), 2);
    }

    #[test]
    fn graduated_tiers_charge_each_unit_where_it_falls() {
        let scheme = Scheme::Graduated(vec![
            tier(Some(100_000), "0", "0"),
            tier(Some(200_000), "0.08", "0"),
            tier(None, "0.05", "500"),
        ]);
        assert_eq!(amount(&scheme, None, 0), 0);
        assert_eq!(amount(&scheme, None, 100_000), 0);
        assert_eq!(amount(&scheme, None, 100_001), 0);
        assert_eq!(amount(&scheme, None, 150_000), 4_000);
        assert_eq!(amount(&scheme, None, 250_000), 8_000 + 2_500 + 500);
        let tiers: Vec<_> = portions(&scheme, None, 250_000)
            .iter()
            .map(|p| (p.tier, p.quantity))
            .collect();
        assert_eq!(
            tiers,
            [
                (Some(1), 100_000),
                (Some(2), 100_000),
                (Some(3), 50_000),
                (Some(3), 0)
            ]
        );
    }

    #[test]
    fn the_first_graduated_tiers_flat_amount_is_due_without_usage() {
        let scheme = Scheme::Graduated(vec![tier(Some(10), "0", "2500"), tier(None, "3", "0")]);
        assert_eq!(amount(&scheme, None, 0), 2_500);
        assert_eq!(amount(&scheme, None, 11), 2_503);
    }

    #[test]
    fn volume_tiers_charge_the_whole_quantity_at_one_tier() {
        let scheme = Scheme::Volume(vec![tier(Some(10), "100", "0"), tier(None, "80", "50")]);
        assert_eq!(amount(&scheme, None, 10), 1_000);
        assert_eq!(amount(&scheme, None, 11), 930);
    }

    #[test]
    fn packages_are_charged_whole_or_not_at_all() {
        let up = Packages {
            divide_by: 1_000,
            rounding: PackageRounding::Up,
        };
        let down = Packages {
            divide_by: 1_000,
            rounding: PackageRounding::Down,
        };
        let scheme = Scheme::PerUnit(decimal("80"));
        assert_eq!(amount(&scheme, Some(up), 1_001), 160);
        assert_eq!(amount(&scheme, Some(down), 1_999), 80);
    }

    #[test]
    fn no_digit_is_dropped_on_the_way_to_the_cent() {
        // 86,419,761,845,678.499992999999 in full.
        let scheme = Scheme::PerUnit(decimal("12345678.499999999999"));
        assert_eq!(amount(&scheme, None, 1), 12_345_678);
        assert_eq!(amount(&scheme, None, 7_000_001), 86_419_761_845_678);
        let scheme = Scheme::PerUnit(decimal("0.000000000003"));
        assert_eq!(amount(&scheme, None, 166_666_666_666), 0);
        assert_eq!(amount(&scheme, None, 166_666_666_667), 1);
    }

    #[test]
    fn an_absurd_quantity_saturates() {
        assert_eq!(
            amount(&Scheme::PerUnit(decimal("99999999")), None, u64::MAX),
            LARGEST
        );
    }
}
