//! What an add-on of Stremio offers.

use serde::Deserialize;

use super::super::lenient;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    #[serde(deserialize_with = "lenient::list")]
    resources: Vec<Resource>,
    #[serde(default, deserialize_with = "lenient::list")]
    types: Vec<String>,
    #[serde(default, deserialize_with = "lenient::maybe")]
    id_prefixes: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient::list")]
    catalogs: Vec<Catalog>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Catalog {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
    #[serde(default, deserialize_with = "lenient::list")]
    extra: Vec<Extra>,
    /// The older way to say the same.
    #[serde(default, deserialize_with = "lenient::list")]
    extra_supported: Vec<String>,
}

/// One of which only the name is said is as the manifest says.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Resource {
    Name(String),
    #[serde(rename_all = "camelCase")]
    Whole {
        name: String,
        types: Option<Vec<String>>,
        id_prefixes: Option<Vec<String>>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extra {
    name: String,
    #[serde(default)]
    is_required: bool,
}

impl Manifest {
    /// Whether there is the resource `name` of what has this type and identifier.
    pub(super) fn offers(&self, name: &str, kind: &str, id: &str) -> bool {
        self.resources.iter().any(|resource| {
            let (own, types, prefixes) = match resource {
                Resource::Name(name) => (name, None, None),
                Resource::Whole { name, types, id_prefixes } => (name, types.as_ref(), id_prefixes.as_ref()),
            };
            let has_type = types.unwrap_or(&self.types).iter().any(|own| own == kind);
            // An empty list of prefixes is no list.
            let prefixes = prefixes.or(self.id_prefixes.as_ref()).filter(|prefixes| !prefixes.is_empty());
            own == name && has_type && prefixes.is_none_or(|all| all.iter().any(|prefix| id.starts_with(prefix)))
        })
    }

    /// The catalogues that take a text, and nothing else that would have to be chosen.
    pub(super) fn searchable(&self) -> impl Iterator<Item = &Catalog> {
        let is_free =
            |catalog: &&Catalog| catalog.extra.iter().all(|extra| !extra.is_required || extra.name == "search");
        // Dots alone would lead elsewhere.
        let is_path = |text: &str| text.bytes().any(|byte| byte != b'.');
        let is_named = move |catalog: &&Catalog| is_path(&catalog.kind) && is_path(&catalog.id);
        self.catalogs.iter().filter(|catalog| catalog.can("search")).filter(is_free).filter(is_named)
    }
}

impl Catalog {
    /// Whether it takes the parameter `name`.
    pub(super) fn can(&self, name: &str) -> bool {
        let is_extra = self.extra.iter().any(|extra| extra.name == name);
        is_extra || self.extra_supported.iter().any(|extra| extra == name)
    }
}
