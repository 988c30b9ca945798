//! Tables and plots.

use benches::chart::{bars, lines};
use benches::report::{Report, Table};

#[test]
fn a_table_has_its_columns_in_every_row() {
    let mut table = Table::new(["cache", "hits", "bytes"]);
    table.row(["a", "1", "2"]);
    table.row(["b|c"]);
    assert_eq!(table.markdown(), "| cache | hits | bytes |\n|---|--:|--:|\n| a | 1 | 2 |\n| b\\|c | | |\n");
}

#[test]
fn a_report_is_kept_with_its_plots() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = Report::new("name", Some(folder.path().join("new")));
    report.say("first\n");
    report.plot("a plot", "file", "<svg/>").unwrap();
    report.finish().unwrap();
    let read = |file: &str| std::fs::read_to_string(folder.path().join("new").join(file)).unwrap();
    assert_eq!(read("name.md"), "first\n\n![a plot](benchmarks/file.svg)\n");
    assert_eq!(read("file.svg"), "<svg/>");
}

#[test]
fn what_is_said_ahead_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = Report::new("name", Some(folder.path().to_owned()));
    report.say("trace");
    report.say_ahead("summary");
    report.finish().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("name.md")).unwrap(), "summary\n\ntrace\n");
}

#[test]
fn a_report_without_a_folder_leaves_no_files() {
    let mut report = Report::new("name", None);
    report.plot("a plot", "file", "<svg/>").unwrap();
    report.finish().unwrap();
}

#[test]
fn a_plot_draws_every_series_and_escapes_names() {
    let steps = ["1 %", "5 %"].map(str::to_owned);
    let series = [("a<b", vec![1.0, 2.0]), ("c", vec![0.5, f64::NAN])];
    let plot = lines("x & y", &steps, &series);
    assert_eq!(plot.matches("<polyline").count(), 2);
    assert!(plot.contains("a&lt;b") && plot.contains("x &amp; y") && !plot.contains("NaN"));
    let plot = bars("bars", &steps, &series);
    // The ground and two squares of the legend are no bars.
    assert_eq!(plot.matches("<rect").count(), 3 + 3);
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n") && !plot.contains("NaN"));
}

#[test]
fn a_plot_of_nothing_is_a_plot() {
    assert!(lines("nothing", &[], &[]).ends_with("</svg>\n"));
    assert!(!bars("zeros", &["a".to_owned()], &[("b", vec![0.0])]).contains("NaN"));
}
