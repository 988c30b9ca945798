//! Three sites behind one cache.

use super::printed;

#[test]
fn each_site_is_asked_once_and_a_dead_link_is_replaced() {
    let printed = printed("provider", &[], "");
    for site in ["films", "clips", "talks"] {
        let link = format!("https://{site}.example/moon/1.mp4");
        assert!(printed.contains(&format!("{site} loaded: {link}\n{site} near: {link}\n")), "{printed}");
    }
    let films = "https://films.example/moon";
    assert!(printed.ends_with(&format!("dead: {films}/1.mp4, instead: {films}/2.mp4\n")), "{printed}");
}
