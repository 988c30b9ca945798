//! Answers compared with their schemas: nothing is sent that the description does not name.

use cache_testkit::servers::free_port;
use serde_json::{Value, json};

use super::origin::Origin;
use super::site::{Page, Site};
use super::support::{Home, Server};
use super::web::{Answer, archive, escaped, get, post, serving};

/// The description of the interface.
struct Described(Value);

impl Described {
    /// The schema of what `method` at `path` answers when all is well.
    fn answer(&self, method: &str, path: &str) -> &Value {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} has no schema: {operation}");
        schema
    }

    /// What of `value` at `place` is not as `schema` says.
    fn misfits(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        if let Some(name) = schema["$ref"].as_str() {
            let pointer = name.trim_start_matches('#');
            let meant = self.0.pointer(pointer).unwrap_or_else(|| panic!("{name} is nowhere"));
            return self.misfits(meant, value, place);
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            let each: Vec<_> = ways.iter().map(|way| self.misfits(way, value, place)).collect();
            return if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() };
        }
        if !is_of_type(&schema["type"], value) {
            return vec![format!("{place} is {value} and not {}", schema["type"])];
        }
        match value {
            Value::Array(items) => {
                let items = items.iter().enumerate();
                items.flat_map(|(at, item)| self.misfits(&schema["items"], item, &format!("{place}[{at}]"))).collect()
            }
            Value::Object(fields) => self.misfits_of(schema, fields, place),
            _ => Vec::new(),
        }
    }

    fn misfits_of(&self, schema: &Value, fields: &serde_json::Map<String, Value>, place: &str) -> Vec<String> {
        let Some(described) = schema["properties"].as_object() else {
            let each = &schema["additionalProperties"];
            let misfits = |(name, field): (&String, &Value)| self.misfits(each, field, &format!("{place}.{name}"));
            return if each.is_object() { fields.iter().flat_map(misfits).collect() } else { Vec::new() };
        };
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing =
            required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{place}.{name} is missing"));
        let mut misfits: Vec<String> = missing.collect();
        for (name, field) in fields {
            let place = format!("{place}.{name}");
            match described.get(name) {
                Some(schema) => misfits.extend(self.misfits(schema, field, &place)),
                None => misfits.push(format!("{place} is not described")),
            }
        }
        misfits
    }
}

/// Whether `value` is of a type that `types`, a name or several, allows; without any, it is.
fn is_of_type(types: &Value, value: &Value) -> bool {
    let fits = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    types.as_array().map_or_else(|| fits(types), |types| types.iter().any(fits))
}

#[test]
fn every_field_of_an_answer_is_described_with_its_type_and_every_field_that_is_promised_is_there() {
    let (home, site, film) = (Home::new(), Site::new(), Origin::of(vec![7; 3 << 20]));
    let files = json!([
        { "name": "a.mp4", "format": "h.264", "size": "12", "width": "640", "height": "480", "length": "61.5" },
        { "name": "a_archive.torrent", "format": "Archive BitTorrent" },
    ]);
    site.says("/metadata/a", Page::json(&json!({ "metadata": { "title": "A film", "creator": "b" }, "files": files })));
    let hits = json!([{ "identifier": "a", "title": "A film", "mediatype": "movies", "creator": "b" }]);
    site.says("/advancedsearch.php", Page::json(&json!({ "response": { "numFound": 1, "start": 0, "docs": hits } })));
    let server = serving(&home, &archive("films", &site), &[("CACHE_MAX_SIZE", "2")]);
    let described = Described(get(&server, "/api/openapi.json").json());
    let page = "https://archive.org/details/a";
    assert_eq!(server.play(&film.url("/a.mp4")), 200);
    let check = |method: &str, path: &str, answer: &Answer| {
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        let told = answer.json();
        let misfits = described.misfits(described.answer(method, path), &told, path);
        assert!(misfits.is_empty(), "{method} {path}: {misfits:#?}\n{told:#}");
    };
    let videos = get(&server, &format!("/get-videos?url={}", escaped(page)));
    assert!(!videos.json()["results"].as_array().unwrap().is_empty());
    check("GET", "/get-videos", &videos);
    check("POST", "/get-videos", &post(&server, "/get-videos", &json!({ "media_url": page })));
    check("POST", "/api/links/report", &post(&server, "/api/links/report", &json!({ "url": page })));
    let found = get(&server, "/search?query=a");
    assert_eq!(found.json()["results"].as_array().unwrap().len(), 1);
    check("GET", "/search", &found);
    let warming = json!({ "addresses": ["no address", page], "popular": 1 });
    for (path, body) in [
        ("/api/warm", warming),
        ("/api/play-ticket", json!({ "path": "/play?url=http%3A%2F%2Fa.example%2F" })),
        ("/api/cache-config", json!({ "ttl": "1h" })),
        ("/api/cache-config", json!({})),
        ("/api/sweep", json!({})),
        ("/api/verify", json!({})),
    ] {
        check("POST", path, &post(&server, path, &body));
    }
    for path in [
        "/providers",
        "/health",
        "/ready",
        "/api/cache-stats",
        "/api/cache-config",
        "/api/caches",
        "/api/popular",
        "/api/jobs",
        "/api/entries",
    ] {
        check("GET", path, &get(&server, path));
    }
    let caches = get(&server, "/api/caches").json();
    for list in ["caches", "top", "gone"] {
        assert!(!caches[list].as_array().unwrap().is_empty(), "{list} was compared: {caches}");
    }
    check("POST", "/api/cache-config", &post(&server, "/api/cache-config", &json!({ "forceCleanup": true })));
}

#[test]
fn what_is_told_while_the_deepest_tier_is_away_is_described() {
    let home = Home::new();
    let away = format!("redis://127.0.0.1:{}", free_port().unwrap());
    let server = Server::start_with_variables(&home, &[("CACHE_TIERS", "memory,redis"), ("CACHE_REDIS_URL", &away)]);
    let described = Described(get(&server, "/api/openapi.json").json());
    for path in ["/api/cache-stats", "/api/cache-config", "/api/caches"] {
        let answer = get(&server, path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let misfits = described.misfits(described.answer("GET", path), &answer.json(), path);
        assert!(misfits.is_empty(), "{path}: {misfits:#?}");
    }
    assert!(get(&server, "/api/cache-stats").json()["size"].is_null(), "it is away");
}

#[test]
fn a_field_that_is_not_described_is_noticed() {
    let described = Described(json!({ "components": { "schemas": { "A": {
        "type": "object", "required": ["a"],
        "properties": { "a": { "type": "integer" }, "b": { "oneOf": [{ "type": "null" }, { "type": "string" }] } },
    }}}}));
    let schema = json!({ "type": "array", "items": { "$ref": "#/components/schemas/A" } });
    for (value, misfits) in [
        (json!([{ "a": 1 }, { "a": 2, "b": null }]), 0),
        (json!([{ "a": 1, "b": "x" }]), 0),
        (json!([{ "a": 1, "c": 1 }]), 1),
        (json!([{ "b": "x" }]), 1),
        (json!([{ "a": 1.5 }]), 1),
        (json!([{ "a": 1, "b": 2 }]), 2),
        (json!({}), 1),
    ] {
        let found = described.misfits(&schema, &value, "");
        assert_eq!(found.len(), misfits, "{value}: {found:?}");
    }
}
