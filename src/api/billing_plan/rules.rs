//! CEL rules about currencies: the lists they carry are those in `converge`, which a test compares.

/// The currency is one that Stripe can charge.
pub(super) const KNOWN_CURRENCY: &str = "self.currency in \
     ['aed', 'afn', 'all', 'amd', 'ang', 'aoa', 'ars', 'aud', 'awg', 'azn', 'bam', 'bbd', 'bdt', \
     'bgn', 'bhd', 'bif', 'bmd', 'bnd', 'bob', 'brl', 'bsd', 'bwp', 'byn', 'bzd', 'cad', 'cdf', \
     'chf', 'clp', 'cny', 'cop', 'crc', 'cve', 'czk', 'djf', 'dkk', 'dop', 'dzd', 'egp', 'etb', \
     'eur', 'fjd', 'fkp', 'gbp', 'gel', 'gip', 'gmd', 'gnf', 'gtq', 'gyd', 'hkd', 'hnl', 'htg', \
     'huf', 'idr', 'ils', 'inr', 'isk', 'jmd', 'jod', 'jpy', 'kes', 'kgs', 'khr', 'kmf', 'krw', \
     'kwd', 'kyd', 'kzt', 'lak', 'lbp', 'lkr', 'lrd', 'lsl', 'mad', 'mdl', 'mga', 'mkd', 'mmk', \
     'mnt', 'mop', 'mur', 'mvr', 'mwk', 'mxn', 'myr', 'mzn', 'nad', 'ngn', 'nio', 'nok', 'npr', \
     'nzd', 'omr', 'pab', 'pen', 'pgk', 'php', 'pkr', 'pln', 'pyg', 'qar', 'ron', 'rsd', 'rub', \
     'rwf', 'sar', 'sbd', 'scr', 'sek', 'sgd', 'shp', 'sle', 'sos', 'srd', 'std', 'szl', 'thb', \
     'tjs', 'tnd', 'top', 'try', 'ttd', 'twd', 'tzs', 'uah', 'ugx', 'usd', 'uyu', 'uzs', 'vnd', \
     'vuv', 'wst', 'xaf', 'xcd', 'xcg', 'xof', 'xpf', 'yer', 'zar', 'zmw']";

/// Amounts in currencies without decimals have none.
pub(super) const NO_DECIMALS: &str = "!(self.currency in \
     ['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', \
     'xof', 'xpf']) || ((!has(self.base.amount) || !self.base.amount.contains('.')) && \
     (!has(self.usage) || self.usage.all(u, (!has(u.overage) || !u.overage.amount.contains('.')) \
     && (!has(u.tiers) || u.tiers.all(t, !t.amount.contains('.'))))))";

/// Amounts in currencies with three decimals have at most three.
pub(super) const THREE_DECIMALS: &str = "!(self.currency in ['bhd', 'jod', 'kwd', 'omr', 'tnd']) || \
     ((!has(self.base.amount) || !self.base.amount.matches('[.][0-9]{4}')) && (!has(self.usage) \
     || self.usage.all(u, (!has(u.overage) || !u.overage.amount.matches('[.][0-9]{4}')) && \
     (!has(u.tiers) || u.tiers.all(t, !t.amount.matches('[.][0-9]{4}'))))))";

/// Amounts in all other currencies have at most two decimals.
pub(super) const TWO_DECIMALS: &str = "self.currency in ['bhd', 'jod', 'kwd', 'omr', 'tnd'] || \
     ((!has(self.base.amount) || !self.base.amount.matches('[.][0-9]{3}')) && (!has(self.usage) \
     || self.usage.all(u, (!has(u.overage) || !u.overage.amount.matches('[.][0-9]{3}')) && \
     (!has(u.tiers) || u.tiers.all(t, !t.amount.matches('[.][0-9]{3}'))))))";

/// A whole amount in a currency with decimals may be meant in minor units, so decimals are written.
pub(super) const WRITTEN_OUT: &str = "self.currency in \
     ['bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', \
     'xof', 'xpf', 'isk', 'ugx', 'huf', 'twd'] || ((!has(self.base.amount) || self.base.amount == '0' || \
     self.base.amount.contains('.')) && (!has(self.usage) || self.usage.all(u, (!has(u.overage) || \
     u.overage.amount == '0' || u.overage.amount.contains('.')) && (!has(u.tiers) || \
     u.tiers.all(t, t.amount == '0' || t.amount.contains('.'))))))";
