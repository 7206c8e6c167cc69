//! The figures, a line each: ours, a baseline of the same run, their ratio, and the goal.

#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn head() {
    println!("{:<46} {:>9}   {:<16} {:>9} {:>8}  goal", "", "lastmile", "baseline", "", "ratio");
}

/// Prints the median of ours beside that of a baseline, and the median of the ratios of each round.
#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn compare(figure: &str, ours: &[f64], baseline: (&str, &[f64]), goal: &str) {
    let (name, theirs) = baseline;
    let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs));
    let (ours, theirs) = (median(ours.iter().copied()), median(theirs.iter().copied()));
    println!(
        "{figure:<46} {:>9}   {name:<16} {:>9} {:>7}x  {goal}",
        short(ours),
        short(theirs),
        short(ratio)
    );
}

/// Prints a figure that has no baseline.
#[expect(clippy::print_stdout, reason = "the figures are the output")]
pub(crate) fn alone(figure: &str, ours: f64, goal: &str) {
    println!("{figure:<46} {:>9}   {:<16} {:>9} {:>8}  {goal}", short(ours), "", "", "");
}

/// One figure of every round of a rival.
pub(crate) fn column<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> Vec<f64> {
    rounds.iter().map(figure).collect()
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..100_000.0 => format!("{value:.0}"),
        100_000.0..1e6 => format!("{:.0}k", value / 1e3),
        _ => format!("{:.2}M", value / 1e6),
    }
}
