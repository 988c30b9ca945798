//! Workloads: equal backends answer equally, a flaw shows.

use std::sync::Arc;

use cache_core::{Backend, ManualClock};
use cache_testkit::{Bench, Case, Faulty, NaiveModel, Observation, Op, apply, compare, workload};
use proptest::prelude::*;

use crate::flawed::{Flaw, Flawed};

fn case<B: Backend>(open: impl FnOnce(Arc<ManualClock>) -> B) -> Case {
    let clock = Bench::default().clock;
    Case::new(open(clock.clone()), clock)
}

#[expect(clippy::unwrap_used, reason = "a test without a runtime has failed")]
fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_wrapper_without_faults_answers_as_what_it_wraps(seed in any::<u64>()) {
        let subject = case(|clock| Faulty::new(NaiveModel::new(clock)));
        let model = case(|clock| NaiveModel::new(clock));
        run(compare(&subject, &model, &workload(seed, 300))).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn a_workload_shows_flaws() {
    for flaw in [
        Flaw::OlderStampWins,
        Flaw::EqualStampLoses,
        Flaw::ExpiresLate,
        Flaw::ScanFindsExpired,
        Flaw::ScanTakesPrefixAsText,
        Flaw::BodyLosesEnd,
        Flaw::RemoveIsAlwaysTrue,
        Flaw::GetManySorts,
    ] {
        let subject = case(|clock| Flawed::new(flaw, clock));
        let model = case(|clock| NaiveModel::new(clock));
        let verdict = run(compare(&subject, &model, &workload(1, 3_000)));
        assert!(verdict.is_err(), "3,000 steps do not show {flaw:?}");
    }
}

#[test]
fn a_workload_meets_hits_misses_and_expiry() {
    let model = case(|clock| NaiveModel::new(clock));
    let (mut hits, mut misses) = (0, 0);
    run(async {
        for op in workload(7, 2_000) {
            let seen = apply(&model, &op).await;
            hits += u32::from(matches!((&op, &seen), (Op::Get(_), Observation::Entry(Some(_)))));
            misses += u32::from(matches!((&op, &seen), (Op::Get(_), Observation::Entry(None))));
            assert!(!matches!(seen, Observation::Failed(_)), "{op:?} failed: {seen:?}");
        }
        assert!(hits > 100 && misses > 100, "{hits} hits, {misses} misses");
        assert!(model.backend.usage().await.unwrap().expired > 10, "few entries expire");
    });
}
