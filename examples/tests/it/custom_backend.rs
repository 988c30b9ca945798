//! A backend of one's own keeps the contract.

use cache_testkit::{Fixture, conformance};

use super::printed;

#[path = "../../custom_backend/dir.rs"]
mod dir;

use dir::DirBackend;

conformance!(direct contract, |bench| async move {
    let path = tempfile::tempdir()?;
    Ok(Fixture::new(DirBackend::open(path.path(), bench.clock)?).keep(path))
});

#[test]
fn what_it_keeps_the_next_process_finds() {
    let printed = printed("custom_backend", &[], "");
    let origins: Vec<_> = printed.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(origins, ["loaded", "near", "dir", "near"], "{printed}");
}
