//! A policy of one's own.

use super::printed;

#[test]
fn the_cheapest_goes_first() {
    let printed = printed("custom_policy", &[], "");
    assert!(printed.ends_with("held: keyframes, transcript\n"), "{printed}");
}
