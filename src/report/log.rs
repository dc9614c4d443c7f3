//! Log on standard error: only messages of the program, none of its dependencies.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::config::{Config, LogFormat, LogLevel, Output};
use crate::credential::KnownSecrets;

/// Starts logging to standard error. A second call has no effect.
pub fn init(output: &Output) {
    // The only error is that it is set already.
    let _ = tracing::subscriber::set_global_default(subscriber(output, io::stderr));
}

/// Logs the effective configuration, without secrets.
pub fn effective(config: &Config, secrets: &KnownSecrets) {
    let settings: Vec<_> = config
        .effective()
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut settings = settings.join(" ");
    secrets.redact(vec![&mut settings]);
    info!("configuration: {settings}");
}

/// Logs the warnings of the configuration.
pub fn warnings(warnings: &[String], secrets: &KnownSecrets) {
    let mut warnings = warnings.to_vec();
    secrets.redact(warnings.iter_mut().collect());
    for warning in warnings {
        warn!("{warning}");
    }
}

/// Subscriber for messages of the program. All other targets are off: kube's client logs the body of a response that it
/// can't parse, and such a body may be a token.
fn subscriber<W>(output: &Output, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match output.log_level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    // If standard error is closed, tracing would report that with a print that panics.
    let lines = fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match output.log_format {
        // Module names are of no use to readers.
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(own))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Captured log.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(crate) fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("no writer panicked")).into_owned()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no writer panicked").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Runs `run` with the log of `output`; returns the captured log.
    pub(crate) fn logged(output: &Output, run: impl FnOnce(Lines)) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(output, move || writer.clone()), || run(lines.clone()));
        lines.text()
    }

    fn outputs() -> impl Iterator<Item = Output> {
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug];
        levels.into_iter().flat_map(|log_level| {
            [LogFormat::Text, LogFormat::Json].map(|log_format| Output {
                log_level,
                log_format,
                ..Output::default()
            })
        })
    }

    #[test]
    fn only_messages_of_the_program_are_logged() {
        for output in outputs() {
            let log = logged(&output, |_| {
                tracing::warn!(target: "kube_client::client", "body with a token");
                tracing::error!(target: "kube_client::client", "body with a token");
                tracing::error!(target: "hyper", "body with a token");
                tracing::error!("ours");
            });
            assert!(
                log.contains("ours") && !log.contains("token"),
                "{output:?}: {log}"
            );
        }
    }

    #[test]
    fn level_hides_messages_below_it() {
        let output = Output {
            log_level: LogLevel::Warn,
            ..Output::default()
        };
        let log = logged(&output, |_| {
            tracing::info!("low");
            tracing::warn!("high");
        });
        assert!(log.contains("high") && !log.contains("low"), "{log}");
    }

    #[test]
    fn json_lines_are_objects_with_fields_beside_the_message() {
        let output = Output {
            log_format: LogFormat::Json,
            ..Output::default()
        };
        let log = logged(&output, |_| {
            tracing::error!(reason = "ok", "a \"message\"\nof two lines")
        });
        let record: serde_json::Value = serde_json::from_str(&log).expect("one JSON object");
        assert_eq!(record["message"], "a \"message\"\nof two lines");
        assert_eq!(record["reason"], "ok");
        assert_eq!(record["level"], "ERROR");
    }
}
