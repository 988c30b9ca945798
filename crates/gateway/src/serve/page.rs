//! The plain page: the tiers and their figures as HTML, without scripts.

use std::fmt::{self, Display, Write};

use super::stats::Snapshot;
use crate::units::ByteCount;

/// The page, without scripts; everything that is not a figure is escaped.
pub(super) fn render(snapshot: &Snapshot) -> String {
    let mut page = String::with_capacity(4096);
    // Writing into a String does not fail.
    let _ = write_page(&mut page, snapshot);
    page
}

fn write_page(page: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { version, places, uptime_seconds, .. } = snapshot;
    let places = places.join(", ");
    let places = Escaped(&places);
    page.push_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Reelcache</title>\n");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/style.css\">",
    );
    write!(page, "</head>\n<body><h1>Reelcache {version}</h1>\n<p>{places}, up for {uptime_seconds} s.")?;
    page.push_str(" The same figures as JSON: <a href=\"/api/cache-stats\">/api/cache-stats</a></p>\n");
    write_contents(page, snapshot)?;
    write_answers(page, snapshot)?;
    page.push_str("</body></html>\n");
    Ok(())
}

fn write_contents(page: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let columns = ["tier", "entries", "held", "budget", "evicted", "expired", "corrupt", "kept after a restart"];
    open_table(page, "What the tiers hold", &columns)?;
    for tier in &snapshot.stats.tiers {
        write!(page, "<tr><th scope=\"row\">{}</th>", Escaped(&tier.name))?;
        match &tier.usage {
            Some(usage) => {
                let about = if usage.exact { "" } else { "about " };
                cell(page, format_args!("{about}{}", usage.entries))?;
                cell(page, format_args!("{about}{}", ByteCount(usage.bytes)))?;
                cell(page, usage.capacity.map_or_else(|| "none".to_owned(), |bytes| ByteCount(bytes).to_string()))?;
                cell(page, usage.evicted)?;
                cell(page, usage.expired)?;
                cell(page, usage.corrupt)?;
            }
            None => page.push_str("<td colspan=\"6\">the tier does not answer</td>"),
        }
        cell(page, if tier.durable { "yes" } else { "no" })?;
        page.push_str("</tr>\n");
    }
    close_table(page);
    Ok(())
}

fn write_answers(page: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let names = cache_core::Outcome::ALL.map(|outcome| outcome.name().replace('_', " "));
    let columns: Vec<&str> = std::iter::once("tier").chain(names.iter().map(String::as_str)).collect();
    open_table(page, "How the tiers answered", &columns)?;
    for tier in &snapshot.stats.tiers {
        write!(page, "<tr><th scope=\"row\">{}</th>", Escaped(&tier.name))?;
        for outcome in cache_core::Outcome::ALL {
            cell(page, tier.outcomes.get(outcome.name()).copied().unwrap_or(0))?;
        }
        page.push_str("</tr>\n");
    }
    close_table(page);
    Ok(())
}

fn open_table(page: &mut String, caption: &str, columns: &[&str]) -> fmt::Result {
    write!(page, "<div class=\"scroll\"><table><caption>{caption}</caption><thead><tr>")?;
    for column in columns {
        write!(page, "<th scope=\"col\">{column}</th>")?;
    }
    page.push_str("</tr></thead><tbody>\n");
    Ok(())
}

fn close_table(page: &mut String) {
    page.push_str("</tbody></table></div>\n");
}

fn cell(page: &mut String, content: impl Display) -> fmt::Result {
    write!(page, "<td>{}</td>", Escaped(content))
}

/// Text made safe inside HTML elements and attributes.
struct Escaped<T>(T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for c in text.chars() {
                    match c {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        '\'' => self.0.write_str("&#39;")?,
                        c => self.0.write_char(c)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        assert_eq!(Escaped("<script a='\"&'>").to_string(), "&lt;script a=&#39;&quot;&amp;&#39;&gt;");
    }
}
