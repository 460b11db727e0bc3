//! Unreliable delivery, of which a seed says what happens to which delivery.

use std::time::Duration;

/// How unreliable delivery is in [`super::Mode::Chaos`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chaos {
    /// What all else follows from: the same events in the same order meet the same fate.
    pub seed: u64,
    /// How many of a hundred come twice.
    pub duplicate_percent: u8,
    /// How many of a hundred never come, and are not tried again.
    pub lose_percent: u8,
    /// Longest time one is held back, which is what shuffles them.
    pub max_delay: Duration,
}

/// The fates of deliveries, one after the other.
#[derive(Clone, Debug)]
pub struct Dice {
    chaos: Chaos,
    rng: fastrand::Rng,
}

impl Dice {
    /// Begins anew.
    pub fn new(chaos: Chaos) -> Self {
        let rng = fastrand::Rng::with_seed(chaos.seed);
        Self { chaos, rng }
    }

    /// What becomes of the next delivery: how long each of its copies is held back.
    pub(super) fn fate(&mut self) -> Vec<Duration> {
        // As many throws for each, so that no delivery's fate depends on another's.
        let [lost, twice] = [self.rng.u8(0..100), self.rng.u8(0..100)];
        let longest = u64::try_from(self.chaos.max_delay.as_micros()).unwrap_or(u64::MAX);
        let delays = [self.rng.u64(0..=longest), self.rng.u64(0..=longest)];
        let copies = match () {
            () if lost < self.chaos.lose_percent => 0,
            () if twice < self.chaos.duplicate_percent => 2,
            () => 1,
        };
        let delays = delays.into_iter().map(Duration::from_micros);
        delays.take(copies).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_fates_and_another_seed_others() {
        let fates = |seed| {
            let chaos = Chaos {
                seed,
                duplicate_percent: 30,
                lose_percent: 20,
                max_delay: Duration::from_millis(50),
            };
            let mut dice = Dice::new(chaos);
            std::iter::repeat_with(|| dice.fate())
                .take(1_000)
                .collect::<Vec<_>>()
        };
        let thrown = fates(7);
        assert_eq!(thrown, fates(7));
        assert_ne!(thrown, fates(8));
        let of = |copies: usize| thrown.iter().filter(|fate| fate.len() == copies).count();
        assert!((150..250).contains(&of(0)), "{} are lost", of(0));
        assert!((190..290).contains(&of(2)), "{} come twice", of(2));
        let mut delays = thrown.iter().flatten();
        assert!(delays.all(|delay| *delay <= Duration::from_millis(50)));
    }
}
