//! Batches of which a layer refuses a part itself.

use cache_core::{Error, ErrorKind, Key, Result};

/// One answer for each of `keys`: the refusal where `asked` holds one, the next of `answers` elsewhere. Errors name the
/// key.
pub(crate) fn merge<T>(asked: Vec<Result<()>>, answers: Vec<Result<T>>, keys: &[Key]) -> Vec<Result<T>> {
    let mut answers = answers.into_iter();
    let missing = || Error::new(ErrorKind::Internal, "the backend answered for fewer keys than it was asked");
    let answer = |(asked, key): (Result<()>, &Key)| {
        asked?;
        answers.next().unwrap_or_else(|| Err(missing())).map_err(|error| error.with_key(key))
    };
    asked.into_iter().zip(keys).map(answer).collect()
}
