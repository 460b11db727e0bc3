//! The currencies that Stripe can charge.

/// Codes in lower case, in alphabetical order.
const KNOWN: &[&str] = &[
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt",
    "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf",
    "chf", "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk", "dop", "dzd", "egp", "etb",
    "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl", "htg",
    "huf", "idr", "ils", "inr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf", "krw",
    "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk",
    "mnt", "mop", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr",
    "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub",
    "rwf", "sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sos", "srd", "std", "szl", "thb",
    "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "usd", "uyu", "uzs", "vnd",
    "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar", "zmw",
];

/// Whether Stripe can charge a currency, by its code in lower case.
pub fn is_known(currency: &str) -> bool {
    KNOWN.binary_search(&currency).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::BillingPlan;
    use kube::core::cel::validate_cel;

    #[test]
    fn the_codes_are_in_order_and_those_of_the_rule_at_the_server() {
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
        let accepted = |currency: &str| {
            let plan: BillingPlan = serde_json::from_value(serde_json::json!({
                "apiVersion": "tenantbilling.io/v1alpha1", "kind": "BillingPlan",
                "metadata": {"name": "p"}, "spec": {"currency": currency, "base": {"amount": "0"}},
            }))
            .unwrap();
            validate_cel(&plan).is_ok()
        };
        for currency in KNOWN {
            assert!(accepted(currency), "{currency}");
        }
        for unknown in ["xyz", "usq", "dem", "xxx", "aaa", "zzz"] {
            assert!(!is_known(unknown) && !accepted(unknown), "{unknown}");
        }
    }
}
