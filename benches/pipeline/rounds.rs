//! `Rounds`: figures of several contenders that take turns.

use benches::options::Effort;
use benches::stats::median;

/// Figures of several contenders, one of each in every round.
#[derive(Debug)]
pub(crate) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// In each of `rounds` every one of `contenders` has a turn, in rotated order: `turn` is told which, and gives its
    /// figure.
    pub(crate) fn run(rounds: usize, contenders: usize, mut turn: impl FnMut(usize) -> f64) -> Self {
        let mut figures = vec![Vec::with_capacity(rounds); contenders];
        for round in 0..rounds {
            for step in 0..contenders {
                let at = (round + step) % contenders;
                figures[at].push(turn(at));
            }
        }
        Self(figures)
    }

    /// The median figure of a contender.
    pub(crate) fn median(&self, of: usize) -> f64 {
        middle(&self.0[of])
    }

    /// The median of the ratios that the figures of two have within each round.
    pub(crate) fn ratio(&self, of: usize, to: usize) -> f64 {
        let ratios: Vec<_> = self.0[of].iter().zip(&self.0[to]).map(|(of, to)| of / to).collect();
        middle(&ratios)
    }
}

/// The median of `values`, whose order is kept.
pub(crate) fn middle(values: &[f64]) -> f64 {
    median(&mut values.to_vec()).unwrap_or(f64::NAN)
}

/// How many rounds there are.
pub(crate) const fn rounds(effort: Effort, quick: usize, full: usize) -> usize {
    match effort {
        Effort::Try => 1,
        Effort::Quick => quick,
        Effort::Full => full,
    }
}
