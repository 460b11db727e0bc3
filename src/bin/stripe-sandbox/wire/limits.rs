//! Rate limits: a token bucket each for reads and writes.

use std::time::Instant;

/// The buckets of one account and mode.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    read: Bucket,
    write: Bucket,
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// GET.
    Read,
    /// Everything else.
    Write,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    spent: f64,
    at: Option<Instant>,
}

impl Limiter {
    /// Takes one token; `false` when there is none. `rate` is tokens in a second, and the bucket's size.
    pub fn allow(&mut self, traffic: Traffic, rate: u32, now: Instant) -> bool {
        let bucket = match traffic {
            Traffic::Read => &mut self.read,
            Traffic::Write => &mut self.write,
        };
        let rate = f64::from(rate);
        let elapsed = bucket
            .at
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        bucket.at = Some(now);
        bucket.spent = (bucket.spent - elapsed * rate).max(0.0);
        if bucket.spent + 1.0 > rate {
            return false;
        }
        bucket.spent += 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_allows_the_rate_and_refills_as_it_passes() {
        let (mut limiter, start) = (Limiter::default(), Instant::now());
        let allowed = |limiter: &mut Limiter, at: Instant| {
            (0..10)
                .filter(|_| limiter.allow(Traffic::Read, 4, at))
                .count()
        };
        assert_eq!(allowed(&mut limiter, start), 4);
        assert_eq!(allowed(&mut limiter, start + Duration::from_millis(500)), 2);
        assert!(
            limiter.allow(Traffic::Write, 4, start),
            "writes have a bucket of their own"
        );
    }
}
