//! The graph of stages: what runs when, what fails with what, and what is kept.

use std::sync::Arc;

use pipeline::{Pass, Plan, Resource, Selection, Source};
use tokio::sync::Barrier;

use super::fake::{Alpha, Beta, Fake, Gamma, Log};
use super::support::{Home, until};

fn clip(home: &Home, seconds: u32) -> Source {
    Source::from(home.clip("clip.mp4", seconds))
}

#[tokio::test]
async fn inputs_are_computed_first_and_only_what_is_missing() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 4), Log::default());
    let alpha = Fake::<Alpha>::new(&log).done();
    let beta = Fake::<Beta>::new(&log).input(&alpha).done();
    let plan = Plan::new().stage(beta.clone());
    let report = cache.run(&clip, &plan).await.unwrap();
    assert_eq!((report.stages[0].computed, report.stages[0].origin().as_str()), (4, "loaded"));
    assert_eq!((log.of::<Alpha>().len(), log.of::<Beta>().len()), (4, 4));

    let report = cache.run(&clip, &plan).await.unwrap();
    assert_eq!((report.stages[0].computed, report.stages[0].origin().as_str()), (0, "memory"));
    let gone = cache.invalidate_stage(&clip, alpha.clone()).await.unwrap();
    assert_eq!(gone.entries, [("alpha".to_owned(), 4), ("beta".to_owned(), 4)].into(), "and what was made of it");

    cache.run(&clip, &plan).await.unwrap();
    assert_eq!((log.of::<Alpha>().len(), log.of::<Beta>().len()), (8, 8));
}

#[tokio::test]
async fn two_models_or_programs_of_one_name_are_refused_and_the_same_twice_is_once() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 1), Log::default());
    let models = |versions: &[&str]| {
        let with =
            |recipe: pipeline::Recipe| versions.iter().fold(recipe, |recipe, version| recipe.model("m", *version));
        Fake::<Alpha>::new(&log).recipe(with).done()
    };
    let error = cache.compute(&clip, &models(&["1", "2"]), &Selection::all()).await.unwrap_err();
    let said = "the recipe of alpha names two versions of the model \"m\": give each a name of its own";
    assert_eq!((error.kind(), error.message()), (cache_core::ErrorKind::Invalid, said));
    let program = |path: &str| pipeline::Program { name: "p", path: path.into(), ask: "--version" };
    let programs = Fake::<Alpha>::new(&log).recipe(|recipe| recipe.program(program("true")).program(program("false")));
    let error = cache.compute(&clip, &programs.done(), &Selection::all()).await.unwrap_err();
    assert!(error.message().contains("two programs called \"p\""), "{error}");
    cache.compute(&clip, &models(&["1"]), &Selection::all()).await.unwrap();
    cache.compute(&clip, &models(&["1", "1"]), &Selection::all()).await.unwrap();
    assert_eq!(log.of::<Alpha>(), [0]);
}

#[tokio::test]
async fn what_is_complete_does_not_need_its_inputs() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 3), Log::default());
    let alpha = Fake::<Alpha>::new(&log).done();
    let beta = Fake::<Beta>::new(&log).input(&alpha).done();
    cache.compute(&clip, &beta, &Selection::all()).await.unwrap();
    let told = cache.explain(&clip, alpha, &Selection::all()).await.unwrap();
    let prefix = cache_core::KeyPrefix::below(&cache_core::Key::parse(&told.key).unwrap());
    cache_core::BackendExt::remove_prefix(&home.backend, &prefix).await.unwrap();
    cache.run(&clip, &Plan::new().stage(beta)).await.unwrap();
    assert_eq!(log.of::<Alpha>().len(), 3, "not computed again");
}

#[tokio::test]
async fn independent_stages_run_at_the_same_time() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 1), Log::default());
    let barrier = Arc::new(Barrier::new(2));
    let wait = |barrier: Arc<Barrier>| {
        move |_| {
            let barrier = barrier.clone();
            async move {
                barrier.wait().await;
                Ok(())
            }
        }
    };
    let alpha = Fake::<Alpha>::new(&log).does(wait(barrier.clone())).done();
    let beta = Fake::<Beta>::new(&log).on(Resource::Net, Pass::Each).does(wait(barrier)).done();
    let run = cache.run(&clip, &Plan::new().stage(alpha).stage(beta)).await.unwrap();
    assert!(run.error().is_none());
}

