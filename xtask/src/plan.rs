//! Named steps run one after the other, timed, with a summary at the end.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::process;

/// Whether steps after a failed one still run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Later steps need the earlier ones.
    Stop,
    /// Every step has something of its own to say.
    GoOn,
}

/// One piece of work.
pub(crate) struct Step {
    name: &'static str,
    work: Box<dyn FnOnce() -> Result<(), Failure>>,
}

/// How a step ended; no outcome when it never ran.
struct Report {
    name: &'static str,
    outcome: Option<(Result<(), Failure>, Duration)>,
}

impl Step {
    pub(crate) fn new(name: &'static str, work: impl FnOnce() -> Result<(), Failure> + 'static) -> Self {
        Self { name, work: Box::new(work) }
    }

    /// A step that is one subprocess.
    pub(crate) fn command(name: &'static str, mut command: Command) -> Self {
        Self::new(name, move || process::run(&mut command))
    }

    fn run(self) -> Report {
        let start = Instant::now();
        let result = (self.work)();
        if let Err(failure) = &result {
            eprintln!("{}: {failure}", self.name);
        }
        Report { name: self.name, outcome: Some((result, start.elapsed())) }
    }
}

/// Runs `steps` in order, says what ran and how long it took, and fails as the first failed step did.
pub(crate) fn run(title: &str, steps: Vec<Step>, on_failure: OnFailure) -> Result<(), Failure> {
    let reports = run_steps(steps, on_failure);
    println!("{title}:");
    for report in &reports {
        println!("  {}", line(report));
    }
    let failed = |report: Report| match report.outcome {
        Some((Err(failure), _)) => Some(failure.during(report.name)),
        _ => None,
    };
    reports.into_iter().find_map(failed).map_or(Ok(()), Err)
}

fn run_steps(steps: Vec<Step>, on_failure: OnFailure) -> Vec<Report> {
    let mut failed = false;
    let mut reports = Vec::new();
    for step in steps {
        let report = if failed && on_failure == OnFailure::Stop {
            Report { name: step.name, outcome: None }
        } else {
            step.run()
        };
        failed |= matches!(report.outcome, Some((Err(_), _)));
        reports.push(report);
    }
    reports
}

fn line(report: &Report) -> String {
    let (word, time) = match &report.outcome {
        None => ("not run", String::new()),
        Some((Ok(()), time)) => ("ok", format!("{:.1} s", time.as_secs_f64())),
        Some((Err(_), time)) => ("FAILED", format!("{:.1} s", time.as_secs_f64())),
    };
    format!("{:<16} {word:<8} {time}", report.name).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        let fails = |code| Step::command("fails", shell(code));
        vec![Step::new("works", || Ok(())), fails("exit 3"), fails("exit 4"), Step::new("works", || Ok(()))]
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failed_step_stops_those_that_need_it() {
        let reports = run_steps(steps(), OnFailure::Stop);
        let ran: Vec<bool> = reports.iter().map(|report| report.outcome.is_some()).collect();
        assert_eq!(ran, [true, true, false, false]);
    }

    #[test]
    fn independent_steps_all_run_and_the_first_failure_decides() {
        assert!(run_steps(steps(), OnFailure::GoOn).iter().all(|report| report.outcome.is_some()));
        assert_eq!(run("steps", steps(), OnFailure::GoOn).unwrap_err().code(), 3);
    }

    #[test]
    fn a_step_that_never_ran_is_not_called_ok() {
        let reports = run_steps(steps(), OnFailure::Stop);
        assert!(line(&reports[2]).ends_with("not run"));
    }
}
