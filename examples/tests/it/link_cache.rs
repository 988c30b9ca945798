//! The cache of links in thirty lines.

use super::printed;

#[test]
fn the_second_address_of_a_page_is_answered_from_the_cache() {
    let printed = printed("link_cache", &[], "");
    let origins: Vec<_> = printed.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(origins, ["loaded", "near"], "{printed}");
}
