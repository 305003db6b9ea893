//! Prometheus metrics: the recorder, and the page that shows what it has.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Installs the process-wide recorder. Must come before anything registers a metric.
///
/// # Errors
/// Another recorder is installed.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().install_recorder()
}
