//! `Window`: the hours of each day in which work is welcome.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::{ToSpan, Zoned};
use tokio::time::{Instant, sleep_until};

/// The hours of each day in which work is welcome, by the clock on the wall; over midnight, if they end before they begin.
///
/// A time that a day has not, because clocks are put forward, is the one an hour later; of one that it has twice, the first
/// counts. So each day has one window at most, and what would begin and end in the hour that is left out has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    from: Time,
    to: Time,
}

/// Whether the window is open, and when that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    Open(Zoned),
    Closed(Zoned),
}

/// The longest sleep: a clock that is set, or a machine that slept, is noticed after it.
const NAP: Duration = Duration::from_secs(30);

impl Window {
    /// Whether it is open at `now`, in its time zone.
    ///
    /// # Errors
    /// What is wrong, when the calendar ends.
    pub(crate) fn turn(&self, now: &Zoned) -> Result<Turn, jiff::Error> {
        let mut day = now.date().yesterday()?;
        loop {
            let (start, end) = self.of(day, now)?;
            if start < end && *now < end {
                return Ok(if *now < start { Turn::Closed(start) } else { Turn::Open(end) });
            }
            day = day.tomorrow()?;
        }
    }

    /// Where it is on the day that it begins.
    fn of(&self, day: Date, now: &Zoned) -> Result<(Zoned, Zoned), jiff::Error> {
        let last = if self.from < self.to { day } else { day.checked_add(1.day())? };
        let zone = now.time_zone();
        Ok((day.to_datetime(self.from).to_zoned(zone.clone())?, last.to_datetime(self.to).to_zoned(zone.clone())?))
    }
}

/// Waits until the clock shows `instant`. Cancelling it has no effect.
pub(crate) async fn until(instant: &Zoned) {
    while let Ok(left) = Duration::try_from(instant.timestamp().duration_since(jiff::Timestamp::now())) {
        if left.is_zero() {
            return;
        }
        sleep_until(Instant::now() + left.min(NAP)).await;
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no part of a day: write for example 02:00-06:00 or 22:00-04:30");
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            (is_number(hour) && is_number(minute)).then_some(())?;
            Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = time(from).zip(time(to)).ok_or_else(wrong)?;
        if from == to { Err(wrong()) } else { Ok(Self { from, to }) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.to.strftime("%H:%M"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::DateTime;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;

    /// Clocks go forward at 02:00 on 29 March 2026 and back at 03:00 on 25 October.
    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: &str) -> Zoned {
        text.parse::<DateTime>().unwrap().to_zoned(zone()).unwrap()
    }

    fn turn(window: &str, now: &str) -> (bool, String) {
        let told = |instant: &Zoned| instant.strftime("%m-%dT%H:%M").to_string();
        match window.parse::<Window>().unwrap().turn(&at(now)).unwrap() {
            Turn::Open(end) => (true, told(&end)),
            Turn::Closed(start) => (false, told(&start)),
        }
    }

    #[track_caller]
    fn check(window: &str, now: &str, is_open: bool, until: &str) {
        assert_eq!(turn(window, now), (is_open, until.to_owned()), "{window} at {now}");
    }

    #[test]
    fn it_opens_and_closes_every_day() {
        check("02:00-06:00", "2026-01-10T01:59", false, "01-10T02:00");
        check("02:00-06:00", "2026-01-10T02:00", true, "01-10T06:00");
        check("02:00-06:00", "2026-01-10T05:59:59", true, "01-10T06:00");
        check("02:00-06:00", "2026-01-10T06:00", false, "01-11T02:00");
        check("02:00-06:00", "2026-12-31T07:00", false, "01-01T02:00");
    }

    #[test]
    fn it_may_go_over_midnight() {
        check("22:00-04:30", "2026-01-10T21:00", false, "01-10T22:00");
        check("22:00-04:30", "2026-01-10T23:00", true, "01-11T04:30");
        check("22:00-04:30", "2026-01-11T04:29", true, "01-11T04:30");
        check("22:00-04:30", "2026-01-11T04:30", false, "01-11T22:00");
        check("23:00-00:00", "2026-01-10T23:30", true, "01-11T00:00");
    }

    #[test]
    fn an_hour_that_a_day_has_not_is_no_window_and_one_that_it_has_twice_is_one() {
        check("02:00-03:00", "2026-03-29T01:30", false, "03-30T02:00");
        check("02:30-06:00", "2026-03-29T01:59", false, "03-29T03:30");
        check("01:00-06:00", "2026-03-29T03:10", true, "03-29T06:00");
        check("02:00-02:30", "2026-10-25T02:10", true, "10-25T02:30");
        let second = at("2026-10-25T02:10").checked_add(1.hour()).unwrap();
        let window: Window = "02:00-02:30".parse().unwrap();
        assert!(matches!(window.turn(&second).unwrap(), Turn::Closed(_)));
        let long: Window = "01:00-03:30".parse().unwrap();
        assert!(matches!(long.turn(&second).unwrap(), Turn::Open(_)));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for wrong in
            ["", "02:00", "2-6", "02:00-02:00", "24:00-01:00", "02:60-03:00", "02:00-06:00-", "a-b", "+2:00-03:00"]
        {
            assert!(wrong.parse::<Window>().is_err(), "{wrong:?}");
        }
        assert_eq!("22:00-04:30".parse::<Window>().unwrap().to_string(), "22:00-04:30");
    }

    proptest! {
        #[test]
        fn it_changes_when_it_says_so(from in 0_i8..48, to in 0_i8..48, minute in 0_i64..(366 * 24 * 60)) {
            prop_assume!(from != to);
            let time = |half: i8| Time::new(half / 2, half % 2 * 30, 0, 0).unwrap();
            let window = Window { from: time(from), to: time(to) };
            let now = at("2026-01-01T00:00").checked_add(minute.minutes()).unwrap();
            match window.turn(&now).unwrap() {
                Turn::Open(end) => {
                    prop_assert!(end > now);
                    prop_assert!(matches!(window.turn(&end).unwrap(), Turn::Closed(start) if start > end) || window.of(end.date(), &end).unwrap().0 == end);
                }
                Turn::Closed(start) => {
                    prop_assert!(start > now);
                    prop_assert!(matches!(window.turn(&start).unwrap(), Turn::Open(_)));
                }
            }
        }
    }
}
