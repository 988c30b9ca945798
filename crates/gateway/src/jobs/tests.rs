//! The registry on a clock and a time of its own.

use std::time::Duration;

use cache_core::{ErrorKind, Key, ManualClock};
use proptest::prelude::*;

use super::report::Unit;
use super::*;

fn jobs() -> Jobs {
    Jobs::new(Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_123))))
}

fn states(jobs: &Jobs) -> Vec<JobState> {
    jobs.list().iter().map(|job| job.state).collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_runs_tells_how_far_it_is_and_ends() {
    let jobs = jobs();
    let job = jobs.begin(JobKind::Verify, "all").unwrap();
    let id = job.id().to_owned();
    let told = jobs.get(&id).unwrap();
    assert_eq!((told.state, told.started.as_str()), (JobState::Waiting, "2023-11-14T22:13:20.123Z"));
    tokio::time::advance(Duration::from_secs(5)).await;
    job.run();
    tokio::time::advance(Duration::from_secs(6)).await;
    job.progress(3, Some(10));
    job.note("half way");
    let told = jobs.get(&id).unwrap();
    assert_eq!((told.state, told.done, told.total, told.unit), (JobState::Running, 3, Some(10), Unit::Entries));
    assert_eq!((told.seconds, told.eta_seconds, told.note.as_deref()), (11.0, Some(14.0), Some("half way")));
    job.finish();
    let told = jobs.get(&id).unwrap();
    assert_eq!((told.state, told.seconds, told.eta_seconds, told.error), (JobState::Done, 11.0, None, None));
}

#[tokio::test]
async fn whoever_runs_a_job_hears_that_it_is_to_end() {
    let jobs = jobs();
    let job = jobs.start(JobKind::Warm, "links").unwrap();
    let id = job.id().to_owned();
    let runner = tokio::spawn(async move {
        job.cancelled().await;
        job.fail("stopped on the way");
    });
    assert!(matches!(jobs.cancel(&id), Some(Cancelled::Told(told)) if !told.cancellable));
    runner.await.unwrap();
    let told = jobs.get(&id).unwrap();
    assert_eq!((told.state, told.error), (JobState::Cancelled, None));
    assert!(matches!(jobs.cancel(&id), Some(Cancelled::Over(_))));
    assert_eq!(jobs.cancel("another"), None);
}

#[tokio::test]
async fn a_job_that_is_dropped_was_cancelled_and_one_that_panics_has_failed() {
    let jobs = jobs();
    drop(jobs.start(JobKind::Sweep, "all").unwrap());
    let job = jobs.start(JobKind::Sweep, "all").unwrap();
    let ended = tokio::spawn(async move {
        let _job = job;
        panic!("of this test");
    });
    assert!(ended.await.is_err());
    assert_eq!(states(&jobs), [JobState::Failed, JobState::Cancelled]);
    jobs.start(JobKind::Verify, "a step").unwrap().forget();
    assert_eq!(jobs.list().len(), 2, "one that is forgotten leaves no trace");
}

#[test]
fn what_others_tell_of_is_listed_and_cannot_be_cancelled() {
    let jobs = jobs();
    let key = Key::of("film").build().unwrap();
    let told = JobReport::told(JobKind::Blob, &key, jobs.now(), Duration::from_secs(2));
    assert_eq!(told.started, "2023-11-14T22:13:18.123Z");
    let id = told.id.clone();
    jobs.also(move || vec![told.clone(); 2_000]);
    assert_eq!(jobs.list().len(), 1_000);
    assert!(matches!(jobs.cancel(&id), Some(Cancelled::Never(_))));
}

#[test]
fn texts_are_bounded() {
    let jobs = jobs();
    let long = "ä".repeat(5_000);
    let job = jobs.start(JobKind::Process, &long).unwrap();
    job.note(&long);
    let id = job.id().to_owned();
    job.fail(&long);
    let told = jobs.get(&id).unwrap();
    let lengths =
        [&told.what, told.note.as_ref().unwrap(), told.error.as_ref().unwrap()].map(|text| text.chars().count());
    assert_eq!(lengths, [500, 200, 1_000]);
}

#[test]
fn beyond_the_most_no_job_begins_and_one_that_ends_makes_room() {
    let jobs = jobs();
    let mut held: Vec<_> = (0..MOST_LIVE).map(|_| jobs.begin(JobKind::Process, "a.mp4").unwrap()).collect();
    assert_eq!(jobs.begin(JobKind::Process, "a.mp4").unwrap_err().kind(), ErrorKind::Unavailable);
    held.pop().unwrap().finish();
    assert!(jobs.begin(JobKind::Process, "a.mp4").is_ok());
}

#[derive(Debug, Clone)]
enum Step {
    Begin,
    Run(prop::sample::Index),
    Cancel(prop::sample::Index),
    Finish(prop::sample::Index),
    Fail(prop::sample::Index),
    Drop(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = any::<prop::sample::Index>;
    let step = prop_oneof![
        3 => Just(Step::Begin),
        1 => any().prop_map(Step::Run),
        1 => any().prop_map(Step::Cancel),
        1 => any().prop_map(Step::Finish),
        1 => any().prop_map(Step::Fail),
        1 => any().prop_map(Step::Drop),
    ];
    prop::collection::vec(step, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// As a list would have it: every job is there once, in the state that its handle left it in, the last 100 of those
    /// that ended.
    #[test]
    fn the_registry_is_a_list_of_what_was_said(steps in steps()) {
        let jobs = jobs();
        let (mut live, mut ended) = (Vec::<(Job, JobState)>::new(), Vec::new());
        for step in steps {
            match step {
                Step::Begin => live.push((jobs.begin(JobKind::Process, "a").unwrap(), JobState::Waiting)),
                _ if live.is_empty() => {}
                Step::Run(at) => {
                    let (job, state) = at.get_mut(&mut live);
                    job.run();
                    *state = JobState::Running;
                }
                Step::Cancel(at) => {
                    let id = at.get(&live).0.id().to_owned();
                    prop_assert!(matches!(jobs.cancel(&id), Some(Cancelled::Told(_))));
                }
                Step::Finish(at) => {
                    let (job, _) = live.remove(at.index(live.len()));
                    ended.push((job.id().to_owned(), JobState::Done));
                    job.finish();
                }
                Step::Fail(at) => {
                    let (job, _) = live.remove(at.index(live.len()));
                    let state = if job.is_cancelled() { JobState::Cancelled } else { JobState::Failed };
                    ended.push((job.id().to_owned(), state));
                    job.fail("it says so");
                }
                Step::Drop(at) => {
                    let (job, _) = live.remove(at.index(live.len()));
                    ended.push((job.id().to_owned(), JobState::Cancelled));
                }
            }
        }
        let mut expected: Vec<_> = live.iter().map(|(job, state)| (job.id().to_owned(), *state)).collect();
        expected.sort_by_key(|(id, _)| id.rsplit_once('-').unwrap().1.parse::<u64>().unwrap());
        expected.extend(ended.into_iter().rev().take(MOST_ENDED));
        let told: Vec<_> = jobs.list().into_iter().map(|job| (job.id, job.state)).collect();
        prop_assert_eq!(told, expected);
    }
}
