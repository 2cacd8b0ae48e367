//! Figures as they are printed.

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One figure, what it may be at most, and whether it is.
pub fn judged(name: &str, value: f64, unit: &str, at_most: f64) -> bool {
    let held = value <= at_most;
    let word = if held { "holds" } else { "MISSED" };
    println!("{name:<52} {value:>9.2} {unit:<6} at most {at_most:<7} {word}");
    held
}
