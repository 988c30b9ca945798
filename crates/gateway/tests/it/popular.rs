//! Pages that are asked for most: told, looked up ahead of time, and known after a restart.

use serde_json::{Value, json};

use super::site::{Page, Site};
use super::support::{Home, Server, stderr, stdout};
use super::warm::between;
use super::web::{archive, escaped, get, post};

/// A site with items, of which each asked for has one film.
fn site() -> Site {
    let site = Site::new();
    for name in ["a", "b", "c"] {
        let item = json!({ "metadata": { "title": name }, "files": [{ "name": "a.mp4", "format": "h.264" }] });
        site.says(&format!("/metadata/{name}"), Page::json(&item));
    }
    site
}

fn page(name: &str) -> String {
    format!("https://archive.org/details/{name}")
}

fn ask(server: &Server, name: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(get(server, &format!("/get-videos?url={}", escaped(&page(name)))).status, 200);
    }
}

fn start(home: &Home, site: &Site) -> Server {
    super::web::serving(home, &archive("films", site), &[])
}

fn pages(told: &Value) -> Vec<String> {
    told.as_array().expect("a list").iter().map(|one| one["page"].as_str().expect("a page").to_owned()).collect()
}

#[test]
fn what_is_asked_for_most_is_told_warmed_and_known_after_a_restart() {
    let (home, site) = (Home::new(), site());
    let server = start(&home, &site);
    for (name, times) in [("a", 1), ("b", 3), ("c", 2)] {
        ask(&server, name, times);
    }
    let told = get(&server, "/api/popular").json();
    assert_eq!(pages(&told), ["b", "c", "a"].map(page), "{told}");
    assert_eq!(pages(&get(&server, "/api/popular?limit=1&provider=films").json()), [page("b")]);
    assert_eq!(get(&server, "/api/popular?provider=others").status, 404);

    // What was looked up is not asked about; what is gone is.
    assert_eq!(post(&server, "/api/cache-config", &json!({ "forceCleanup": true })).status, 200);
    let asked = site.heads().len();
    let warmed = post(&server, "/api/warm", &json!({ "popular": 2 })).json();
    let names: Vec<&str> = warmed.as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap()).collect();
    assert_eq!(names, [page("b"), page("c")], "{warmed}");
    assert_eq!((&warmed[0]["origin"], &warmed[1]["links"]), (&json!("loaded"), &json!(1)), "{warmed}");
    assert_eq!(site.heads().len(), asked + 2);
    let again = post(&server, "/api/warm", &json!({ "popular": 2 })).json();
    assert_ne!(again[0]["origin"], "loaded", "{again}");
    assert_eq!(site.heads().len(), asked + 2, "what is fresh is left alone");
    let both = json!({ "popular": 10, "addresses": vec![page("a"); 7] });
    assert_eq!(post(&server, "/api/warm", &both).status, 400, "one step is bounded, whatever it is made of");
    assert_eq!(server.stop("-TERM").0, Some(0));

    let server = start(&home, &site);
    ask(&server, "a", 4);
    assert_eq!(pages(&get(&server, "/api/popular").json()), ["a", "b", "c"].map(page));
}

#[test]
fn the_command_warms_what_a_server_was_asked_for_with_it_and_after_it() {
    let (home, site) = (Home::new(), site());
    let server = start(&home, &site);
    ask(&server, "b", 2);
    ask(&server, "a", 1);
    let warm = |args: &[&str]| {
        let run = home.reelcache().env("TZ", "UTC0").args(["--config", "c.toml", "warm"]).args(args).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        stdout(&run)
    };
    let check = || {
        let told = warm(&["--popular", "1", "--between", &between(0, 3)]);
        assert!(told.contains(&page("b")) && !told.contains(&page("a")), "{told}");
        let later = warm(&["--popular", "5", "--between", &between(3, 5), "--once"]);
        assert_eq!(later, "5 left for another time\n", "outside of its hours nothing is looked up");
        let told = warm(&["--popular", "9", "--per-minute", "60000", "--json"]);
        let addresses: Vec<String> = told
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(addresses, [page("b"), page("a")]);
    };
    check();
    assert_eq!(server.stop("-TERM").0, Some(0));
    check();
    let unknown = home.reelcache().args(["warm", "--popular", "1", "--provider", "others"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(2), "{}", stderr(&unknown));
    let none = home.reelcache().arg("warm").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}
