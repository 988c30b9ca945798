//! The interface as its own description says it, tried by schemathesis.

use std::process::Command;

use cache_testkit::servers::program;

use crate::support::{Home, Server};
use crate::web::get;

const ADVICE: &str = "schemathesis is missing: `cargo xtask test` installs it, and says where its programs are";

/// What answers are compared with. Left out are `positive_data_acceptance` and `negative_data_rejection`: a key, a pattern
/// and an address have rules that a schema does not say, and what is no parameter is refused without being described.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method,use_after_free,ensure_resource_availability,ignored_auth";

/// What a server answers whose upstreams are out of reach is no defect of it: 500 is.
const SETTINGS: &str =
    "[checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"3xx\", \"4xx\", 501, 502, 503, 504]\n";

#[test]
fn whatever_the_description_allows_is_answered_as_it_says_and_never_by_a_failure_of_the_server() {
    const TOKEN: &str = "interface-interface";
    let home = Home::new();
    let mut command = home.reelcache();
    // Nothing outside is asked: no link of the tests has this port.
    command.args(["serve", "--listen", "127.0.0.1:0", "--reach-ports", "1"]).env("REELCACHE_ADMIN_TOKEN", TOKEN);
    let server = Server::start_command(&mut command);
    std::fs::write(home.path("schemathesis.toml"), SETTINGS).expect("a file");
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let mut tool = Command::new(program("python-schemathesis").expect(ADVICE));
    tool.args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]);
    tool.arg(format!("http://{}/api/openapi.json", server.address)).args(["-H", &bearer, "--checks", CHECKS]);
    // Events have no end, so no answer that could be compared.
    tool.args(["--exclude-path", "/api/events", "--phases", "examples,coverage,fuzzing", "--max-time", "40"]);
    tool.args(["--max-examples", "25", "--seed", "9", "--request-timeout", "10", "--workers", "1", "--no-color"]);
    tool.args(["--generation-database", "none", "--suppress-health-check", "all", "--warnings", "off"]);
    let run = tool.current_dir(home.path("")).output().expect("Python runs");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
    assert!(told.contains("Tested: 35"), "every operation but the events is tried: {told}");
    assert_eq!(get(&server, "/health").status, 200);
}
