//! The texts that a new member has to appear in, edited.

use std::path::Path;

/// The root manifest with `cache-NAME` among the dependencies that members may have; nothing where it has no place.
pub(super) fn with_dependency(manifest: &str, name: &str) -> Option<String> {
    let line = format!("cache-{name} = {{ path = \"crates/cache-{name}\" }}");
    after_last(manifest, "cache-", &line)
}

/// The table of layers with `cache-NAME`, which is built from the contracts alone; nothing where it has no place.
pub(super) fn with_layer(layers: &str, name: &str) -> Option<String> {
    after_last(layers, "    (\"cache-", &format!("    (\"cache-{name}\", &[\"cache-core\"]),"))
}

/// The manifest of a member made that of a crate that stands alone: what `root` decides for members is written out, with
/// paths below `folder`.
pub(super) fn alone(member: &str, root: &str, folder: &Path) -> String {
    let mut text = String::new();
    for line in member.lines().filter(|line| *line != "publish.workspace = true") {
        let inherited = line.strip_suffix(".workspace = true").and_then(|key| setting(root, key));
        text.push_str(inherited.as_deref().unwrap_or(line));
        text.push('\n');
    }
    let text = text.replace("path = \"", &format!("path = \"{}/", folder.display()));
    text.replace("[lints]\nworkspace = true\n", &format!("[workspace]\n\n{}", lints(root)))
}

/// The lints of the workspace, as those of one crate.
fn lints(root: &str) -> String {
    let tables = root.split("\n\n").filter_map(|part| part.strip_prefix("[workspace.lints."));
    tables.map(|table| format!("[lints.{}\n", table.trim_end())).collect::<Vec<_>>().join("\n")
}

/// The line of the workspace that sets `key`.
fn setting(root: &str, key: &str) -> Option<String> {
    root.lines().find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = "))).map(str::to_owned)
}

/// `text` with `line` after the last one of the first run of lines that begin with `start`.
fn after_last(text: &str, start: &str, line: &str) -> Option<String> {
    let is_of_run = |line: &&str| line.starts_with(start);
    let before = text.lines().take_while(|line| !is_of_run(line)).count();
    let run = text.lines().skip(before).take_while(is_of_run).count();
    if run == 0 || text.lines().any(|present| present == line) {
        return None;
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.insert(before + run, line);
    Some(lines.join("\n") + "\n")
}
