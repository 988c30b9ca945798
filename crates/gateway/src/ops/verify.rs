//! Reading everything that tiers keep, to find what is damaged before somebody asks for it.

use cache_core::{Entry, ErrorKind, Key, KeyPrefix, Meta, Result, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::first_keys;
use crate::stack::{Part, Stack};

/// Entries that one step reads at most.
const STEP: usize = 256;

/// Where the next step begins.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Position of the tier, the nearest first.
    #[serde(default)]
    pub(crate) tier: usize,
    /// The last key that was read there.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) after: Option<Key>,
}

/// What a step found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Verified {
    pub(crate) checked: u64,
    pub(crate) bytes: u64,
    pub(crate) damaged: Vec<Damage>,
    /// `None` after the last step.
    pub(crate) next: Option<Cursor>,
}

/// An entry that did not read as it was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Damage {
    pub(crate) tier: String,
    pub(crate) key: String,
    /// Whether it was put again from another tier.
    pub(crate) repaired: bool,
}

/// Reads the next entries of one tier that outlives the process. What is damaged is dropped by that, as by every read; if
/// asked it is put again from a tier that has it whole.
///
/// # Errors
/// Those of the tier.
pub(crate) async fn verify(stack: &Stack, from: &Cursor, repair: bool) -> Result<Verified> {
    let mut found = Verified { checked: 0, bytes: 0, damaged: Vec::new(), next: None };
    let Some(part) = stack.parts.get(from.tier) else { return Ok(found) };
    let next_tier = (from.tier + 1 < stack.parts.len()).then_some(Cursor { tier: from.tier + 1, after: None });
    if !part.backend.info().durable {
        found.next = next_tier;
        return Ok(found);
    }
    let keys = first_keys(&*part.backend, &KeyPrefix::all(), from.after.as_ref(), STEP).await?;
    let mut corrupt = part.backend.usage().await?.corrupt;
    for (key, meta) in keys.iter().filter(|(_, meta)| meta.role == Role::Value) {
        found.checked += 1;
        let damage = match read(part, key, &mut corrupt).await? {
            Reading::Whole(entry) => {
                found.bytes += entry.body.len() as u64;
                continue;
            }
            Reading::Gone => continue,
            Reading::Damaged => Damage { tier: part.name.to_string(), key: key.to_string(), repaired: false },
        };
        let repaired = repair && put_again(stack, from.tier, key, meta).await;
        found.damaged.push(Damage { repaired, ..damage });
    }
    found.next = match keys.last_key_value() {
        Some((last, _)) if keys.len() == STEP => Some(Cursor { tier: from.tier, after: Some(last.clone()) }),
        _ => next_tier,
    };
    Ok(found)
}

enum Reading {
    Whole(Entry),
    /// It left since it was listed, for another reason.
    Gone,
    Damaged,
}

/// Reads `key` from a tier that has counted so many damaged entries.
async fn read(part: &Part, key: &Key, corrupt: &mut u64) -> Result<Reading> {
    match part.backend.get(key).await {
        Ok(Some(entry)) => Ok(Reading::Whole(entry)),
        Ok(None) => {
            let counted = part.backend.usage().await?.corrupt;
            let grew = counted > std::mem::replace(corrupt, counted);
            Ok(if grew { Reading::Damaged } else { Reading::Gone })
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Reading::Damaged),
        Err(error) => Err(error),
    }
}

/// Puts the same entry from another tier, if one has it.
async fn put_again(stack: &Stack, damaged: usize, key: &Key, meta: &Meta) -> bool {
    for (at, other) in stack.parts.iter().enumerate() {
        if at == damaged {
            continue;
        }
        if let Ok(Some(entry)) = other.backend.get(key).await
            && entry.meta.stamp == meta.stamp
        {
            return stack.parts[damaged].backend.put(key, entry).await.is_ok();
        }
    }
    false
}
