//! The picture of a history that no order explains.

use std::fmt::{Debug, Write};

use super::Call;

/// The widest bars, in characters.
const WIDTH: usize = 60;

/// Draws the calls that began up to the tick `cut`, each with a bar from its begin to its end.
pub(super) fn draw<O: Debug, A: Debug>(calls: &[Call<O, A>], cut: u64) -> String {
    let mut drawn: Vec<&Call<O, A>> = calls.iter().filter(|call| call.begin <= cut).collect();
    drawn.sort_by_key(|call| call.begin);
    let mut ticks: Vec<u64> =
        drawn.iter().flat_map(|call| [call.begin, call.end]).filter(|tick| *tick <= cut).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let columns = ticks.len().clamp(1, WIDTH);
    let column = |tick: u64| ticks.partition_point(|other| *other < tick) * columns / ticks.len().max(1);
    let mut picture = format!("no order of these {} calls explains the last answer:\n", drawn.len());
    for call in drawn {
        let over = call.end <= cut;
        let (from, to) = (column(call.begin), if over { column(call.end) } else { columns });
        let end = if over { '|' } else { '.' };
        let bar = format!("{}|{}{end}", " ".repeat(from), "-".repeat(to.saturating_sub(from + 1)));
        let last = if call.end == cut { "  <- here" } else { "" };
        let answer = match &call.answer {
            Some(answer) if over => format!("{answer:?}"),
            _ => "?".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(picture, "  {bar:<width$}  {:?} -> {answer}{last}", call.op, width = columns + 1);
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_ends_at_the_answer_that_no_order_explains() {
        let calls = [
            Call { op: "put", answer: Some("done"), begin: 0, end: 3 },
            Call { op: "get", answer: Some("nothing"), begin: 1, end: 5 },
            Call { op: "lost", answer: None, begin: 2, end: u64::MAX },
            Call { op: "later", answer: Some("done"), begin: 6, end: 7 },
        ];
        let picture = "no order of these 3 calls explains the last answer:\n\
                       \x20 |--|    \"put\" -> \"done\"\n\
                       \x20  |--|   \"get\" -> \"nothing\"  <- here\n\
                       \x20   |--.  \"lost\" -> ?\n";
        assert_eq!(draw(&calls, 5), picture);
    }
}
