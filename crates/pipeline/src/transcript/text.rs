//! The text of segments: its words guessed, compared, and cut out.

use std::ops::Range;

use super::{Utterance, Word};

/// The pieces between the spaces of `segment`, each as long as its share of the letters.
pub(super) fn guess(segment: &Utterance) -> Vec<Word> {
    let pieces: Vec<&str> = segment.text.split_whitespace().collect();
    let letters = |piece: &&str| i128::try_from(piece.chars().count()).unwrap_or(i128::MAX);
    let all: i128 = pieces.iter().map(letters).sum();
    let len = i128::from(segment.end_ms) - i128::from(segment.start_ms);
    let at = |passed: i128| {
        let passed_ms = i64::try_from(len.max(0) * passed / all.max(1)).unwrap_or(i64::MAX);
        segment.start_ms.saturating_add(passed_ms)
    };
    let mut passed = 0;
    let word = |piece: &str| {
        let start_ms = at(passed);
        passed += letters(&piece);
        Word { start_ms, end_ms: at(passed), text: piece.to_owned(), confidence: None }
    };
    pieces.into_iter().map(word).collect()
}

/// What two recognitions of one word have in common: its letters and digits, small.
pub(super) fn normal(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// `text` from the first word in `range` to the one after it, as it is written; the words with spaces between them when
/// the text is not made of its words.
pub(super) fn part(text: &str, words: &[Word], range: Range<usize>) -> String {
    let bytes = |(start, end): (usize, usize)| text.get(start..end).map(|part| part.trim().to_owned());
    positions(text, words)
        .and_then(|at| {
            let start = if range.start == 0 { 0 } else { *at.get(range.start)? };
            bytes((start, at.get(range.end).copied().unwrap_or(text.len())))
        })
        .unwrap_or_else(|| {
            let kept = words.get(range).unwrap_or_default();
            kept.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
        })
}

/// Where each of `words` begins in `text`.
fn positions(text: &str, words: &[Word]) -> Option<Vec<usize>> {
    let mut from = 0;
    let find = |word: &Word| {
        let start = from + text.get(from..)?.find(&word.text)?;
        from = start + word.text.len();
        Some(start)
    };
    words.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: &str, words: &[&str]) -> Utterance {
        let word = |text: &&str| Word { text: (*text).to_owned(), ..Word::default() };
        let words = words.iter().map(word).collect();
        Utterance { start_ms: 1_000, end_ms: 2_000, text: text.to_owned(), words, confidence: None }
    }

    #[test]
    fn guessed_words_share_the_time_by_their_letters() {
        let times: Vec<_> = guess(&segment("a bbb cccc dd", &[])).iter().map(|w| (w.start_ms, w.end_ms)).collect();
        assert_eq!(times, [(1_000, 1_100), (1_100, 1_400), (1_400, 1_800), (1_800, 2_000)]);
        assert_eq!(guess(&segment(" ", &[])), []);
    }

    #[test]
    fn punctuation_and_case_do_not_tell_words_apart() {
        assert_eq!(normal(" Harbor-Master's, "), "harbormasters");
        assert_eq!(normal("ÉTÉ"), "été");
        assert_eq!(normal("..."), "");
    }

    #[test]
    fn a_part_is_written_as_in_the_text() {
        let spaced = segment("“Well,” she said - no.", &["Well,", "she", "said", "no."]);
        assert_eq!(part(&spaced.text, &spaced.words, 0..2), "“Well,” she");
        assert_eq!(part(&spaced.text, &spaced.words, 2..4), "said - no.");
        let unspaced = segment("你好世界", &["你好", "世", "界"]);
        assert_eq!(part(&unspaced.text, &unspaced.words, 1..3), "世界");
        let odd = segment("21", &["twenty", "one"]);
        assert_eq!(part(&odd.text, &odd.words, 0..1), "twenty");
    }
}
