//! Transcripts of pieces that overlap, put together without a word doubled or lost.

use super::{Transcript, Utterance, Word, text};

/// What was heard of one stretch of time and of some of what is around it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The stretch that it stands for, in milliseconds.
    pub(super) own: (i64, i64),
    pub(super) transcript: Transcript,
}

/// Times of one word in two recognitions that are further apart are those of two words, in milliseconds.
const APART_MS: i64 = 1_000;
/// The same where the time of a word is only guessed.
const GUESSED_APART_MS: i64 = 3_000;
/// Differences in the time of one word that are of no account, in milliseconds.
const SLACK_MS: i64 = 300;
/// Overlaps with more pairs of words are cut by silence alone: nobody speaks that fast.
const MOST_PAIRS: usize = 1 << 20;

/// One transcript from `pieces`, which come in the order of their stretches; there may be gaps between them.
///
/// Where two stretches meet, what both have heard is what lies from where the later one begins to listen to where the
/// earlier one ends to. There
///
/// 1. the words that both have recognised, at nearly the same times, are paired in order, so that all pairs together are
///    as near as they may be: of a word that is said again and again, each time is paired with itself and not with the
///    next. The cut is in the middle of the longest run of pairs without another word between them, of equally long
///    ones the run nearest to where the stretches meet: up to it the earlier transcript is taken, from there on the
///    later one;
/// 2. without a common word, the cut is in a silence of both, off the edges: in one that leaves out the fewest words, of
///    several in the longest, as near as it may be to where the stretches meet; without a silence, it is where they meet.
///    Words whose middles lie before the cut are taken from the earlier transcript, the others from the later one.
///
/// Pieces that meet without overlap are taken as they are. At a gap the words that begin in the piece's own stretch are
/// taken, as of a part of a transcript: so those who ask for one stretch after the other get each word once. A segment
/// that is cut keeps its other words.
pub(super) fn stitch(pieces: Vec<Piece>) -> Transcript {
    let heard: Vec<Vec<Heard>> = (0..pieces.len()).map(|at| listen(&pieces, at)).collect();
    let mut takes: Vec<(usize, usize)> = heard.iter().map(|words| (0, words.len())).collect();
    for (at, words) in heard.iter().enumerate() {
        let Some(piece) = pieces.get(at) else { continue };
        let next = pieces.get(at + 1).filter(|next| next.own.0 == piece.own.1).zip(heard.get(at + 1));
        if let Some((next, later)) = next {
            let (end, start) = cut(words, later, piece.own.1, (next.transcript.start_ms, piece.transcript.end_ms));
            set(&mut takes, at, |take| take.1 = end.max(take.0));
            set(&mut takes, at + 1, |take| take.0 = start);
        } else if piece.transcript.end_ms > piece.own.1 {
            let end = words.iter().rposition(|word| word.start_ms < piece.own.1).map_or(0, |at| at + 1);
            set(&mut takes, at, |take| take.1 = end.max(take.0));
        }
        let is_first = at == 0 || pieces.get(at - 1).is_some_and(|before| before.own.1 != piece.own.0);
        if is_first && piece.transcript.start_ms < piece.own.0 {
            let start = words.iter().position(|word| word.start_ms >= piece.own.0).unwrap_or(words.len());
            set(&mut takes, at, |take| *take = (start, take.1.max(start)));
        }
    }
    let mut whole = Transcript {
        language: pieces.iter().find_map(|piece| piece.transcript.language.clone()),
        start_ms: pieces.first().map_or(0, |piece| piece.own.0.min(piece.transcript.start_ms)),
        end_ms: pieces.last().map_or(0, |piece| piece.own.1.max(piece.transcript.end_ms)),
        segments: Vec::new(),
    };
    for ((piece, words), take) in pieces.into_iter().zip(&heard).zip(takes) {
        let mut segments = taken(piece.transcript, words, take);
        segments.sort_by_key(|segment| segment.start_ms);
        // Two recognitions tell times a little apart: what comes after the cut is not to begin before what comes before it.
        let floor_ms = whole.segments.last().map_or(i64::MIN, |last| last.start_ms);
        for segment in &mut segments {
            begin_after(segment, floor_ms);
        }
        whole.segments.extend(segments);
    }
    whole
}

/// A word of a transcript, as far as it is compared.
#[derive(Debug)]
struct Heard {
    /// Of its segment, and of itself in there.
    place: (usize, usize),
    /// Empty where it is compared with none.
    normal: String,
    start_ms: i64,
    end_ms: i64,
    middle_ms: i64,
    is_guessed: bool,
}

