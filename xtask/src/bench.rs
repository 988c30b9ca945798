//! `cargo xtask bench`: the benchmarks, and the pages of figures that they make.

mod criterion;
mod machine;
mod page;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::{process, tools, workspace};

/// A group of benchmarks that one section of the page is about.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    targets: &'static [Target],
}

/// A benchmark of the package `benches`.
#[derive(Debug)]
struct Target {
    name: &'static str,
    output: Output,
}

/// Where a benchmark leaves its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// In a folder that it is told: a page in Markdown, and plots.
    Report,
    /// On its standard output, in Markdown.
    Markdown,
    /// On its standard output, as criterion writes it.
    Criterion,
}

const SUITES: &[Suite] = &[
    Suite { name: "hit-ratio", targets: &[Target { name: "hit-ratio", output: Output::Report }] },
    Suite {
        name: "mem",
        targets: &[Target { name: "mem", output: Output::Report }, Target { name: "heap", output: Output::Report }],
    },
    Suite { name: "file", targets: &[Target { name: "file", output: Output::Report }] },
    Suite { name: "sqlite", targets: &[Target { name: "sqlite", output: Output::Report }] },
    Suite { name: "s3", targets: &[Target { name: "s3", output: Output::Report }] },
    Suite { name: "pipeline", targets: &[Target { name: "pipeline", output: Output::Report }] },
    Suite { name: "tiers", targets: &[Target { name: "tiers", output: Output::Criterion }] },
    Suite { name: "compare", targets: &[Target { name: "compare", output: Output::Criterion }] },
    Suite { name: "redis", targets: &[Target { name: "redis", output: Output::Markdown }] },
    Suite { name: "gateway", targets: &[Target { name: "gateway", output: Output::Report }] },
    Suite { name: "peers", targets: &[Target { name: "peers", output: Output::Markdown }] },
];

/// The suite that measures the binary, and other servers beside it.
const BINARY: &str = "gateway";

/// What the suites are called.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|suite| suite.name)
}

/// Runs the suites that `args` name, or all, and writes what they found into docs/benchmarks.md.
pub(crate) fn command(args: &[String]) -> Result<(), Failure> {
    let order = Order::parse(args)?;
    for suite in &order.suites {
        let text = suite.run(&order)?;
        if !order.only_print {
            page::write(suite.name, &format!("{}\n\n{text}", machine::seen(order.quick)?))?;
        }
    }
    Ok(())
}

/// What the command line asks for.
#[derive(Debug)]
struct Order {
    suites: Vec<&'static Suite>,
    quick: bool,
    /// Leave the page as it is.
    only_print: bool,
    /// For the benchmarks themselves.
    rest: Vec<String>,
}

impl Order {
    fn parse(args: &[String]) -> Result<Self, Failure> {
        let names = args.iter().take_while(|arg| !arg.starts_with('-')).count();
        let (names, options) = args.split_at(names);
        let mut order = Self { suites: Vec::new(), quick: false, only_print: false, rest: Vec::new() };
        for name in names {
            let suite = SUITES.iter().find(|suite| suite.name == name);
            let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
            let unknown = || Failure::usage(format!("there is no benchmark `{name}`, but {}", known.join(", ")));
            order.suites.push(suite.ok_or_else(unknown)?);
        }
        if names.is_empty() {
            order.suites.extend(SUITES);
        }
        for option in options {
            match option.as_str() {
                "--quick" => order.quick = true,
                "--print" => order.only_print = true,
                "--" => {}
                _ => order.rest.push(option.clone()),
            }
        }
        if names.is_empty() && !order.rest.is_empty() {
            return Err(Failure::usage(format!("which benchmark is `{}` for?", order.rest.join(" "))));
        }
        Ok(order)
    }
}

impl Suite {
    /// Runs all its benchmarks; what they found, in Markdown.
    fn run(&self, order: &Order) -> Result<String, Failure> {
        let texts: Result<Vec<_>, _> = self.targets.iter().map(|target| target.run(order)).collect();
        Ok(texts?.join("\n"))
    }
}

impl Output {
    /// What makes a benchmark short.
    const fn quick(self) -> &'static [&'static str] {
        match self {
            Self::Report | Self::Markdown => &["--quick"],
            Self::Criterion => &["--warm-up-time", "0.1", "--measurement-time", "0.3", "--sample-size", "10"],
        }
    }
}

impl Target {
    fn run(&self, order: &Order) -> Result<String, Failure> {
        let folder = page::reports_folder();
        let mut command = self.command(order);
        if self.name == BINARY {
            tools::ensure(tools::FOR_BENCHES)?;
            process::run(&mut workspace::cargo(&["build", "--release", "--package", "gateway"]))?;
            command.env("REELCACHE_BIN", workspace::target_folder().join("release").join("reelcache"));
        }
        match self.output {
            Output::Report => {
                command.arg("--out").arg(&folder);
                shown(&mut command)?;
                let file = folder.join(format!("{}.md", self.name));
                fs::read_to_string(&file).map_err(|error| Failure::new(format!("reading {}: {error}", file.display())))
            }
            Output::Markdown => shown(&mut command),
            Output::Criterion => Ok(criterion::table(&shown(&mut command)?)),
        }
    }

    fn command(&self, order: &Order) -> Command {
        let mut command = workspace::cargo(&["bench", "-p", "benches", "--features", "compare", "--bench", self.name]);
        command.arg("--").args(if order.quick { self.output.quick() } else { &[] }).args(&order.rest);
        command
    }
}

/// Runs `command`, shows its standard output as it comes, and returns it.
fn shown(command: &mut Command) -> Result<String, Failure> {
    let words: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    let line = format!("cargo {}", words.join(" "));
    eprintln!("$ {line}");
    let not_started = |error| Failure::not_started(&line, &error);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(not_started)?;
    let mut text = String::new();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(not_started)?;
        println!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    let status = child.wait().map_err(not_started)?;
    if status.success() { Ok(text) } else { Err(Failure::of_child(&line, status)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(words: &[&str]) -> Result<Order, Failure> {
        Order::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    fn names(order: &Order) -> Vec<&str> {
        order.suites.iter().map(|suite| suite.name).collect()
    }

    #[test]
    fn everything_runs_unless_suites_are_named() {
        assert_eq!(names(&order(&["--quick"]).unwrap()).len(), SUITES.len());
        assert_eq!(names(&order(&["mem", "peers"]).unwrap()), ["mem", "peers"]);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        assert_eq!(order(&["dance"]).unwrap_err().code(), 2);
    }

    #[test]
    fn options_of_one_benchmark_are_not_given_to_all() {
        assert_eq!(order(&["--trace", "file"]).unwrap_err().code(), 2);
    }

    #[test]
    fn options_reach_the_benchmark() {
        let order = order(&["hit-ratio", "--trace", "file", "--quick", "--print"]).unwrap();
        assert!(order.quick && order.only_print);
        let command = order.suites[0].targets[0].command(&order);
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        assert!(args.ends_with(&["--", "--quick", "--trace", "file"].map(ToOwned::to_owned)), "{args:?}");
    }

    #[test]
    fn filters_reach_criterion() {
        assert_eq!(order(&["tiers", "--", "near"]).unwrap().rest, ["near"]);
    }
}
