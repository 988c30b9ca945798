//! Stitching: known words, cut into pieces and heard with faults.

use proptest::prelude::*;

use super::*;

const STEP_MS: i64 = 10_000;
const OVERLAP_MS: i64 = 3_000;
const VOCABULARY: [&str; 12] =
    ["the", "harbor", "a", "ship", "and", "the", "sea", "no", "no", "lighthouse", "of", "seventeen"];

fn word(text: &str, start_ms: i64, end_ms: i64) -> Word {
    Word { start_ms, end_ms, text: text.to_owned(), confidence: None }
}

fn utterance(words: Vec<Word>) -> Utterance {
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let (start_ms, end_ms) = (words[0].start_ms, words[words.len() - 1].end_ms);
    Utterance { start_ms, end_ms, text, words, confidence: None }
}

fn piece(own: (i64, i64), heard: (i64, i64), segments: Vec<Utterance>) -> Piece {
    Piece { own, transcript: Transcript { language: None, start_ms: heard.0, end_ms: heard.1, segments } }
}

fn said(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

/// Numbers that look random and are the same for one seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    fn within(&mut self, most: i64) -> i64 {
        i64::try_from(self.below(2 * most.unsigned_abs() + 1)).unwrap() - most
    }
}

/// What a recogniser hears of `words` from `heard.0` to `heard.1`: times a little off, words at its edges clipped, and
/// lost or taken for others.
fn listen_to(words: &[Word], heard: (i64, i64), chance: &mut Chance) -> Vec<Utterance> {
    let mut found = Vec::new();
    // All words of a recognition may be off by the same.
    let shift = chance.within(60);
    for spoken in words.iter().filter(|word| word.start_ms < heard.1 && heard.0 < word.end_ms) {
        let is_whole = heard.0 <= spoken.start_ms && spoken.end_ms <= heard.1;
        let jitter = shift + chance.within((spoken.end_ms - spoken.start_ms).min(120) / 2);
        let clip = |at: i64| (at + jitter).clamp(heard.0, heard.1);
        let (start_ms, end_ms) = (clip(spoken.start_ms), clip(spoken.end_ms));
        match (is_whole, chance.below(3)) {
            (true, _) | (false, 0) => found.push(word(&spoken.text, start_ms, end_ms)),
            (false, 1) => found.push(word("uh", start_ms, end_ms)),
            (false, _) => {}
        }
    }
    let mut segments = Vec::new();
    while !found.is_empty() {
        let rest = found.split_off(found.len().min(1 + usize::try_from(chance.below(8)).unwrap()));
        segments.push(utterance(std::mem::replace(&mut found, rest)));
    }
    segments
}

fn cut_up(words: &[Word], end_ms: i64, chance: &mut Chance) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < end_ms {
        let own = (start, (start + STEP_MS).min(end_ms));
        let heard = ((own.0 - OVERLAP_MS).max(0), (own.1 + OVERLAP_MS).min(end_ms));
        pieces.push(piece(own, heard, listen_to(words, heard, chance)));
        start = own.1;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_word_is_lost_or_doubled(
        spoken in prop::collection::vec((0..VOCABULARY.len(), 120_i64..700, 0_i64..1_500, 0..8_u8), 1..200),
        seed in any::<u64>(),
    ) {
        let (mut at, mut words) = (0, Vec::new());
        for (index, len, pause, long) in spoken {
            // Every eighth pause may be longer than an overlap.
            at += if long == 0 { 8 * pause } else { pause };
            // Somebody may say a word three times, and slowly as often as they like, but not fast for as long as an overlap.
            let same = words.iter().rev().take_while(|word: &&Word| word.text == VOCABULARY[index]);
            let is_enough = len < 400 && same.count() > 2;
            words.push(word(if is_enough { "well" } else { VOCABULARY[index] }, at, at + len));
            at += len;
        }
        let pieces = cut_up(&words, at, &mut Chance(seed));
        let whole = stitch(pieces.clone());
        let stitched = whole.words();
        prop_assert_eq!(said(&stitched), said(&words));
        prop_assert!(whole.segments.is_sorted_by_key(|segment| segment.start_ms));
        prop_assert_eq!(stitch(pieces), whole);
    }
}

#[test]
fn the_cut_is_in_the_middle_of_what_both_have_heard() {
    let early = utterance(vec![word("One", 7_000, 7_400), word("two,", 9_000, 9_400), word("thr", 12_700, 13_000)]);
    let late = utterance(vec![word("un", 7_000, 7_200), word("two", 9_100, 9_500), word("three", 12_700, 13_300)]);
    let pieces =
        vec![piece((0, 10_000), (0, 13_000), vec![early]), piece((10_000, 20_000), (7_000, 20_000), vec![late])];
    let whole = stitch(pieces);
    assert_eq!(said(&whole.words()), ["One", "two,", "three"]);
    assert_eq!(whole.text(), "One two,\nthree");
    assert_eq!((whole.start_ms, whole.end_ms), (0, 20_000));
    assert_eq!((whole.segments[0].end_ms, whole.segments[1].start_ms), (9_400, 12_700));
}

