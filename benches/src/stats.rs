//! Figures that stand for many: medians and quantiles.

/// The middle of `values`, which are put in order; nothing of nothing.
pub fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value below which the share `at` of `values` lies, which are put in order; nothing of nothing.
pub fn quantile(values: &mut [f64], at: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some(values[(last as f64 * at).round() as usize])
}
