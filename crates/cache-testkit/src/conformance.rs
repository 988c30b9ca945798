//! `conformance!`: one named test for each rule of the suite, through every way to hold a backend.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Result};
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Runtime};

use crate::{Bench, Case, Conditions, Fixture, Opened};

/// How long one rule may take before it has failed: far beyond what any needs, so that a backend that never
/// answers fails under the rule's name.
const LIMIT: Duration = Duration::from_mins(3);

/// What a generated test returns.
pub type Verdict = std::result::Result<(), Box<dyn StdError + Send + Sync>>;

/// A rule with its future boxed, so that the runner is compiled once for a backend.
pub type Rule = for<'a> fn(&'a Case) -> BoxFuture<'a, Result<()>>;

/// Expands to a module `$name` with one `#[test]` for each rule of the [`suite`](crate::suite), three times: on the
/// backend itself, on an `Arc<dyn Backend>` and on a `Box<dyn Backend>`.
///
/// `$maker` is a closure or function from a [`Bench`](crate::Bench) to a future of an
/// [`Opened`](crate::Opened) backend, fresh and empty at each call. It sees what the place of the call sees. Tests are
/// named `$name::direct::an_equal_stamp_replaces`. Each has a runtime of its own and fails after three
/// minutes.
///
/// `conformance!(direct $name, $maker)` runs them on the backend itself alone: for a further shape of a backend that is
/// slow to ask, such as a stack over servers.
///
/// ```
/// # use cache_testkit::{Fixture, NaiveModel, conformance};
/// conformance!(naive, |bench| async move {
///     let directory = String::from("a guard, such as a temporary directory");
///     Ok(Fixture::new(NaiveModel::new(bench.clock)).keep(directory))
/// });
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    (direct $name:ident, $maker:expr $(,)?) => {
        mod $name {
            $crate::__direct!($maker);
        }
    };
    ($name:ident, $maker:expr $(,)?) => {
        mod $name {
            $crate::__direct!($maker);

            mod arc {
                async fn open(
                    bench: $crate::Bench,
                ) -> $crate::Opened<impl $crate::__private::Backend, impl ::core::marker::Send> {
                    $crate::__private::as_arc(bench, super::open).await
                }
                $crate::__rules!();
            }

            mod boxed {
                async fn open(
                    bench: $crate::Bench,
                ) -> $crate::Opened<impl $crate::__private::Backend, impl ::core::marker::Send> {
                    $crate::__private::as_box(bench, super::open).await
                }
                $crate::__rules!();
            }
        }
    };
}

/// What every use of [`conformance!`] expands to: the maker, and the rules on what it returns.
#[doc(hidden)]
#[macro_export]
macro_rules! __direct {
    ($maker:expr) => {
        #[allow(unused_imports, reason = "the maker may need nothing from outside")]
        use super::*;

        #[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the maker is part of a test")]
        async fn open(
            bench: $crate::Bench,
        ) -> $crate::Opened<impl $crate::__private::Backend, impl ::core::marker::Send> {
            $crate::__private::direct(bench, $maker).await
        }

        mod direct {
            use super::open;
            $crate::__rules!();
        }
    };
}

/// Opens a backend as its maker returns it.
pub async fn direct<B, G, F>(bench: Bench, maker: impl FnOnce(Bench) -> F) -> Opened<B, G>
where
    F: Future<Output = Opened<B, G>>,
{
    maker(bench).await
}

/// Opens a backend behind an `Arc<dyn Backend>`.
pub async fn as_arc<B: Backend, G, F>(bench: Bench, maker: impl FnOnce(Bench) -> F) -> Opened<Arc<dyn Backend>, G>
where
    F: Future<Output = Opened<B, G>>,
{
    let Fixture { backend, guard, stamps } = maker(bench).await?;
    Ok(Fixture { backend: Arc::new(backend), guard, stamps })
}

/// Opens a backend behind a `Box<dyn Backend>`.
pub async fn as_box<B: Backend, G, F>(bench: Bench, maker: impl FnOnce(Bench) -> F) -> Opened<Box<dyn Backend>, G>
where
    F: Future<Output = Opened<B, G>>,
{
    let Fixture { backend, guard, stamps } = maker(bench).await?;
    Ok(Fixture { backend: Box::new(backend), guard, stamps })
}

/// Runs one rule on a fresh backend. A broken rule panics or is an error; both name it through the test.
pub fn check<B, G, F>(conditions: Conditions, rule: Rule, open: impl FnOnce(Bench) -> F) -> Verdict
where
    B: Backend,
    F: Future<Output = Opened<B, G>>,
{
    let runtime = runtime(conditions)?;
    runtime.block_on(async {
        let bench = Bench::new(conditions);
        let clock = bench.clock.clone();
        let Fixture { backend, guard, stamps } = open(bench).await?;
        let mut case = Case::new(backend, clock);
        if let Some(stamps) = stamps {
            case = case.noting_removes(stamps);
        }
        let run = async {
            rule(&case).await?;
            case.backend.close().await
        };
        tokio::time::timeout(LIMIT, run).await.map_err(|_| format!("no answer within {LIMIT:?}"))??;
        drop(case);
        drop(guard);
        Ok(())
    })
}

fn runtime(conditions: Conditions) -> std::io::Result<Runtime> {
    match conditions {
        Conditions::Parallel => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
        _ => Builder::new_current_thread().enable_all().build(),
    }
}
