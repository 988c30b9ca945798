//! `reelcache doctor`: what would keep it from working, and what to do about each.

mod machine;
mod parts;

use cache_core::Error;
use serde::Serialize;

use crate::access;
use crate::cli::DoctorArgs;
use crate::config::Effective;
use crate::exit::Exit;
use crate::text::one_line;

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    state: State,
    /// What was looked at.
    what: String,
    found: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works, but not for long or not as well as it could.
    Warning,
    Failed,
}

impl Finding {
    fn ok(what: &str, found: impl Into<String>) -> Self {
        Self { state: State::Ok, what: what.to_owned(), found: found.into(), advice: None }
    }

    fn warning(what: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Warning, advice: Some(advice.into()), ..Self::ok(what, found) }
    }

    fn failed(what: &str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { state: State::Failed, ..Self::warning(what, found, advice) }
    }

    fn of_error(what: &str, error: &Error, advice: impl Into<String>) -> Self {
        Self::failed(what, crate::told(error), advice)
    }
}

/// Runs every check, also after one has failed. Warnings are no failure.
pub(crate) async fn run(effective: &Effective, args: &DoctorArgs) -> Exit {
    let mut findings = vec![machine::configuration(effective)];
    let yt_dlp_needed = effective.config.providers.values().any(|table| table.kind() == "yt-dlp");
    findings.extend(machine::programs(yt_dlp_needed).await);
    findings.extend(machine::directory(&effective.config.cache).await);
    match access::running(effective).await {
        Some(server) => findings.extend(parts::through(server).await),
        None => findings.extend(parts::opened(&effective.config.cache).await),
    }
    findings.extend(parts::providers(&effective.config).await);
    let printed = crate::print(&text(&findings, args.json));
    let is_well = findings.iter().all(|finding| finding.state != State::Failed);
    if is_well { printed } else { Exit::Failed }
}

fn text(findings: &[Finding], json: bool) -> String {
    if json {
        return format!("{}\n", serde_json::json!(findings));
    }
    let line = |finding: &Finding| {
        let state = match finding.state {
            State::Ok => "ok     ",
            State::Warning => "warning",
            State::Failed => "FAILED ",
        };
        let advice =
            finding.advice.as_ref().map_or_else(String::new, |advice| format!("\n         {}", one_line(advice)));
        format!("{state}  {}: {}{advice}\n", finding.what, one_line(&finding.found))
    };
    findings.iter().map(line).collect()
}
