//! The one log line of a call. Its fields are an interface: `docs/log.md`.

use std::{fmt, io::Write as _};

use super::{
    line::{Moment, text_field},
    log::Format,
};
use crate::http::record::Call;

/// Appends the line for `call`.
pub(super) fn write(line: &mut Vec<u8>, format: Format, call: &Call<'_>) {
    match format {
        Format::Json => json(line, call),
        Format::Text => text(line, call),
    }
}

fn json(line: &mut Vec<u8>, call: &Call<'_>) {
    let start = line.len();
    let _ = write!(
        line,
        "{{\"time\":\"{}\",\"level\":\"{}\",\"message\":\"call\",",
        Moment(call.at),
        call.level.as_str()
    );
    let fields = line.len();
    match serde_json::to_writer(&mut *line, call) {
        // The fields' own brace is taken out: they stand in the line's object.
        Ok(()) => {
            line.remove(fields);
            line.push(b'\n');
        }
        Err(_) => line.truncate(start),
    }
}

fn text(line: &mut Vec<u8>, call: &Call<'_>) {
    let _ = write!(
        line,
        "{} {:5} call",
        Moment(call.at),
        call.level.as_str().to_uppercase()
    );
    let mut field = |name: &str, value: &dyn fmt::Display| text_field(line, name, value);
    field("id", &call.id);
    field("from", &call.from);
    call.operation
        .inspect(|operation| field("operation", &operation.as_str()));
    call.tenant.inspect(|tenant| field("tenant", tenant));
    call.client.inspect(|client| field("client", client));
    field("outcome", &call.outcome.as_str());
    call.reason.inspect(|reason| field("reason", reason));
    call.detail.inspect(|detail| field("detail", detail));
    field("status", &call.status);
    call.user.inspect(|user| field("user", user));
    call.number.inspect(|number| field("number", number));
    field("microseconds", &call.took.as_micros());
    line.push(b'\n');
}
