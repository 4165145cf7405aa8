//! Medians and their like.

/// The value below which `share` of the values are; they get sorted. 0 of nothing.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let at = (values.len() - 1) as f64 * share;
    values[at.round() as usize]
}

/// The median; of an even number of values the mean of the two in the middle.
pub(super) fn median(values: &mut [f64]) -> f64 {
    let (low, high) = (quantile(values, 0.5), values.len() / 2);
    if values.len().is_multiple_of(2) && !values.is_empty() {
        return f64::midpoint(values[high - 1], values[high]);
    }
    low
}

/// How far values lie from their median, usually (median absolute deviation), as a part of it.
pub(super) fn spread(values: &mut [f64]) -> f64 {
    let middle = median(values);
    if middle == 0.0 {
        return 0.0;
    }
    let mut away: Vec<_> = values.iter().map(|value| (value - middle).abs()).collect();
    median(&mut away) / middle
}

#[cfg(test)]
mod tests {
    use super::{median, quantile, spread};

    #[test]
    fn of_small_lists() {
        for (values, middle) in [
            (&[][..], 0.0),
            (&[3.0], 3.0),
            (&[4.0, 2.0], 3.0),
            (&[9.0, 1.0, 2.0], 2.0),
            (&[9.0, 1.0, 2.0, 4.0], 3.0),
        ] {
            assert!(
                (median(&mut values.to_vec()) - middle).abs() < 1e-9,
                "{values:?}"
            );
        }
        let mut hundred: Vec<_> = (0..=100).rev().map(f64::from).collect();
        assert!((quantile(&mut hundred, 0.99) - 99.0).abs() < 1e-9);
        assert!((spread(&mut [9.0, 10.0, 12.0]) - 0.1).abs() < 1e-9);
    }
}
