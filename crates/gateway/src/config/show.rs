//! Configuration as it is shown: TOML with or without where it comes from, JSON, and the page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::settings::{PLACES, SECTIONS};
use super::table::Setting;
use super::{Effective, Origin};
use crate::text::one_line;

impl Effective {
    /// The settings as TOML, without secrets; each with where it comes from if asked.
    pub(crate) fn toml(&self, explain: bool) -> String {
        let mut text = String::new();
        for (section, _) in SECTIONS {
            let _ = writeln!(text, "[{section}]");
            for setting in PLACES.iter().filter(|setting| setting.section == *section) {
                let value = (setting.show)(&self.config);
                let origin = if explain { format!("  # {}", one_line(&self.origin(setting))) } else { String::new() };
                let _ = if is_nothing(&value) {
                    writeln!(text, "# {} is not set{origin}", setting.name)
                } else {
                    writeln!(text, "{} = {value}{origin}", setting.name)
                };
            }
            text.push('\n');
        }
        for (name, table) in &self.config.providers {
            // All of a table may be secret but its name and its kind.
            let (name, kind) = (one_line(name), one_line(table.kind()));
            let origin = if explain { self.file_comment() } else { String::new() };
            let _ = writeln!(text, "# [providers.{name}] of the kind {kind:?} is not shown{origin}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// The settings as JSON, without secrets: for each section and name its value and where it comes from.
    pub(crate) fn json(&self) -> Json {
        let mut sections = Map::new();
        for (section, _) in SECTIONS {
            let settings = PLACES.iter().filter(|setting| setting.section == *section).map(|setting| {
                let value = (setting.show)(&self.config);
                let value = if is_nothing(&value) { Json::Null } else { json!(value) };
                (setting.name.to_owned(), json!({ "value": value, "origin": self.origin(setting) }))
            });
            sections.insert((*section).to_owned(), settings.collect::<Map<_, _>>().into());
        }
        let kinds = self.config.providers.iter().map(|(name, table)| (name.as_str(), table.kind()));
        let providers: BTreeMap<&str, &str> = kinds.collect();
        sections.insert("providers".to_owned(), json!(providers));
        sections.into()
    }

    fn origin(&self, setting: &Setting) -> String {
        self.origins.get(&setting.key()).unwrap_or(&Origin::Default).to_string()
    }

    fn file_comment(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(String::new, |path| format!("  # file {}", one_line(&path.display().to_string())))
    }
}

fn is_nothing(value: &toml::Value) -> bool {
    value.as_str() == Some("")
}

/// docs/configuration.md.
#[cfg(test)]
fn page() -> String {
    let mut text = include_str!("page.md").to_owned();
    let defaults = super::Config::default();
    for (section, about) in SECTIONS {
        let about = about.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "\n## [{section}]\n\n{about}\n");
        let _ = writeln!(text, "| setting | default | variable | flag | what it is |\n|---|---|---|---|---|");
        for setting in super::all().filter(|setting| setting.section == *section) {
            let default = (setting.show)(&defaults);
            let default = match setting.instead_of {
                Some(other) => format!("see `{}`", other.split('.').next_back().unwrap_or(other)),
                None if is_nothing(&default) => "none".to_owned(),
                None => format!("`{}`", default.to_string().replace('"', "")),
            };
            let variable = setting.unit.map_or_else(
                || format!("`{}`", setting.variable),
                |unit| format!("`{}` (a plain number is {unit})", setting.variable),
            );
            let flag = setting.flag.map_or_else(String::new, |(flag, value)| format!("`--{flag} {value}`"));
            let secret = if setting.is_secret { " Shown without what is secret in it." } else { "" };
            let (name, about, expected) = (setting.name, setting.about(), setting.expected);
            let _ = writeln!(
                text,
                "| `{name}` | {default} | {variable} | {flag} | {about}. Written as {expected}.{secret} |"
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    /// The documentation is what the settings are. `REELCACHE_WRITE_DOCS=1 cargo test -p gateway configuration_page` writes it.
    #[test]
    fn the_configuration_page_is_what_the_settings_are() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        let page = super::page();
        if std::env::var_os("REELCACHE_WRITE_DOCS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page, "docs/configuration.md is out of date: run `cargo xtask docs`");
    }
}
