//! Rules: many keys in one call answer as single calls would, in order.

use bytes::Bytes;
use cache_core::{Entry, ErrorKind, Key, MINUTE, Result, ttl};

use crate::Case;

/// One answer for each key, in the order of the keys, those twice given and those absent included.
pub async fn get_many_answers_in_order_with_duplicates_and_misses(case: &Case) -> Result<()> {
    let [a, b, c, absent] = [Key::parse("a")?, Key::parse("b")?, Key::parse("c")?, Key::parse("absent")?];
    for (key, body) in [(&a, "1"), (&b, "2"), (&c, "3")] {
        case.put(key, body).await?;
    }
    let keys = [c.clone(), absent.clone(), a.clone(), c, absent, b, a];
    let bodies = bodies(case, &keys).await?;
    assert_eq!(bodies, ["3", "-", "1", "3", "-", "2", "1"]);
    Ok(())
}

/// An expired entry is absent among many as well.
pub async fn get_many_leaves_out_expired_entries(case: &Case) -> Result<()> {
    let [short, long] = [Key::parse("short")?, Key::parse("long")?];
    case.backend.put(&short, case.lasting(ttl(MINUTE), "short")).await?;
    case.backend.put(&long, case.lasting(ttl(2 * MINUTE), "long")).await?;
    case.clock.advance(MINUTE);
    assert_eq!(bodies(case, &[short, long]).await?, ["-", "long"]);
    Ok(())
}

/// Every entry of a `put_many` is there when it returns, with one answer for each.
pub async fn put_many_stores_every_entry(case: &Case) -> Result<()> {
    let mut entries = Vec::new();
    for number in 0..40 {
        entries.push((Key::of("many").part(number).build()?, case.entry(format!("body {number}"))));
    }
    let answers = case.backend.put_many(entries.clone()).await;
    assert_eq!(answers.len(), entries.len());
    answers.into_iter().collect::<Result<()>>()?;
    for (key, entry) in &entries {
        case.assert_holds(key, entry).await?;
    }
    Ok(())
}

/// A key given twice ends with the newest stamp, be it first or last; of equal ones with the last.
pub async fn put_many_of_one_key_twice_keeps_the_newest_stamp(case: &Case) -> Result<()> {
    let [rising, falling, level] = [Key::parse("rising")?, Key::parse("falling")?, Key::parse("level")?];
    let [older, newer] = [case.entry("older"), case.entry("newer")];
    let mut equal = case.entry("equal");
    equal.meta.stamp = newer.meta.stamp;
    let entries = vec![
        (rising.clone(), older.clone()),
        (falling.clone(), newer.clone()),
        (level.clone(), newer.clone()),
        (rising.clone(), newer.clone()),
        (falling.clone(), older),
        (level.clone(), equal.clone()),
    ];
    let answers = case.backend.put_many(entries).await;
    assert_eq!(answers.len(), 6);
    answers.into_iter().collect::<Result<()>>()?;
    case.assert_holds(&rising, &newer).await?;
    case.assert_holds(&falling, &newer).await?;
    case.assert_holds(&level, &equal).await
}

/// A body that is too long fails alone; its neighbours are stored.
pub async fn put_many_refuses_one_by_one(case: &Case) -> Result<()> {
    let [before, refused, after] = [Key::parse("before")?, Key::parse("refused")?, Key::parse("after")?];
    let too_long = usize::try_from(case.backend.info().max_body).unwrap_or(usize::MAX - 1) + 1;
    let [first, last] = [case.entry("first"), case.entry("last")];
    let entries = vec![
        (before.clone(), first.clone()),
        (refused.clone(), case.entry(Bytes::from(vec![0; too_long]))),
        (after.clone(), last.clone()),
    ];
    let answers = case.backend.put_many(entries).await;
    let kinds: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Ok(()), Err(ErrorKind::TooLarge), Ok(())]);
    case.assert_holds(&before, &first).await?;
    case.assert_absent(&refused).await?;
    case.assert_holds(&after, &last).await
}

/// No keys, no answers, no error.
pub async fn many_of_nothing_is_nothing(case: &Case) -> Result<()> {
    assert!(case.backend.get_many(&[]).await.is_empty(), "answers of get_many to no key");
    assert!(case.backend.put_many(Vec::new()).await.is_empty(), "answers of put_many to no entry");
    Ok(())
}

/// Many entries of one key and one stamp take effect in their order: the last one stays.
pub async fn put_many_of_one_key_takes_effect_in_order(case: &Case) -> Result<()> {
    let key = Key::parse("suite:order")?;
    let first = case.entry("0");
    let entries = (0..300).map(|number| {
        let entry = Entry::new(first.meta.clone(), number.to_string());
        (key.clone(), entry)
    });
    for answer in case.backend.put_many(entries.collect()).await {
        answer?;
    }
    case.assert_holds(&key, &Entry::new(first.meta, "299")).await
}

async fn bodies(case: &Case, keys: &[Key]) -> Result<Vec<Bytes>> {
    let answers = case.backend.get_many(keys).await;
    let body =
        |answer: Result<Option<Entry>>| answer.map(|entry| entry.map_or(Bytes::from_static(b"-"), |entry| entry.body));
    answers.into_iter().map(body).collect()
}
