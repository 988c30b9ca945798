//! Traces made up: each asks something else of a cache.

use crate::random::{Random, Zipf, shuffled};
use crate::trace::{Columns, Numbering, Trace};

/// All of them, each of as many requests, the same in every run.
#[must_use]
pub fn all(requests: usize) -> Vec<Trace> {
    [zipf, scans, cycle, phases, one_shots, media].map(|make| make(requests)).into()
}

/// Few keys are wanted often, as nearly everywhere.
#[must_use]
pub fn zipf(requests: usize) -> Trace {
    let (zipf, mut random) = (Zipf::new(requests / 8, 0.9), Random::new(1));
    trace("zipf", (0..requests).map(|_| zipf.draw(&mut random)))
}

/// The same, with a walk through keys that nobody wants twice in each tenth of the requests.
#[must_use]
pub fn scans(requests: usize) -> Trace {
    let (zipf, mut random) = (Zipf::new(requests / 16, 0.9), Random::new(2));
    let (turn, walk) = ((requests / 10).max(1), requests / 40);
    let of = |at: usize| if at % turn < walk { requests + at } else { zipf.draw(&mut random) };
    trace("scans", (0..requests).map(of))
}

/// One key after the other, again and again: what was used last is wanted last.
#[must_use]
pub fn cycle(requests: usize) -> Trace {
    trace("loop", (0..requests).map(|at| at % (requests / 20).max(1)))
}

/// What is wanted changes altogether, ten times.
#[must_use]
pub fn phases(requests: usize) -> Trace {
    let keys = (requests / 80).max(1);
    let (zipf, mut random) = (Zipf::new(keys, 0.8), Random::new(3));
    let length = requests.div_ceil(10).max(1);
    trace("phases", (0..requests).map(|at| at / length * keys + zipf.draw(&mut random)))
}

/// Half of the requests are for keys that come once or twice within a short time, and never again.
#[must_use]
pub fn one_shots(requests: usize) -> Trace {
    let (zipf, mut random) = (Zipf::new(requests / 16, 0.9), Random::new(4));
    let mut fresh = requests;
    let of = |_| {
        if random.next().is_multiple_of(2) {
            return zipf.draw(&mut random);
        }
        let again = random.next().is_multiple_of(3);
        fresh += usize::from(!again);
        if again { fresh.saturating_sub(random.below(8) as usize) } else { fresh }
    };
    trace("one-shots", (0..requests).map(of))
}

/// Results of media jobs: from a thumbnail to a film, in bytes and in time, and neither follows from the other.
#[must_use]
pub fn media(requests: usize) -> Trace {
    let keys = (requests / 16).max(1);
    let (zipf, mut random) = (Zipf::new(keys, 0.8), Random::new(5));
    let places = shuffled(keys, 6);
    let of_key: Vec<u64> = (0..keys).map(|_| (13.5 + 1.8 * random.normal()).clamp(8.0, 19.0).exp() as u64).collect();
    let keys: Vec<u32> = (0..requests).map(|_| places[zipf.draw(&mut random)]).collect();
    let bytes = keys.iter().map(|&key| of_key[key as usize]).collect();
    let mut numbering = Numbering::default();
    let keys = keys.into_iter().map(|key| numbering.of(key)).collect();
    Trace::new("media", &Columns { keys, bytes: Some(bytes), costs: None })
}

fn trace(name: &str, keys: impl Iterator<Item = usize>) -> Trace {
    let mut numbering = Numbering::default();
    Trace::new(name, &Columns { keys: keys.map(|key| numbering.of(key)).collect(), ..Columns::default() })
}
