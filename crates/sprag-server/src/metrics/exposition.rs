//! The text as it is written: families, one after the other.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, GaugeValueEncoder, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use sprag::observe::Observed;

/// The labels of a sample, in the order in which they are written.
pub(super) type Labels<'a> = Vec<(&'static str, &'a str)>;

/// The text under way.
pub(super) struct Exposition<'e>(DescriptorEncoder<'e>);

/// The one sample of a counter without labels.
pub(super) fn counts<'a>(count: u64) -> [(Labels<'a>, u64); 1] {
    [(Vec::new(), count)]
}

impl<'e> Exposition<'e> {
    pub(super) fn on(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// A counter; its samples end in `_total`.
    pub(super) fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, None, MetricType::Counter)?;
        for (labels, count) in samples {
            labelled(&mut family, &labels, |sample| counted(sample, &count))?;
        }
        Ok(())
    }

    /// A counter of seconds.
    pub(super) fn seconds_spent(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        let unit = Some(&Unit::Seconds);
        let mut family = self.family(name, help, unit, MetricType::Counter)?;
        counted(&mut family, &seconds)
    }

    /// A gauge without a unit.
    pub(super) fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        self.gauge_in(None, name, help, samples.into_iter().map(|(labels, value)| (labels, Whole(value))))
    }

    /// A gauge of bytes.
    pub(super) fn bytes<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        let samples = samples.into_iter().map(|(labels, value)| (labels, Whole(value)));
        self.gauge_in(Some(&Unit::Bytes), name, help, samples)
    }

    /// A gauge of seconds.
    pub(super) fn seconds<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, f64)>,
    ) -> fmt::Result {
        self.gauge_in(Some(&Unit::Seconds), name, help, samples)
    }

    /// A histogram of microseconds, told in seconds.
    pub(super) fn times<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, Observed)>,
    ) -> fmt::Result {
        let family = self.family(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        histogram(family, samples, 1e6)
    }

    /// A histogram of how many there were.
    pub(super) fn sizes<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, Observed)>,
    ) -> fmt::Result {
        let family = self.family(name, help, None, MetricType::Histogram)?;
        histogram(family, samples, 1.0)
    }

    /// Begins a family, and says what it is in a sentence.
    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, &format!("{help}."), unit, kind)
    }

    fn gauge_in<'a, V: EncodeGaugeValue>(
        &mut self,
        unit: Option<&Unit>,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'a>, V)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in samples {
            labelled(&mut family, &labels, |sample| sample.encode_gauge(&value))?;
        }
        Ok(())
    }
}

/// A whole number as a gauge shows it, which knows signed ones only.
struct Whole(u64);

impl EncodeGaugeValue for Whole {
    fn encode(&self, encoder: &mut GaugeValueEncoder<'_>) -> Result<(), fmt::Error> {
        i64::try_from(self.0).unwrap_or(i64::MAX).encode(encoder)
    }
}

/// One sample, with its labels where it has any.
fn labelled(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<'_>,
    write: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { write(family) } else { write(&mut family.encode_family(labels)?) }
}

fn counted<V: EncodeCounterValue>(sample: &mut MetricEncoder<'_>, value: &V) -> fmt::Result {
    sample.encode_counter::<NoLabelSet, V, f64>(value, None)
}

fn histogram<'a>(
    mut family: MetricEncoder<'_>,
    samples: impl IntoIterator<Item = (Labels<'a>, Observed)>,
    parts: f64,
) -> fmt::Result {
    for (labels, observed) in samples {
        let whole = |count: u64| count as f64 / parts;
        let below = observed.below.iter().map(|(bound, count)| (whole(*bound), *count));
        let buckets: Vec<(f64, u64)> = below.chain([(f64::MAX, observed.beyond)]).collect();
        labelled(&mut family, &labels, |sample| {
            sample.encode_histogram::<NoLabelSet>(whole(observed.sum), observed.count(), &buckets, None)
        })?;
    }
    Ok(())
}
