//! The line of an event that is no call: something of the program or of its libraries.

use std::{fmt, io::Write as _, sync::Arc};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::layer::{Context, Layer};

use super::{
    line::{Moment, text_field},
    log::{Format, Log},
};
use crate::clock::{Clock, Timestamp};

/// Takes the events of `tracing` into the log.
pub struct Events {
    /// Where they go.
    pub log: Arc<Log>,
    /// Dates them.
    pub clock: Arc<dyn Clock>,
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let (at, metadata) = (self.clock.now(), event.metadata());
        let level = metadata.level().as_str();
        self.log
            .line(|line, format| write(line, format, at, level, metadata.target(), told));
    }
}

/// What an event says.
#[derive(Default)]
struct Told {
    message: String,
    fields: Map<String, Value>,
}

impl Told {
    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }
}

fn write(line: &mut Vec<u8>, format: Format, at: Timestamp, level: &str, target: &str, told: Told) {
    // Writing into memory does not fail.
    let _ = match format {
        Format::Json => json(line, at, level, target, told),
        Format::Text => text(line, at, level, target, &told),
    };
    line.push(b'\n');
}

fn json(
    line: &mut Vec<u8>,
    at: Timestamp,
    level: &str,
    target: &str,
    told: Told,
) -> std::io::Result<()> {
    write!(
        line,
        "{{\"time\":\"{}\",\"level\":\"{}\",\"message\":{},\"target\":{}",
        Moment(at),
        level.to_ascii_lowercase(),
        Value::from(told.message),
        Value::from(target),
    )?;
    for (name, value) in told.fields {
        write!(line, ",{}:{value}", Value::from(name))?;
    }
    write!(line, "}}")
}

fn text(
    line: &mut Vec<u8>,
    at: Timestamp,
    level: &str,
    target: &str,
    told: &Told,
) -> std::io::Result<()> {
    // A line break would begin what looks like another line.
    let message = told.message.replace(char::is_control, " ");
    write!(line, "{} {level:5} {target}: {message}", Moment(at))?;
    for (name, value) in &told.fields {
        match value {
            Value::String(text) => text_field(line, name, text),
            other => text_field(line, name, other),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(format: Format, message: &str, value: &str) -> String {
        let mut fields = Map::new();
        fields.insert("fault".to_owned(), value.into());
        let told = Told {
            message: message.to_owned(),
            fields,
        };
        let mut line = Vec::new();
        write(
            &mut line,
            format,
            Timestamp::from_millis(0),
            "WARN",
            "callotp",
            told,
        );
        String::from_utf8(line).expect("text")
    }

    #[test]
    fn an_event_reads_like_a_call() {
        assert_eq!(
            lines(Format::Json, "late", "5 s"),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"message\":\"late\",\
             \"target\":\"callotp\",\"fault\":\"5 s\"}\n"
        );
        assert_eq!(
            lines(Format::Text, "late", "5 s"),
            "1970-01-01T00:00:00.000Z WARN  callotp: late fault=\"5 s\"\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_it_says_it_is_one_line(message in any::<String>(), value in any::<String>()) {
            let json = lines(Format::Json, &message, &value);
            let read: Value = serde_json::from_str(&json).expect("JSON");
            prop_assert_eq!(read["message"].as_str(), Some(&*message));
            prop_assert_eq!(read["fault"].as_str(), Some(&*value));
            for line in [json, lines(Format::Text, &message, &value)] {
                prop_assert_eq!(line.matches('\n').count(), 1);
            }
        }
    }
}
