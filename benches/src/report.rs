//! `Report`: tables in Markdown, shown as they are made, and kept in a folder together with plots.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What one benchmark has to say.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    folder: Option<PathBuf>,
    /// What is kept before the text.
    lead: String,
    text: String,
}

impl Report {
    /// A report that is kept as `NAME.md` in `folder`, if there is one.
    pub const fn new(name: &'static str, folder: Option<PathBuf>) -> Self {
        Self { name, folder, lead: String::new(), text: String::new() }
    }

    /// Adds a paragraph, a heading or a table.
    pub fn say(&mut self, paragraph: impl AsRef<str>) {
        show(&mut self.text, paragraph.as_ref());
    }

    /// Adds a paragraph, a heading or a table that is kept before all that was said otherwise.
    pub fn say_ahead(&mut self, paragraph: impl AsRef<str>) {
        show(&mut self.lead, paragraph.as_ref());
    }

    /// Adds a plot under `title`, kept as `FILE.svg` beside the text; not shown where there is no folder.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn plot(&mut self, title: &str, file: &str, svg: &str) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        write(folder, &format!("{file}.svg"), svg)?;
        self.say(format!("![{title}](benchmarks/{file}.svg)"));
        Ok(())
    }

    /// Writes the text.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        write(folder, &format!("{}.md", self.name), &format!("{}\n", [self.lead, self.text].concat().trim_end()))
    }
}

/// Rows of text under a heading of columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: usize,
    text: String,
}

impl Table {
    /// A table with these columns: the first holds names, the others figures.
    pub fn new<C: AsRef<str>>(columns: impl IntoIterator<Item = C>) -> Self {
        let mut table = Self { columns: 0, text: String::new() };
        table.columns = table.line(columns);
        table.text.push_str("|---|");
        table.text.push_str(&"--:|".repeat(table.columns.saturating_sub(1)));
        table.text.push('\n');
        table
    }

    /// Adds a row. Missing cells are left empty.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        let cells = self.line(cells);
        if cells < self.columns {
            self.text.truncate(self.text.len() - 1);
            self.text.push_str(&" |".repeat(self.columns - cells));
            self.text.push('\n');
        }
    }

    /// The table in Markdown.
    #[must_use]
    pub fn markdown(&self) -> &str {
        &self.text
    }

    fn line<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> usize {
        let mut count = 0;
        self.text.push('|');
        for cell in cells {
            // Writing to a string does not fail.
            let _ = write!(self.text, " {} |", cell.as_ref().replace('|', "\\|"));
            count += 1;
        }
        self.text.push('\n');
        count
    }
}

/// Shows a paragraph and adds it to `text`.
#[expect(clippy::print_stdout, reason = "reports are read while the rest is measured")]
fn show(text: &mut String, paragraph: &str) {
    let paragraph = paragraph.trim_end();
    println!("{paragraph}\n");
    text.push_str(paragraph);
    text.push_str("\n\n");
}

fn write(folder: &Path, file: &str, text: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(file), text)
}
