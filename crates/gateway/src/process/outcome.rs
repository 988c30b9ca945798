//! `Outcome`: what became of one video.

use std::io::{self, Write};
use std::path::PathBuf;

use cache_core::Error;
use serde_json::{Value, json};

use super::report::{Report, State};
use super::{json as lines, table};
use crate::exit::Exit;

/// What became of one video.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) video: PathBuf,
    pub(super) answer: Result<Answer, Error>,
}

/// What was asked for.
#[derive(Debug)]
pub(super) enum Answer {
    /// Its artifacts.
    Report(Box<Report>),
    /// Something about them.
    Survey(Survey),
}

/// What was found out, or done, without making anything.
#[derive(Debug)]
pub(super) struct Survey {
    /// How the summary counts it.
    pub(super) state: &'static str,
    pub(super) exit: Exit,
    /// For people, whole lines.
    pub(super) text: String,
    /// For programs, beside the name of the video.
    pub(super) details: Value,
    pub(super) removed: u64,
}

impl Outcome {
    pub(super) fn state(&self) -> &'static str {
        match &self.answer {
            Ok(Answer::Report(report)) => report.state.name(),
            Ok(Answer::Survey(survey)) => survey.state,
            Err(_) => State::Failed.name(),
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match &self.answer {
            Ok(Answer::Report(report)) => report.errors().next().map_or(Exit::Done, Exit::of),
            Ok(Answer::Survey(survey)) => survey.exit,
            Err(error) => Exit::of(error),
        }
    }

    /// What is told on standard error, a line each.
    pub(super) fn complaints(&self) -> Vec<String> {
        match &self.answer {
            Ok(Answer::Report(report)) => {
                let mut told: Vec<String> = report.errors().map(crate::told).collect();
                told.dedup();
                told.extend(report.not_kept_told());
                told
            }
            Ok(Answer::Survey(_)) => Vec::new(),
            Err(error) => vec![crate::told(error)],
        }
    }

    /// Writes what people read. Of a video without artifacts, the complaints say it.
    pub(super) fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.answer {
            Ok(Answer::Report(report)) if report.state != State::Failed => table::write(out, report),
            Ok(Answer::Survey(survey)) => write!(out, "{}", survey.text),
            _ => Ok(()),
        }
    }

    /// Writes one line of JSON.
    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, &self.json())?;
        writeln!(out)
    }

    /// What programs read.
    pub(super) fn json(&self) -> Value {
        let source = self.video.to_string_lossy();
        match &self.answer {
            Ok(Answer::Report(report)) => lines::line(report),
            Ok(Answer::Survey(survey)) => {
                let mut line = json!({ "source": source, "state": survey.state });
                if let (Value::Object(line), Value::Object(details)) = (&mut line, survey.details.clone()) {
                    line.extend(details);
                }
                line
            }
            Err(error) => json!({ "source": source, "state": self.state(), "error": crate::told(error) }),
        }
    }
}
