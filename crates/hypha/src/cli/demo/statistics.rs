//! The service that the demonstration offers: statistics over lists or numpy arrays of numbers.

use hypha_rpc::{RemoteFailure, RemoteFunction, service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most bins of a histogram.
const MAX_BINS: usize = 10_000;

/// What [`Statistics::summarize`] answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Summary {
    /// How many numbers there are.
    pub(super) count: usize,
    /// Their mean.
    pub(super) mean: f64,
    /// The number in the middle.
    pub(super) median: f64,
    /// Their standard deviation, as of a whole population.
    pub(super) deviation: f64,
    /// The smallest.
    pub(super) min: f64,
    /// The largest.
    pub(super) max: f64,
}

/// Statistics over numbers.
pub(super) struct Statistics;

/// Statistics over lists or arrays of numbers.
#[service(id = "statistics", name = "Statistics", visibility = "public")]
impl Statistics {
    /// Count, mean, median, standard deviation, minimum and maximum of the values.
    pub fn summarize(&self, values: Vec<f64>) -> Result<Summary, RemoteFailure> {
        summary(values)
    }

    /// How many values fall into each of equally wide bins. `progress` is called with the share that is done, 0 to 1.
    pub async fn histogram(
        &self,
        values: Vec<f64>,
        #[arg(default = 10usize)] bins: usize,
        progress: Option<RemoteFunction>,
    ) -> Result<Vec<u64>, RemoteFailure> {
        if bins == 0 || bins > MAX_BINS {
            return Err(RemoteFailure::value(format!(
                "bins must be between 1 and {MAX_BINS}, got {bins}"
            )));
        }
        let Summary { min, max, .. } = summary(values.clone())?;
        let mut counts = vec![0; bins];
        let quarter = values.len().div_ceil(4);
        for (done, chunk) in values.chunks(quarter).enumerate() {
            for value in chunk {
                counts[bin(*value, min, max, bins)] += 1;
            }
            if let Some(progress) = &progress {
                let share = ((done + 1) * quarter).min(values.len()) as f64 / values.len() as f64;
                progress.call::<()>((share,)).await?;
            }
        }
        Ok(counts)
    }
}

fn summary(mut values: Vec<f64>) -> Result<Summary, RemoteFailure> {
    if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
        return Err(RemoteFailure::value(
            "values must be finite numbers, at least one",
        ));
    }
    values.sort_by(f64::total_cmp);
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
    let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
    Ok(Summary {
        count,
        mean,
        median,
        deviation: variance.sqrt(),
        min: values[0],
        max: values[count - 1],
    })
}

/// The bin of a value; the largest value belongs to the last bin.
fn bin(value: f64, min: f64, max: f64, bins: usize) -> usize {
    let share = if max > min {
        (value - min) / (max - min)
    } else {
        0.0
    };
    ((share * bins as f64) as usize).min(bins - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        let summary = summary(vec![2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        let expected = Summary {
            count: 8,
            mean: 5.0,
            median: 4.5,
            deviation: 2.0,
            min: 2.0,
            max: 9.0,
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn nothing_to_count() {
        assert!(summary(vec![]).is_err());
        assert!(summary(vec![1.0, f64::NAN]).is_err());
    }

    #[tokio::test]
    async fn bins() {
        let counts = |values: &[f64], bins| Statistics.histogram(values.to_vec(), bins, None);
        assert_eq!(counts(&[0.0, 1.0, 2.0, 3.0, 4.0], 2).await.unwrap(), [2, 3]);
        assert_eq!(counts(&[7.0, 7.0], 3).await.unwrap(), [2, 0, 0]);
        assert!(counts(&[1.0], 0).await.is_err());
    }
}
