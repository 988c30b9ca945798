//! The laws of eviction policies, for policies of one's own.

use std::time::Duration;

use cache_core::{Facts, Policy, Slot};

use crate::Rng;

/// Histories that one check tries.
const HISTORIES: u64 = 500;
/// Steps of each.
const STEPS: u64 = 200;
/// Places that they are about: few, so that places are used again.
const PLACES: u64 = 12;

/// Tries the laws of [`Policy`] on policies made by `new`: 500 random histories of 200 steps, the same ones for the same
/// `seed`.
///
/// A cache runs any policy safely, since it checks the victims that a [custom one](cache_core::CustomPolicy) names; one that
/// passes here is never corrected. What is not tried: that `touch` may run at the same time as another, and time.
///
/// # Errors
/// What broke which law, after which steps.
pub fn check_policy(seed: u64, mut new: impl FnMut() -> Box<dyn Policy>) -> Result<(), String> {
    let mut rng = Rng::new(seed);
    for history in 0..HISTORIES {
        let mut trial = Trial { policy: new(), residents: Vec::new(), steps: Vec::new() };
        trial.policy.resize(1 + rng.below(PLACES));
        for _ in 0..STEPS {
            trial.step(&mut rng).map_err(|law| {
                let last = &trial.steps[trial.steps.len().saturating_sub(20)..];
                format!("history {history} of seed {seed}, step {}: {law}; the last steps: {last:?}", trial.steps.len())
            })?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Insert(Slot),
    Touch(Slot),
    Update(Slot),
    Remove(Slot),
    Evict,
    Resize(u64),
    Clear,
}

struct Trial {
    policy: Box<dyn Policy>,
    residents: Vec<Slot>,
    steps: Vec<Step>,
}

impl Trial {
    fn step(&mut self, rng: &mut Rng) -> Result<(), String> {
        let slot = Slot(u32::try_from(rng.below(PLACES)).unwrap_or(0));
        let cost = Duration::from_millis(rng.below(1_000));
        let facts = Facts { hash: rng.below(2 * PLACES), weight: rng.below(9), cost };
        let step = match rng.below(40) {
            0..14 => Step::Insert(slot),
            14..22 => Step::Touch(slot),
            22..24 => Step::Update(slot),
            24..28 => Step::Remove(slot),
            28..38 => Step::Evict,
            38 => Step::Resize(rng.below(2 * PLACES)),
            _ => Step::Clear,
        };
        self.steps.push(step);
        match step {
            Step::Insert(slot) => {
                self.policy.insert(slot, facts);
                if !self.residents.contains(&slot) {
                    self.residents.push(slot);
                }
            }
            Step::Touch(slot) => self.policy.touch(slot),
            Step::Update(slot) => self.policy.update(slot, facts),
            Step::Remove(slot) => {
                self.policy.remove(slot);
                self.residents.retain(|&other| other != slot);
            }
            Step::Evict => self.evict()?,
            Step::Resize(capacity) => self.policy.resize(capacity),
            Step::Clear => {
                self.policy.clear();
                self.residents.clear();
            }
        }
        let (told, held) = (self.policy.len(), self.residents.len());
        if told != held || self.policy.is_empty() != self.residents.is_empty() {
            return Err(format!("the policy says that it holds {told}, it was given {held}"));
        }
        Ok(())
    }

    fn evict(&mut self) -> Result<(), String> {
        match self.policy.evict() {
            None if self.residents.is_empty() => Ok(()),
            None => Err(format!("there is no victim, though {:?} are resident", self.residents)),
            Some(victim) if self.residents.contains(&victim) => {
                self.residents.retain(|&other| other != victim);
                Ok(())
            }
            Some(victim) => Err(format!("the victim {victim:?} is no resident: those are {:?}", self.residents)),
        }
    }
}