#[test]
fn of_several_runs_of_common_words_the_longest_counts() {
    let early = [("well", 7_100), ("no", 8_000), ("ships", 9_000), ("sail", 9_500), ("home", 10_000), ("to", 12_800)];
    let late = [("no", 7_300), ("uh", 8_000), ("ships", 9_000), ("sail", 9_500), ("home", 10_000), ("today", 12_700)];
    let words = |said: [(&str, i64); 6]| utterance(said.map(|(text, at)| word(text, at, at + 200)).to_vec());
    let pieces = vec![
        piece((0, 10_000), (0, 13_000), vec![words(early)]),
        piece((10_000, 20_000), (7_000, 20_000), vec![words(late)]),
    ];
    assert_eq!(said(&stitch(pieces).words()), ["well", "no", "ships", "sail", "home", "today"]);
}

proptest! {
    #[test]
    fn a_word_that_is_said_again_and_again_is_there_each_time(
        (len, pause) in (400_i64..700, 100_i64..700),
        count in 1_i64..60,
        seed in any::<u64>(),
    ) {
        let all: Vec<Word> = (0..count).map(|at| (len + pause) * at).map(|at| word("no", at, at + len)).collect();
        let pieces = cut_up(&all, (len + pause) * count, &mut Chance(seed));
        let stitched = stitch(pieces).words();
        prop_assert_eq!(said(&stitched), said(&all));
    }
}

#[test]
fn pieces_without_overlap_are_taken_as_they_are() {
    let [early, late] =
        [[word("no", 9_500, 9_900)], [word("no", 10_100, 10_400)]].map(|words| utterance(words.to_vec()));
    let pieces =
        vec![piece((0, 10_000), (0, 10_000), vec![early]), piece((10_000, 20_000), (10_000, 20_000), vec![late])];
    assert_eq!(said(&stitch(pieces).words()), ["no", "no"]);
}

#[test]
fn without_a_common_word_the_cut_is_in_a_silence() {
    let early = utterance(vec![word("left", 7_500, 8_000), word("rig", 12_800, 13_000)]);
    let late = utterance(vec![word("eft", 7_600, 8_000), word("right", 12_800, 13_400)]);
    let pieces =
        vec![piece((0, 10_000), (0, 13_000), vec![early]), piece((10_000, 20_000), (7_000, 20_000), vec![late])];
    assert_eq!(said(&stitch(pieces).words()), ["left", "right"]);
}

#[test]
fn what_only_one_has_heard_is_taken() {
    let late = utterance(vec![word("a", 7_500, 8_000), word("b", 9_800, 10_000), word("c", 12_000, 12_400)]);
    let early = utterance(vec![word("z", 6_000, 6_950)]);
    let pieces =
        vec![piece((0, 10_000), (0, 13_000), vec![early]), piece((10_000, 20_000), (7_000, 20_000), vec![late])];
    assert_eq!(said(&stitch(pieces).words()), ["z", "a", "b", "c"]);
}

#[test]
fn at_a_gap_a_piece_keeps_to_its_own_stretch() {
    // Two of them are said while the stretch begins and ends: they belong to where they begin.
    let spoken = ["a", "before", "b", "c", "d"].iter().zip([8_000, 9_900, 10_500, 19_900, 21_000]);
    let words = spoken.map(|(text, at)| word(text, at, at + 400)).collect();
    let alone = piece((10_000, 20_000), (7_000, 23_000), vec![utterance(words)]);
    let whole = stitch(vec![alone]);
    assert_eq!(said(&whole.words()), ["b", "c"]);
    assert_eq!(whole.text(), "b c");
}

#[test]
fn words_without_times_of_their_own_are_stitched_by_guess() {
    let line = |text: &str, start_ms, end_ms| Utterance { start_ms, end_ms, text: text.into(), ..Utterance::default() };
    let pieces = vec![
        piece((0, 10_000), (0, 13_000), vec![line("Please open the window, and close the", 8_000, 13_000)]),
        piece((10_000, 20_000), (7_000, 20_000), vec![line("open the window and close the door.", 8_500, 13_600)]),
    ];
    let whole = stitch(pieces);
    let normal: Vec<_> = whole.words().iter().map(|word| text::normal(&word.text)).collect();
    assert_eq!(normal, ["please", "open", "the", "window", "and", "close", "the", "door"]);
}

#[test]
fn an_overlap_full_of_words_is_cut_in_bounded_time() {
    let crowd = |text: &str| (0..30_000).map(|at| word(text, 7_000 + at / 10, 7_001 + at / 10)).collect();
    let pieces = vec![
        piece((0, 10_000), (0, 13_000), vec![utterance(crowd("a"))]),
        piece((10_000, 20_000), (7_000, 20_000), vec![utterance(crowd("b"))]),
    ];
    assert!(stitch(pieces).words().len() >= 30_000);
}

#[test]
fn nothing_gives_nothing() {
    assert_eq!(stitch(Vec::new()), Transcript::default());
    let silent = piece((0, 10), (0, 10), Vec::new());
    assert_eq!(stitch(vec![silent]).segments, []);
}
