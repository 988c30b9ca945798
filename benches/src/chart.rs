//! Plots as SVG text: bars in groups, and lines over steps.

use std::fmt::Write as _;

/// Width of a plot, in its own units.
const WIDTH: f64 = 760.0;
/// Height of the part that is drawn in.
const HEIGHT: f64 = 260.0;
/// Left of it: the axis.
const LEFT: f64 = 50.0;
/// Right of it: the legend.
const RIGHT: f64 = 200.0;
/// Above it: the title.
const TOP: f64 = 40.0;
/// Below it: the names of the steps.
const BOTTOM: f64 = 30.0;
/// Lines across.
const TICKS: u32 = 5;

/// Distinct on white and on black: Tol's bright and muted schemes.
const COLOURS: [&str; 14] = [
    "#ee6677", "#4477aa", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888", "#cc6600", "#332288", "#44aa99",
    "#999933", "#882255", "#88ccee", "#117733",
];

/// A bar for each series in each group.
pub fn bars(title: &str, groups: &[String], series: &[(&str, Vec<f64>)]) -> String {
    let mut plot = Plot::new(title, series, groups);
    let group_width = plot.step();
    let width = group_width * 0.85 / series.len().max(1) as f64;
    for (number, (_, values)) in series.iter().enumerate() {
        for (group, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let x = LEFT + group_width * (group as f64 + 0.075) + width * number as f64;
            let (y, colour) = (plot.y(value), colour(number));
            let height = TOP + HEIGHT - y;
            plot.add(&format!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>",
                width * 0.9
            ));
        }
    }
    plot.finish()
}

/// A line for each series over the steps.
pub fn lines(title: &str, steps: &[String], series: &[(&str, Vec<f64>)]) -> String {
    let mut plot = Plot::new(title, series, steps);
    let step = plot.step();
    for (number, (_, values)) in series.iter().enumerate() {
        let values = values.iter().enumerate().filter(|(_, value)| value.is_finite());
        let points = values.map(|(at, &value)| format!("{:.1},{:.1}", LEFT + step * (at as f64 + 0.5), plot.y(value)));
        let points = points.collect::<Vec<_>>().join(" ");
        let (colour, dashes) = (colour(number), if number < COLOURS.len() { "" } else { " stroke-dasharray=\"4 3\"" });
        plot.add(&format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"{dashes}/>"
        ));
    }
    plot.finish()
}

/// The frame of a plot, drawn into.
struct Plot {
    text: String,
    steps: usize,
    top: f64,
}

impl Plot {
    fn new(title: &str, series: &[(&str, Vec<f64>)], steps: &[String]) -> Self {
        let values = series.iter().flat_map(|(_, values)| values).copied().filter(|value| value.is_finite());
        let top = round_up(values.fold(0.0, f64::max));
        let height = (TOP + HEIGHT + BOTTOM).max(TOP + 16.0 * (series.len() + 1) as f64);
        let mut plot = Self { text: String::new(), steps: steps.len().max(1), top };
        plot.add(&format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n<text x=\"{LEFT}\" \
             y=\"22\" font-size=\"14\">{}</text>",
            escaped(title)
        ));
        for tick in 0..=TICKS {
            let value = top * f64::from(tick) / f64::from(TICKS);
            let (y, end) = (plot.y(value), WIDTH - RIGHT);
            plot.add(&format!("<path d=\"M{LEFT} {y:.1}H{end}\" stroke=\"#ddd\"/>"));
            plot.label(LEFT - 6.0, y + 4.0, "end", &shown(value));
        }
        for (at, step) in steps.iter().enumerate() {
            let x = LEFT + plot.step() * (at as f64 + 0.5);
            plot.label(x, TOP + HEIGHT + 18.0, "middle", step);
        }
        for (number, (name, _)) in series.iter().enumerate() {
            let y = TOP + 16.0 * number as f64;
            let x = WIDTH - RIGHT + 14.0;
            plot.add(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{}\"/>", colour(number)));
            plot.label(x + 15.0, y + 9.0, "start", name);
        }
        plot
    }

    fn add(&mut self, element: &str) {
        self.text.push_str(element);
        self.text.push('\n');
    }

    fn label(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        // Writing to a string does not fail.
        let _ =
            writeln!(self.text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escaped(text));
    }

    const fn step(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / self.steps as f64
    }

    fn y(&self, value: f64) -> f64 {
        TOP + HEIGHT * (1.0 - value / self.top)
    }

    fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

const fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

/// The next number that is 1, 2 or 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 7.5, 10.0];
    steps.into_iter().map(|step| step * power).find(|&step| step >= value).unwrap_or(10.0 * power)
}

fn shown(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
