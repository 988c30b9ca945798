//! `Climber`: the share of the window, following the hit ratio uphill.

const LEAST: f64 = 0.01;
const MOST: f64 = 0.8;
const STEP: f64 = 0.0625;
/// Each step is this much of the one before, until the hit ratio changes by `RESTART`.
const DECAY: f64 = 0.98;
const RESTART: f64 = 0.05;
/// Requests between two steps, for each resident.
const SESSION: usize = 10;

/// A hill climber: it goes on as long as the hit ratio rises and turns back when it falls.
#[derive(Debug)]
pub(super) struct Climber {
    share: f64,
    step: f64,
    hits: usize,
    requests: usize,
    ratio: f64,
}

impl Climber {
    pub(super) const fn new() -> Self {
        Self { share: LEAST, step: STEP, hits: 0, requests: 0, ratio: 0.0 }
    }

    /// The window's share of `weight`.
    #[expect(clippy::cast_sign_loss, reason = "neither factor is negative")]
    pub(super) fn share_of(&self, weight: u128) -> u128 {
        (weight as f64 * self.share) as u128
    }

    pub(super) fn hit(&mut self, hits: u8) {
        self.hits += usize::from(hits);
        self.requests += usize::from(hits);
    }

    /// Counts a miss in a cache of `len` residents; whether the share shrank for it.
    pub(super) fn miss(&mut self, len: usize) -> bool {
        self.requests += 1;
        if self.requests < SESSION * len.max(1) {
            return false;
        }
        let ratio = self.hits as f64 / self.requests as f64;
        let change = ratio - self.ratio;
        // Half a standard deviation of an even chance at most: less says nothing of the direction.
        let noise = 0.25 / (self.requests as f64).sqrt();
        (self.ratio, self.hits, self.requests) = (ratio, 0, 0);
        let ahead = if change < -noise { -self.step } else { self.step };
        self.step = if change.abs() >= RESTART { STEP.copysign(ahead) } else { ahead * DECAY };
        let before = self.share;
        self.share = (self.share + ahead).clamp(LEAST, MOST);
        if self.share <= LEAST || self.share >= MOST {
            // The only way from an end is back.
            self.step = -self.step;
        }
        self.share < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share after sessions of a cache of 300 entries, whose hit ratio is what `ratio` says of the share.
    fn climbed(sessions: usize, ratio: impl Fn(f64) -> f64) -> f64 {
        let mut climber = Climber::new();
        let mut due = 0.0;
        for _ in 0..sessions * SESSION * 300 {
            due += ratio(climber.share);
            if due >= 1.0 {
                due -= 1.0;
                climber.hit(1);
            } else {
                climber.miss(300);
            }
        }
        climber.share
    }

    #[test]
    fn the_window_widens_while_the_hit_ratio_rises() {
        assert!(climbed(40, |share| 0.2 + share / 2.0) > 0.6);
    }

    #[test]
    fn the_window_stays_narrow_where_the_hit_ratio_falls() {
        assert!(climbed(40, |share| 0.7 - share / 2.0) < 0.2);
    }
}
