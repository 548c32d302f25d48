//! The few statistics that stylized facts are stated in.

/// Fourth moment over the squared second: 3 for a normal distribution.
pub(crate) fn kurtosis(values: &[f64]) -> f64 {
    let centre = mean(values);
    let moment = |power| {
        mean(
            &values
                .iter()
                .map(|value| (value - centre).powi(power))
                .collect::<Vec<_>>(),
        )
    };
    moment(4) / moment(2).powi(2)
}

/// Correlation of a series with itself `lag` steps later.
pub(crate) fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let centre = mean(values);
    let square: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    let pairs = values.iter().zip(&values[lag..]);
    pairs
        .map(|(early, late)| (early - centre) * (late - centre))
        .sum::<f64>()
        / square
}

/// The average of the autocorrelations at several lags: less noise than any one of them.
pub(crate) fn autocorrelation_over(values: &[f64], lags: impl IntoIterator<Item = usize>) -> f64 {
    mean(
        &lags
            .into_iter()
            .map(|lag| autocorrelation(values, lag))
            .collect::<Vec<_>>(),
    )
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Differences of logarithms, `step` values apart.
pub(crate) fn returns(prices: &[f64], step: usize) -> Vec<f64> {
    let sampled: Vec<f64> = prices
        .iter()
        .step_by(step)
        .map(|price| price.ln())
        .collect();
    sampled.windows(2).map(|pair| pair[1] - pair[0]).collect()
}
