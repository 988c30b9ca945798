//! Fields that come in several shapes, or not at all.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// A text, a number, or a list of them: the texts.
pub(super) fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let text = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Ok(match Value::deserialize(from)? {
        Value::Array(values) => values.into_iter().filter_map(text).collect(),
        value => text(value).into_iter().collect(),
    })
}

/// A number, or a text that is one.
pub(super) fn number<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<Option<T>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// `true`, or the text that says so.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(value.as_bool().unwrap_or_else(|| value.as_str() == Some("true")))
}

/// A list, without the entries of other shapes; one that is missing is empty. Entries are looked at one by one, so what
/// is left out takes no memory.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(Entries(PhantomData))
}

/// A [`list`] that can be told from one that is missing.
pub(super) fn some_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    list(from).map(Some)
}

/// A value, or nothing where it has another shape.
pub(super) fn maybe<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

struct Entries<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for Entries<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element::<Value>()? {
            list.extend(serde_json::from_value(entry));
        }
        Ok(list)
    }
}