#[tokio::test]
async fn no_more_run_at_a_time_than_the_limits_allow() {
    let home = Home::new();
    let (cache, clip) = (home.cache(), clip(&home, 12));
    for (resource, limit) in [(Resource::Gpu, 1), (Resource::Cpu, 2), (Resource::Net, 8)] {
        let log = Log::default();
        let others = log.clone();
        // Until as many run as may, and for long enough that more would have come.
        let wait = move |_| {
            let log = others.clone();
            async move {
                until("as many run as may", || log.most() >= limit).await;
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        };
        let stage = |name| {
            let fake = Fake::<Alpha>::new(&log).on(resource, Pass::Each).recipe(|recipe| recipe.model("m", name));
            fake.does(wait.clone())
        };
        let plan =
            Plan::new().stage(stage(format!("{resource:?}1")).done()).stage(stage(format!("{resource:?}2")).done());
        cache.run(&clip, &plan).await.unwrap();
        assert_eq!(log.of::<Alpha>().len(), 24);
        assert_eq!(log.most(), limit, "{resource:?}");
    }
}

#[tokio::test]
async fn a_failure_stops_what_needs_it_and_nothing_else_and_what_was_finished_is_kept() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 4), Log::default());
    let alpha = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).fails(2).done();
    let beta = Fake::<Beta>::new(&log).input(&alpha).done();
    let gamma = Fake::<Gamma>::new(&log).done();
    let plan = Plan::new().stage(beta).stage(alpha.clone()).stage(gamma);
    let report = cache.run(&clip, &plan).await.unwrap();
    let errors: Vec<String> =
        report.stages.iter().map(|stage| stage.error.as_ref().map(ToString::to_string).unwrap_or_default()).collect();
    let unmet = "clip.mp4\": beta: was not computed, because what it needs has failed: alpha: the model server is down";
    assert!(errors[0].ends_with(unmet), "{errors:?}");
    assert!(errors[1].ends_with("clip.mp4\": alpha: the model server is down"), "{errors:?}");
    assert_eq!(errors[2], "");
    assert_eq!(report.stages[1].coverage.present.len(), 2, "what was finished is told");
    assert_eq!(log.of::<Alpha>(), [0, 1, 2], "tried once");
    assert_eq!(log.of::<Beta>().len(), 0);
    let coverage = cache.coverage(&clip, &alpha, &Selection::all()).await.unwrap();
    assert_eq!(coverage.present.len(), 2);

    let healed = Fake::<Alpha>::new(&log).on(Resource::Cpu, Pass::Run).done();
    cache.compute(&clip, &healed, &Selection::all()).await.unwrap();
    assert_eq!(log.of::<Alpha>(), [0, 1, 2, 2, 3]);
}

#[tokio::test]
async fn a_run_tells_how_far_it_is_and_ends_at_once_when_it_is_dropped() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 4), Log::default());
    let alpha = Fake::<Alpha>::new(&log)
        .on(Resource::Cpu, Pass::Run)
        .does(|segment| async move { if segment.index == 2 { std::future::pending().await } else { Ok(()) } });
    let plan = Plan::new().stage(alpha.done());
    let mut watch = plan.watch();
    let run = {
        let (cache, clip, plan) = (cache.clone(), clip.clone(), plan.clone());
        tokio::spawn(async move { cache.run(&clip, &plan).await })
    };
    let progress = loop {
        let progress = watch.changed().await.unwrap();
        if progress.stages.iter().any(|stage| stage.done == 2) {
            break progress;
        }
    };
    assert_eq!((progress.stages[0].total, progress.ended), (4, false));
    assert!(progress.eta.is_some());
    run.abort();
    until("nothing runs", || cache.jobs().is_empty()).await;
}

#[tokio::test]
async fn an_invalidation_wins_over_what_is_being_computed() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 1), Log::default());
    let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (inner_begun, inner_go) = (begun.clone(), go.clone());
    let alpha = Fake::<Alpha>::new(&log).does(move |_| {
        let (begun, go) = (inner_begun.clone(), inner_go.clone());
        async move {
            begun.wait().await;
            go.wait().await;
            Ok(())
        }
    });
    let alpha = alpha.done();
    let running = {
        let (cache, clip, alpha) = (cache.clone(), clip.clone(), alpha.clone());
        tokio::spawn(async move { cache.compute(&clip, &alpha, &Selection::all()).await })
    };
    begun.wait().await;
    cache.invalidate(&clip).await.unwrap();
    go.wait().await;
    // What was computed is not kept: who asked before is given it all the same.
    assert!(running.await.unwrap().is_ok());
    assert_eq!(log.of::<Alpha>(), [0]);
    assert!(cache.get(&clip, &alpha, &Selection::all()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_made_elsewhere_is_found_as_if_it_were_computed() {
    let home = Home::new();
    let (cache, clip, log) = (home.cache(), clip(&home, 3), Log::default());
    let alpha = Fake::<Alpha>::new(&log).done();
    let whole = cache.compute(&clip, &alpha, &Selection::all()).await.unwrap().value().clone();
    cache.invalidate(&clip).await.unwrap();
    cache.set(&clip, &alpha, &whole).await.unwrap();
    let found = cache.compute(&clip, &alpha, &Selection::all()).await.unwrap();
    assert_eq!(found.value(), &whole);
    assert_eq!(log.of::<Alpha>().len(), 3);
}