/// The words of the piece at `at` by their middles. Those that no neighbour can have heard are compared with none.
fn listen(pieces: &[Piece], at: usize) -> Vec<Heard> {
    let Some(Piece { transcript, .. }) = pieces.get(at) else { return Vec::new() };
    let before = at.checked_sub(1).and_then(|before| pieces.get(before));
    let heard_before_ms = before.map_or(i64::MIN, |before| before.transcript.end_ms.saturating_add(SLACK_MS));
    let heard_after_ms = pieces.get(at + 1).map_or(i64::MAX, |next| next.transcript.start_ms.saturating_sub(SLACK_MS));
    let mut all = Vec::new();
    for (segment, utterance) in transcript.segments.iter().enumerate() {
        let is_guessed = utterance.words.is_empty();
        for (number, word) in utterance.timed_words().iter().enumerate() {
            let Word { start_ms, end_ms, .. } = *word;
            let middle_ms = start_ms.midpoint(end_ms);
            let is_shared = start_ms <= heard_before_ms || end_ms >= heard_after_ms;
            let normal = if is_shared { text::normal(&word.text) } else { String::new() };
            all.push(Heard { place: (segment, number), normal, start_ms, end_ms, middle_ms, is_guessed });
        }
    }
    all.sort_by_key(|word| word.middle_ms);
    all
}

/// Up to which word `earlier` is taken, and from which on `later` is.
fn cut(earlier: &[Heard], later: &[Heard], meet_ms: i64, window: (i64, i64)) -> (usize, usize) {
    if window.0 >= window.1 {
        return (earlier.len(), 0);
    }
    // A word that goes beyond the window is cut short in the other transcript, which began or ended with it.
    let from = earlier.iter().rposition(|word| word.end_ms < window.0 - SLACK_MS).map_or(0, |at| at + 1);
    let to = later.iter().position(|word| word.start_ms > window.1 + SLACK_MS).unwrap_or(later.len());
    let (tail, head) = (earlier.get(from..).unwrap_or_default(), later.get(..to).unwrap_or_default());
    if tail.is_empty() || head.is_empty() {
        return (earlier.len(), 0);
    }
    if let Some((a, b)) = pair_to_cut_at(&pairs(tail, head), tail, meet_ms) {
        return (from + a + 1, b + 1);
    }
    let cut_ms = silence(tail, head, meet_ms, window);
    let before = |word: &Heard| word.middle_ms < cut_ms;
    (from + tail.partition_point(before), head.partition_point(before))
}

