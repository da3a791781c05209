//! Whether two samples come from one distribution: the Mann-Whitney U test.

/// The probability, on both sides, that samples of one distribution differ in rank as much as these do.
///
/// By the normal approximation with the correction for ties and for continuity, which is good from some twenty values on.
pub(super) fn probability(one: &[f64], other: &[f64]) -> f64 {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let mut all: Vec<(f64, bool)> = one.iter().map(|value| (*value, true)).collect();
    all.extend(other.iter().map(|value| (*value, false)));
    all.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut rank_sum, mut ties, mut from) = (0.0, 0.0, 0);
    while from < all.len() {
        let equal = all[from..].iter().take_while(|(value, _)| *value == all[from].0).count();
        // Equal values share the mean of their ranks, which begin with 1.
        let rank = from as f64 + (equal as f64 + 1.0) / 2.0;
        rank_sum += rank * all[from..from + equal].iter().filter(|(_, is_of_one)| *is_of_one).count() as f64;
        ties += (equal as f64).powi(3) - equal as f64;
        from += equal;
    }
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let total = n + m;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - n * m / 2.0).abs() - 0.5).max(0.0);
    beyond(distance / variance.sqrt())
}

/// Probabilities of several comparisons, each as it stands among them (Holm's method): that any is below p by chance has
/// probability p at most.
pub(super) fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|left, right| probabilities[*left].total_cmp(&probabilities[*right]));
    let (mut adjusted, mut least) = (vec![1.0; probabilities.len()], 0.0_f64);
    for (place, index) in order.iter().enumerate() {
        let remaining = (probabilities.len() - place) as f64;
        least = least.max((probabilities[*index] * remaining).min(1.0));
        adjusted[*index] = least;
    }
    adjusted
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The probability that a normal variable lies so many deviations from its mean or further, on either side: the
/// complementary error function by Abramowitz and Stegun 7.1.26, to seven digits.
fn beyond(deviations: f64) -> f64 {
    const FACTORS: [f64; 5] = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let x = deviations / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = FACTORS.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-4, "{value} and not {expected}");
    }

    #[test]
    fn the_normal_distribution_is_as_in_its_tables() {
        near(beyond(0.0), 1.0);
        near(beyond(1.0), 0.317_31);
        near(beyond(1.959_964), 0.05);
        near(beyond(2.575_829), 0.01);
    }

    #[test]
    fn samples_of_one_distribution_are_not_told_apart_and_others_are() {
        let even: Vec<f64> = (0..500).map(|n| f64::from(2 * n)).collect();
        let odd: Vec<f64> = (0..500).map(|n| f64::from(2 * n + 1)).collect();
        assert!(probability(&even, &odd) > 0.9);
        let later: Vec<f64> = even.iter().map(|value| value + 120.0).collect();
        assert!(probability(&later, &odd) < 1e-8);
        near(probability(&later, &odd), probability(&odd, &later));
    }

    /// By hand: U = 2 of 16, mean 8, variance 12, so z = 5.5 / 3.4641.
    #[test]
    fn a_small_sample_comes_out_as_by_hand() {
        near(probability(&[1.0, 2.0, 3.0, 6.0], &[4.0, 5.0, 7.0, 8.0]), 0.112_35);
    }

    #[test]
    fn ties_share_their_rank_and_what_is_all_alike_is_alike() {
        near(probability(&[1.0; 30], &[1.0; 30]), 1.0);
        near(probability(&[1.0, 1.0, 2.0, 2.0], &[1.0, 1.0, 2.0, 2.0]), 1.0);
    }

    #[test]
    fn among_several_comparisons_each_counts_for_less() {
        let adjusted = holm(&[0.04, 0.01, 0.5]);
        near(adjusted[1], 0.03);
        near(adjusted[0], 0.08);
        near(adjusted[2], 0.5);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        near(median(&[3.0, 1.0, 2.0]), 2.0);
        near(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
