//! Vectors as programs and servers give them, not believed yet.

use serde::Deserialize;

/// One of the accepted shapes.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// A list of vectors.
    Bare(Vec<Vec<f32>>),
    /// That of Ollama.
    Named { embeddings: Vec<Vec<f32>> },
    /// That of `OpenAI`.
    Numbered { data: Vec<Numbered> },
}

#[derive(Deserialize)]
pub(super) struct Numbered {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Answer {
    /// The vectors of `count` texts, in their order; why not, otherwise.
    pub(super) fn vectors(self, count: usize) -> Result<Vec<Vec<f32>>, String> {
        let vectors = match self {
            Self::Bare(vectors) | Self::Named { embeddings: vectors } => vectors,
            Self::Numbered { data } => ordered(data)?,
        };
        if vectors.len() != count {
            return Err(format!("{} embeddings of {count} texts", vectors.len()));
        }
        let dimensions = vectors.first().map_or(0, Vec::len);
        if dimensions == 0 && count > 0 {
            return Err("embeddings without numbers".to_owned());
        }
        if let Some(other) = vectors.iter().map(Vec::len).find(|len| *len != dimensions) {
            return Err(format!("embeddings of {dimensions} and of {other} numbers"));
        }
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err("embeddings of numbers that are none".to_owned());
        }
        // Its direction, all that is ever compared, is none.
        if let Some(at) = vectors.iter().position(|vector| vector.iter().all(|number| *number == 0.0)) {
            return Err(format!("nothing but zeros for text {at}"));
        }
        Ok(vectors)
    }
}

/// The vectors by their numbers, which say what belongs to which text.
fn ordered(data: Vec<Numbered>) -> Result<Vec<Vec<f32>>, String> {
    let mut data: Vec<(usize, Vec<f32>)> =
        data.into_iter().enumerate().map(|(at, numbered)| (numbered.index.unwrap_or(at), numbered.embedding)).collect();
    data.sort_by_key(|(index, _)| *index);
    match data.iter().enumerate().find(|(at, (index, _))| at != index) {
        Some((at, _)) => Err(format!("no embedding of text {at}, or two")),
        None => Ok(data.into_iter().map(|(_, vector)| vector).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(json: &str, count: usize) -> Result<Vec<Vec<f32>>, String> {
        serde_json::from_str::<Answer>(json).map_err(|error| error.to_string())?.vectors(count)
    }

    #[test]
    fn three_shapes_are_read() {
        let expected = vec![vec![1.0, 2.0], vec![3.0, 4.0]];
        assert_eq!(vectors("[[1, 2], [3, 4]]", 2).unwrap(), expected);
        assert_eq!(vectors(r#"{"embeddings": [[1, 2], [3, 4]]}"#, 2).unwrap(), expected);
        let swapped = r#"{"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]}"#;
        assert_eq!(vectors(swapped, 2).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(vectors("[[1]]", 2).unwrap_err(), "1 embeddings of 2 texts");
        assert_eq!(vectors("[[1], [1, 2]]", 2).unwrap_err(), "embeddings of 1 and of 2 numbers");
        assert_eq!(vectors("[[]]", 1).unwrap_err(), "embeddings without numbers");
        assert_eq!(vectors("[[1e300]]", 1).unwrap_err(), "embeddings of numbers that are none");
        assert_eq!(vectors("[[0, 1], [0, -0.0]]", 2).unwrap_err(), "nothing but zeros for text 1");
        let twice = r#"{"data": [{"index": 0, "embedding": [3]}, {"index": 0, "embedding": [1]}]}"#;
        assert_eq!(vectors(twice, 2).unwrap_err(), "no embedding of text 1, or two");
        assert!(vectors("{}", 1).is_err() && vectors("[[null]]", 1).is_err());
    }
}