/// The words that both have heard: the common subsequence whose words are nearest to each other, all together.
fn pairs(tail: &[Heard], head: &[Heard]) -> Vec<(usize, usize)> {
    let width = head.len() + 1;
    if tail.len().saturating_mul(head.len()) > MOST_PAIRS {
        return Vec::new();
    }
    // From each pair of words on: how near all are together that can be paired.
    let mut best = vec![0_u32; (tail.len() + 1) * width];
    let of = |best: &[u32], a: usize, b: usize| best.get(a * width + b).copied().unwrap_or_default();
    let paired = |best: &[u32], a: usize, b: usize| {
        let near = nearness(tail.get(a)?, head.get(b)?)?;
        Some(of(best, a + 1, b + 1).saturating_add(near))
    };
    for a in (0..tail.len()).rev() {
        for b in (0..head.len()).rev() {
            let skipping = of(&best, a + 1, b).max(of(&best, a, b + 1));
            let value = paired(&best, a, b).map_or(skipping, |pairing| pairing.max(skipping));
            set(&mut best, a * width + b, |best| *best = value);
        }
    }
    let (mut a, mut b, mut found) = (0, 0, Vec::new());
    while a < tail.len() && b < head.len() {
        let value = of(&best, a, b);
        if paired(&best, a, b) == Some(value) {
            found.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if of(&best, a + 1, b) == value {
            a += 1;
        } else {
            b += 1;
        }
    }
    found
}

/// How near two recognitions of one word are, in parts of a thousand and one more; `None` when they are of two words.
fn nearness(a: &Heard, b: &Heard) -> Option<u32> {
    let most = if a.is_guessed || b.is_guessed { GUESSED_APART_MS } else { APART_MS };
    let left = most.checked_sub_unsigned(a.middle_ms.abs_diff(b.middle_ms)).filter(|left| *left >= 0)?;
    let is_same = !a.normal.is_empty() && a.normal == b.normal;
    is_same.then(|| 1 + u32::try_from(1_000 * left / most).unwrap_or_default())
}

/// The middle of the longest run of `pairs` without another word between them.
fn pair_to_cut_at(pairs: &[(usize, usize)], tail: &[Heard], meet_ms: i64) -> Option<(usize, usize)> {
    let runs = pairs.chunk_by(|one, next| (one.0 + 1, one.1 + 1) == *next);
    let middle = |run: &&[(usize, usize)]| run.get(run.len() / 2).copied().unwrap_or_default();
    let distance = |run: &&[(usize, usize)]| {
        let at = tail.get(middle(run).0).map_or(0, |word| word.middle_ms);
        at.abs_diff(meet_ms)
    };
    runs.max_by_key(|run| (run.len(), std::cmp::Reverse(distance(run)))).map(|run| middle(&run))
}

/// A moment in a silence of `window`, as the second rule says; where the stretches meet if there is none.
fn silence(tail: &[Heard], head: &[Heard], meet_ms: i64, window: (i64, i64)) -> i64 {
    // A word at the edge of a window may be half a word.
    let inner = (window.0 + SLACK_MS, window.1 - SLACK_MS);
    let window = if inner.0 < inner.1 { inner } else { window };
    let mut words: Vec<(i64, i64)> = tail.iter().chain(head).map(|word| (word.start_ms, word.end_ms)).collect();
    words.sort_unstable();
    words.push((window.1, window.1));
    let left_out = |cut_ms: i64| {
        let before = |word: &Heard| word.middle_ms < cut_ms;
        tail.len() - tail.partition_point(before) + head.partition_point(before)
    };
    let mut quiet_from = window.0;
    let silence = |(start, end): (i64, i64)| {
        let quiet = (quiet_from, start.min(window.1));
        quiet_from = quiet_from.max(end);
        (quiet.0 < quiet.1).then_some(quiet)
    };
    let best = words.into_iter().filter_map(silence).min_by_key(|(start, end)| {
        let nearest = meet_ms.clamp(*start, *end);
        (left_out(nearest), start - end, nearest.abs_diff(meet_ms))
    });
    best.map_or(meet_ms, |(start, end)| meet_ms.clamp(start, end))
}

/// The segments of `transcript` with those of its `words` that are in the range `kept`. Few are not.
fn taken(transcript: Transcript, words: &[Heard], (start, end): (usize, usize)) -> Vec<Utterance> {
    let (before, after) = if start <= end { (start, end) } else { (words.len(), words.len()) };
    let dropped = words.iter().take(before).chain(words.iter().skip(after));
    let mut dropped: Vec<(usize, usize)> = dropped.map(|word| word.place).collect();
    dropped.sort_unstable();
    let mut dropped = dropped.chunk_by(|one, next| one.0 == next.0).peekable();
    let segments = transcript.segments.into_iter().enumerate().filter_map(|(at, segment)| {
        match dropped.next_if(|places| places.first().is_some_and(|place| place.0 == at)) {
            Some(places) => shortened(segment, places),
            None => segment.has_words().then_some(segment),
        }
    });
    segments.collect()
}

/// `segment` without the words at `places`, which are in order; `None` when that leaves none.
fn shortened(mut segment: Utterance, places: &[(usize, usize)]) -> Option<Utterance> {
    let all = segment.timed_words().into_owned();
    let is_kept = |number: &usize| places.binary_search_by_key(number, |place| place.1).is_err();
    let numbers: Vec<usize> = (0..all.len()).filter(is_kept).collect();
    let (&first, &last) = (numbers.first()?, numbers.last()?);
    let kept: Vec<Word> = numbers.iter().filter_map(|number| all.get(*number).cloned()).collect();
    segment.text = if last - first + 1 == numbers.len() {
        text::part(&segment.text, &all, first..last + 1)
    } else {
        kept.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    };
    segment.start_ms = kept.iter().map(|word| word.start_ms).min()?;
    segment.end_ms = kept.iter().map(|word| word.end_ms).max()?;
    if !segment.words.is_empty() {
        segment.words = kept;
    }
    Some(segment)
}

/// Moves what of `segment` is before `floor_ms` there.
fn begin_after(segment: &mut Utterance, floor_ms: i64) {
    let words = segment.words.iter_mut().map(|word| (&mut word.start_ms, &mut word.end_ms));
    for (start, end) in words.chain([(&mut segment.start_ms, &mut segment.end_ms)]) {
        *start = floor_ms.max(*start);
        *end = floor_ms.max(*end);
    }
}

fn set<T>(list: &mut [T], at: usize, change: impl FnOnce(&mut T)) {
    if let Some(place) = list.get_mut(at) {
        change(place);
    }
}

#[cfg(test)]
mod tests;
