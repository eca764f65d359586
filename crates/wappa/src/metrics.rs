//! When metrics are sent: at the intervals of the exporter that the config names, and at the end.

use std::time::{Duration, Instant};

use wappa_component::{Build, Exporter, Logger, Metrics, Page, Series};
use wappa_message::{Message, Value};
use wappa_spec::{ComponentNode, Mapping, Registry};

use crate::table;

/// What the mapping of a config makes of the names and labels of series: `this` is the name, and the metadata are the
/// labels. Where it fails, a series keeps its name and loses its labels, as in Bento.
pub(crate) fn rename(metrics: &Metrics, mapping: &Mapping, logger: &Logger) {
    let Some(program) = mapping.program().cloned() else { return };
    let logger = logger.clone();
    metrics.rename(move |series| {
        let mut message = Message::new("");
        message.set_value(Value::text(&series.name));
        for (name, value) in &series.labels {
            message.metadata_mut().set(name.clone(), Value::text(value));
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = match program.map(std::slice::from_mut(&mut message), 0) {
            Ok(mapped) => {
                if !mapped.apply(&mut message) {
                    return None;
                }
                match message.printed() {
                    Ok(name) => Ok(text(name)),
                    Err(Value::Text(name)) => Ok(text(name)),
                    Err(other) => {
                        let found: String = other.to_json().chars().take(100).collect();
                        Err(format!("Path mapping returned invalid result, expected string, found `{found}`"))
                    }
                }
            }
            Err(failure) => Err(format!("Failed to apply path mapping on '{}': {failure}", series.name)),
        };
        match name {
            Ok(name) if name.is_empty() => None,
            Ok(name) => {
                let labels = message.metadata().iter();
                let labels = labels.map(|(name, value)| (text(name), text(&value.to_text())));
                Some(Series { name, labels: labels.collect() })
            }
            Err(why) => {
                logger.error(&why);
                Some(Series { name: series.name.clone(), labels: Vec::new() })
            }
        }
    });
}

/// Sends metrics where the config says.
pub(crate) struct Push {
    metrics: Metrics,
    exporter: Box<dyn Exporter>,
    next: Option<Instant>,
}

impl Push {
    /// Builds the exporter that a config names.
    pub(crate) fn new(
        node: &ComponentNode,
        registry: &dyn Registry,
        metrics: Metrics,
        logger: &Logger,
    ) -> Result<Push, String> {
        let is_named = |spec: &wappa_spec::Spec| spec.kind == node.kind && spec.name == node.name;
        let component = table::table().iter().find(|it| is_named(&it.spec));
        let Some(Build::Exporter(build)) = component.map(|it| it.build) else {
            return Err(format!("there is no {} `{}`", node.kind, node.name));
        };
        let exporter = build(&node.body, registry, logger.clone()).map_err(|err| err.to_string())?;
        let mut push = Push { metrics, exporter, next: None };
        push.plan();
        Ok(push)
    }

    /// How long until metrics are to be sent; nothing where only the end counts.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        self.next.map(|it| it.saturating_duration_since(Instant::now()))
    }

    /// What the exporter shows to whoever asks.
    pub(crate) fn page(&self) -> Option<(Page, Metrics)> {
        Some((self.exporter.page()?, self.metrics.clone()))
    }

    /// Sends what there is, for the last time.
    pub(crate) fn finish(&mut self) {
        self.exporter.finish(&self.metrics);
    }

    /// Sends what there is.
    pub(crate) fn push(&mut self) {
        self.exporter.push(&self.metrics);
        self.plan();
    }

    fn plan(&mut self) {
        let interval = self.exporter.interval().filter(|it| !it.is_zero());
        self.next = interval.and_then(|it| Instant::now().checked_add(it));
    }
}
