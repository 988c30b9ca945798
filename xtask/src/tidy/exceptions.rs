//! The places where a rule does not hold, each with its reason.

use super::finding::Finding;

/// One rule that one place may break.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) rule: &'static str,
    pub(crate) place: &'static str,
    pub(crate) reason: &'static str,
}

/// All exceptions of this workspace.
pub(crate) const EXCEPTIONS: &[Exception] = &[
    Exception { rule: "banned-words", place: "xtask/src/tidy/source.rs", reason: "lists the words it looks for" },
    Exception {
        rule: "banned-words",
        place: "crates/gateway/src/serve/connections.rs",
        reason: "pauses between accepts that fail: no event tells when the next can succeed",
    },
    Exception { rule: "homes", place: "benches", reason: "measures a bare axum handler beside the gateway" },
    Exception {
        rule: "banned-words",
        place: "benches/gateway/players.rs",
        reason: "plays at the pace of a film, before real servers that know no paused clock",
    },
    Exception {
        rule: "banned-words",
        place: "benches/gateway/site.rs",
        reason: "is slow so that a crowd gathers, before real servers that know no paused clock",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-testkit/src/faulty.rs",
        reason: "a late answer is one of its faults; tests pause the clock that it waits on",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-testkit/src/proxy.rs",
        reason: "a slow network is what it plays, before real servers that know no paused clock",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/tests/it/kit.rs",
        reason: "lets time pass on a paused clock",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/src/cache/produce.rs",
        reason: "pauses between looks for what another process loads: nothing tells when it is done",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/src/tiered/open.rs",
        reason: "pauses between attempts to read what a tier holds of invalidations: nothing tells when it can",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/src/tiered/restore.rs",
        reason: "spreads what the processes of a fleet put back, and waits before another attempt",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/src/tiered/recover.rs",
        reason: "pauses between attempts on a tier that fails, so that it is not asked all the time",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-tiered/examples/sim/clock.rs",
        reason: "lets time pass on a paused clock",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-redis/tests/it/real/backplane.rs",
        reason: "lets a proxy cut replies for a moment, in the middle of what is told",
    },
    Exception {
        rule: "banned-words",
        place: "crates/cache-redis/tests/it/real/fleet.rs",
        reason: "a real server's clock is not paused: leases run out by it",
    },
    Exception { rule: "banned-words", place: "examples/typed.rs", reason: "the pause stands for a slow loader" },
];

/// `findings` without those that an exception covers, and with one for every exception that covers nothing.
pub(crate) fn apply(findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let covers =
        |exception: &Exception, finding: &Finding| exception.rule == finding.rule && exception.place == finding.place;
    let needless = exceptions.iter().filter(|exception| !findings.iter().any(|finding| covers(exception, finding)));
    let needless = needless.map(|Exception { rule, place, reason }| {
        Finding::new("exceptions", place, format!("needs no exception from {rule} ({reason})"))
    });
    let needless: Vec<_> = needless.collect();
    let broken = findings.into_iter().filter(|finding| !exceptions.iter().any(|exception| covers(exception, finding)));
    broken.chain(needless).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[Exception] = &[Exception { rule: "length", place: "a.rs", reason: "a table" }];

    #[test]
    fn an_exception_covers_its_rule_at_its_place_only() {
        let findings = || vec![Finding::new("length", "a.rs", "long"), Finding::new("length", "b.rs", "long")];
        assert_eq!(apply(findings(), ONE), findings()[1..]);
    }

    #[test]
    fn an_exception_that_covers_nothing_is_found() {
        assert_eq!(apply(vec![], ONE)[0].rule, "exceptions");
    }
}
