//! `Turn`: how a player turns and flips pictures, by the container's display matrix.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a player turns and flips pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Turn {
    /// Not at all.
    Upright,
    /// By right angles and flips: one of the seven other ways to lay a picture into a frame.
    Laid(Lay),
    /// In a way that only the decoder's own filters can follow.
    Other,
}

/// A way to lay a picture: its axes swapped first, then flipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lay {
    pub(crate) swapped: bool,
    pub(crate) flipped_across: bool,
    pub(crate) flipped_down: bool,
}

impl Turn {
    /// The turn that this piece of side data tells, if it is a display matrix.
    pub(super) fn of(side_data: &Value) -> Option<Self> {
        let printed = side_data.get("displaymatrix")?.as_str()?;
        Some(matrix(printed).map_or(Self::Other, Self::of_matrix))
    }

    /// `x' = a x + c y`, `y' = b x + d y`.
    const fn of_matrix([a, b, c, d]: [i64; 4]) -> Self {
        match (a, b, c, d) {
            (1.., 0, 0, 1..) => Self::Upright,
            (_, 0, 0, _) if a != 0 && d != 0 => Self::laid(false, a < 0, d < 0),
            (0, _, _, 0) if b != 0 && c != 0 => Self::laid(true, c < 0, b < 0),
            _ => Self::Other,
        }
    }

    const fn laid(swapped: bool, flipped_across: bool, flipped_down: bool) -> Self {
        Self::Laid(Lay { swapped, flipped_across, flipped_down })
    }
}

impl Lay {
    /// The filters that do it, each with a comma before it.
    pub(crate) fn filters(self) -> String {
        let on = |wanted: bool, filter: &'static str| if wanted { filter } else { "" };
        // `cclock_flip` is what swaps the axes and nothing else.
        let swap = on(self.swapped, ",transpose=dir=cclock_flip");
        [swap, on(self.flipped_across, ",hflip"), on(self.flipped_down, ",vflip")].concat()
    }
}

/// The upper left numbers of a matrix printed as three lines of an offset and three numbers.
fn matrix(printed: &str) -> Option<[i64; 4]> {
    let row = |line: &str| {
        let numbers = line.split_once(':')?.1.split_whitespace().map(|number| number.parse::<i64>().ok());
        let [Some(x), Some(y), Some(_)] = numbers.collect::<Vec<_>>()[..] else { return None };
        Some([x, y])
    };
    let mut rows = printed.lines().filter(|line| !line.trim().is_empty()).map(row);
    let ([a, b], [c, d]) = (rows.next()??, rows.next()??);
    Some([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(first: &str, second: &str) -> Option<Turn> {
        let matrix = format!("\n00000000: {first}\n00000001: {second}\n00000002: 0 0 1073741824\n");
        Turn::of(&json!({ "side_data_type": "Display Matrix", "displaymatrix": matrix, "rotation": 0 }))
    }

    #[test]
    fn right_angles_and_flips_are_known() {
        assert_eq!(turn("65536 0 0", "0 65536 0"), Some(Turn::Upright));
        assert_eq!(turn("0 65536 0", "-65536 0 0"), Some(Turn::laid(true, true, false)));
        assert_eq!(turn("-65536 0 0", "0 -65536 0"), Some(Turn::laid(false, true, true)));
        assert_eq!(turn("65536 0 0", "0 -65536 0"), Some(Turn::laid(false, false, true)));
    }

    #[test]
    fn anything_between_is_left_to_the_decoder() {
        assert_eq!(turn("46341 46341 0", "-46341 46341 0"), Some(Turn::Other));
        assert_eq!(turn("x", "y"), Some(Turn::Other));
        assert_eq!(Turn::of(&json!({ "side_data_type": "x" })), None);
    }
}
