//! `/search`: fresh, of one provider or of all.

use serde_json::json;

use super::site::{Page, Site};
use super::support::Home;
use super::web::{archive, get, serving};

fn site(titles: &[&str]) -> Site {
    let docs: Vec<_> = titles.iter().map(|title| json!({"identifier": title, "title": title})).collect();
    let site = Site::new();
    site.says("/advancedsearch.php", Page::json(&json!({"response": {"numFound": docs.len(), "docs": docs}})));
    site
}

#[test]
fn row_2_a_search_is_never_cached() {
    let (home, site) = (Home::new(), site(&["moon"]));
    let server = serving(&home, &archive("films", &site), &[]);
    for times in 1..=3 {
        let answer = get(&server, "/search?query=moon&provider=films");
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        let result = &answer.json()["results"][0];
        assert_eq!((&result["title"], &result["url"]), (&json!("moon"), &json!(site.url("/details/moon"))));
        assert_eq!(result["image_url"], site.url("/services/img/moon"));
        assert_eq!(site.asked("/advancedsearch.php"), times);
    }
    assert_eq!(server.entries(), [0, 0]);
}

#[test]
fn all_providers_are_searched_at_once_and_one_that_fails_is_named() {
    let (home, good, bad) = (Home::new(), site(&["a", "b", "c"]), Site::new());
    bad.says("/advancedsearch.php", Page::status(500));
    let tables = [archive("bad", &bad), archive("good", &good), archive("other", &good)].concat();
    let server = serving(&home, &tables, &[]);
    let all = get(&server, "/search?query=moon&limit=2");
    let found = all.json();
    assert_eq!((all.status, &found["partial"]), (200, &json!(true)));
    let of = |name: &str| found["results"].as_array().unwrap().iter().filter(|one| one["provider"] == name).count();
    assert_eq!([of("bad"), of("good"), of("other")], [0, 2, 2]);
    assert_eq!(found["providers"][0]["error"]["status"], 502);
    assert_eq!(found["providers"][1]["error"], json!(null));
    assert_eq!(get(&server, "/search?query=moon&provider=good,other").json()["partial"], false);
    assert_eq!(get(&server, "/search?query=moon&provider=bad").status, 502);
}

#[test]
fn a_search_for_nothing_or_of_nobody_is_refused() {
    let (home, site) = (Home::new(), site(&["a"]));
    let server = serving(&home, &archive("films", &site), &[]);
    let long = "x".repeat(600);
    for (target, status) in [
        ("/search".to_owned(), 400),
        ("/search?query=".to_owned(), 400),
        ("/search?query=%20".to_owned(), 400),
        (format!("/search?query={long}"), 400),
        ("/search?query=a&query=b".to_owned(), 400),
        ("/search?query=a&limit=-1".to_owned(), 400),
        ("/search?query=a&provider=nobody".to_owned(), 404),
        ("/search?query=a&provider=films&page=x".to_owned(), 422),
    ] {
        assert_eq!(get(&server, &target).status, status, "{target}");
    }
    assert_eq!(site.asked("/advancedsearch.php"), 0);
    let server = serving(&Home::new(), "", &[]);
    let none = get(&server, "/search?query=a");
    assert_eq!(none.status, 404);
    assert!(none.json()["detail"].as_str().unwrap().contains("describe one in [providers]"), "{none:?}");
}
