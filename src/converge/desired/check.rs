//! Checks of what a person wrote into a manifest, field by field.

use super::InvalidSpec;
use crate::api::{Collection, PaymentPolicy, TenantBillingSpec, Trial};
use crate::converge::trial::LONGEST;

/// Checks a tenant's manifest by itself, without its plan.
pub fn check_tenant(spec: &TenantBillingSpec) -> Result<(), InvalidSpec> {
    if let Some(id) = &spec.tenant_id {
        check_tenant_id(id)?;
    }
    let customer = &spec.customer;
    text("spec.customer.name", Some(&customer.name), 256)?;
    text("spec.customer.phone", customer.phone.as_deref(), 20)?;
    text(
        "spec.customer.description",
        customer.description.as_deref(),
        350,
    )?;
    check_email(&customer.email)?;
    if let Some(address) = &customer.address {
        for (name, value, longest) in [
            ("line1", &address.line1, 200),
            ("line2", &address.line2, 200),
            ("city", &address.city, 200),
            ("state", &address.state, 200),
            ("postalCode", &address.postal_code, 32),
            ("country", &address.country, 2),
        ] {
            text(
                &format!("spec.customer.address.{name}"),
                value.as_deref(),
                longest,
            )?;
        }
        let country_ok = |c: &String| c.len() == 2 && c.bytes().all(|b| b.is_ascii_uppercase());
        if !address.country.as_ref().is_none_or(country_ok) {
            return Err(InvalidSpec::new(
                "spec.customer.address.country",
                "write the two-letter country code in upper case, as in \"DE\"",
            ));
        }
    }
    if spec.plan.is_empty() {
        return Err(InvalidSpec::new("spec.plan", "name a BillingPlan"));
    }
    if !(1..=1_000_000).contains(&spec.quantity) {
        return Err(InvalidSpec::new(
            "spec.quantity",
            format!("{} is not between 1 and 1000000", spec.quantity),
        ));
    }
    if let Some(trial) = &spec.trial {
        check_trial(trial)?;
    }
    if let Some(payment) = &spec.payment {
        check_payment(payment)?;
    }
    if let Some(clock) = &spec.test_clock {
        stripe_id("spec.testClock", clock, "clock_")?;
    }
    Ok(())
}

fn check_trial(trial: &Trial) -> Result<(), InvalidSpec> {
    if let Some(days) = trial.days {
        check_trial_days("spec.trial.days", days)?;
    }
    if trial.days.is_some() && trial.ends_at.is_some() {
        return Err(InvalidSpec::new(
            "spec.trial",
            "has both days and endsAt; give one of them",
        ));
    }
    let remind = trial.remind_days_before.unwrap_or_default();
    if !(0..=60).contains(&remind) {
        return Err(InvalidSpec::new(
            "spec.trial.remindDaysBefore",
            format!("{remind} is not between 0 and 60"),
        ));
    }
    Ok(())
}

fn check_payment(payment: &PaymentPolicy) -> Result<(), InvalidSpec> {
    if let Some(days) = payment.days_until_due {
        if payment.collection != Collection::Invoice {
            return Err(InvalidSpec::new(
                "spec.payment.daysUntilDue",
                "goes with collection: Invoice; leave it out, or set that",
            ));
        }
        if !(1..=365).contains(&days) {
            return Err(InvalidSpec::new(
                "spec.payment.daysUntilDue",
                format!("{days} is not between 1 and 365"),
            ));
        }
    }
    payment
        .return_url
        .as_deref()
        .map_or(Ok(()), |url| check_url("spec.payment.returnUrl", url))
}

/// Checks an address that customers are sent to.
pub fn check_url(field: &str, url: &str) -> Result<(), InvalidSpec> {
    text(field, Some(url), 2000)?;
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let well_formed = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if well_formed && !url.contains(char::is_whitespace) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!(
                "\"{}\" is no address of a page; write it whole, as in https://app.example/billing",
                shorten(url)
            ),
        ))
    }
}

/// Checks a number of trial days against Stripe's bounds.
pub fn check_trial_days(field: &str, days: i32) -> Result<(), InvalidSpec> {
    if (0..=LONGEST).contains(&i64::from(days)) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("{days} is not between 0 and 730, which is what Stripe allows"),
        ))
    }
}

/// Checks an id of a Stripe object that a person wrote: ids become parts of request paths.
pub fn stripe_id(field: &str, id: &str, prefix: &str) -> Result<(), InvalidSpec> {
    let tail = id.strip_prefix(prefix).unwrap_or_default();
    if !tail.is_empty() && tail.len() <= 100 && tail.bytes().all(|b| b.is_ascii_alphanumeric()) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("\"{}\" is not an id that begins with {prefix}", shorten(id)),
        ))
    }
}

/// Checks an optional text: not empty, not too long, nothing unprintable.
pub fn text(field: &str, value: Option<&str>, longest: usize) -> Result<(), InvalidSpec> {
    let Some(value) = value else { return Ok(()) };
    if value.trim().is_empty() {
        return Err(InvalidSpec::new(
            field,
            "is empty; give a value or leave the field out",
        ));
    }
    if value.trim() != value {
        return Err(InvalidSpec::new(
            field,
            "begins or ends with a blank, which Stripe would cut off",
        ));
    }
    let length = value.chars().count();
    if length > longest {
        return Err(InvalidSpec::new(
            field,
            format!("has {length} characters; Stripe takes at most {longest}"),
        ));
    }
    if let Some(bad) = value.chars().find(|c| c.is_control()) {
        return Err(InvalidSpec::new(
            field,
            format!(
                "contains the control character U+{:04X}; remove it",
                bad as u32
            ),
        ));
    }
    Ok(())
}

fn check_tenant_id(id: &str) -> Result<(), InvalidSpec> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "._/:@-".contains(c);
    if id.len() <= 200
        && edge(id.chars().next())
        && edge(id.chars().next_back())
        && id.chars().all(inner)
    {
        return Ok(());
    }
    Err(InvalidSpec::new(
        "spec.tenantId",
        format!(
            "\"{}\" is no tenant id: use up to 200 letters, digits and . _ / : @ - inside, \
             with a letter or digit at both ends",
            shorten(id)
        ),
    ))
}

fn check_email(email: &str) -> Result<(), InvalidSpec> {
    let field = "spec.customer.email";
    text(field, Some(email), 254)?;
    let well_formed = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !domain.contains('@')
            && domain.split('.').count() > 1
            && domain.split('.').all(|label| !label.is_empty())
    });
    if well_formed && !email.contains(char::is_whitespace) {
        Ok(())
    } else {
        Err(InvalidSpec::new(
            field,
            format!("\"{}\" is not an e-mail address", shorten(email)),
        ))
    }
}

fn shorten(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = text.chars().take(60).map(clean).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
