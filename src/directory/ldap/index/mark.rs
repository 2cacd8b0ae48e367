//! A server's own measure of what is newer than what.

use std::time::Duration;

use jiff::{ToSpan as _, civil::DateTime};

use crate::directory::{
    filter::Filter,
    ldap::{entry::Entry, terms::known},
};

/// A change can reach this server later than a younger one, and the one that is read last
/// is not the last one made.
const OVERLAP: Duration = Duration::from_secs(10);

/// Up to where a server's changes have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Where content synchronisation goes on (RFC 4533); nobody but the server can read it.
    Cookie(Vec<u8>),
    /// Active Directory's, of this one server alone.
    Usn(u64),
    /// OpenLDAP's; its time, `YYYYMMDDhhmmss`.
    Csn(String),
    /// Everybody's, to the second.
    ModifyTimestamp(String),
    /// The service user may read none of them: all is loaded every time.
    None,
}

impl Mark {
    /// The time of an entry's last change.
    pub(super) fn of(entry: &Entry) -> Self {
        let time = |attribute| {
            let digits = entry.texts(attribute).next()?.get(..14)?;
            let is_time = digits.bytes().all(|byte| byte.is_ascii_digit());
            is_time.then(|| digits.to_owned())
        };
        match (time("entryCSN"), time("modifyTimestamp")) {
            (Some(time), _) => Self::Csn(time),
            (None, Some(time)) => Self::ModifyTimestamp(time),
            (None, None) => Self::None,
        }
    }

    /// Active Directory's count of changes, from the root DSE; other directories have none.
    pub(super) fn committed(root: &Entry) -> Option<Self> {
        let usn = root.texts("highestCommittedUSN").next()?;
        Some(Self::Usn(usn.parse().ok()?))
    }

    /// Matches what has changed since; `None` if that cannot be asked for in a filter.
    pub(super) fn since(&self) -> Option<Filter> {
        let (attribute, since) = match self {
            Self::Usn(mark) => ("uSNChanged", mark.saturating_add(1).to_string()),
            Self::Csn(mark) => {
                let time = earlier(mark, OVERLAP);
                ("entryCSN", format!("{time}.000000Z#000000#000#000000"))
            }
            Self::ModifyTimestamp(mark) => {
                ("modifyTimestamp", format!("{}Z", earlier(mark, OVERLAP)))
            }
            Self::Cookie(_) | Self::None => return None,
        };
        Some(Filter::AtLeast(known(attribute), since.into()))
    }

    pub(super) fn newer(self, other: Self) -> Self {
        match (self, other) {
            (Self::Csn(a), Self::Csn(b)) => Self::Csn(a.max(b)),
            (Self::ModifyTimestamp(a), Self::ModifyTimestamp(b)) => Self::ModifyTimestamp(a.max(b)),
            (mark, Self::None) | (Self::None, mark) => mark,
            // One entry has a CSN and another not: the time is what they share.
            (Self::Csn(a) | Self::ModifyTimestamp(a), Self::Csn(b) | Self::ModifyTimestamp(b)) => {
                Self::ModifyTimestamp(a.max(b))
            }
            // A server that keeps count itself is not asked for times.
            (count @ (Self::Usn(_) | Self::Cookie(_)), _)
            | (_, count @ (Self::Usn(_) | Self::Cookie(_))) => count,
        }
    }

    pub(super) fn earlier(self, by: Duration) -> Self {
        match self {
            Self::Csn(time) => Self::Csn(earlier(&time, by)),
            Self::ModifyTimestamp(time) => Self::ModifyTimestamp(earlier(&time, by)),
            other => other,
        }
    }
}

/// `YYYYMMDDhhmmss`, that much earlier. What is no time stays as it is.
fn earlier(time: &str, by: Duration) -> String {
    const FORMAT: &str = "%Y%m%d%H%M%S";
    let seconds = i64::try_from(by.as_secs()).unwrap_or_default() + 1;
    DateTime::strptime(FORMAT, time)
        .and_then(|time| time.checked_sub(seconds.seconds()))
        .map_or_else(
            |_| time.to_owned(),
            |time| time.strftime(FORMAT).to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_goes_back_across_midnight_and_new_year() {
        let mark = Mark::Csn("20270101000003".into());
        let back = mark.earlier(Duration::from_secs(9));
        assert_eq!(back, Mark::Csn("20261231235953".into()));
        assert_eq!(earlier("no time", OVERLAP), "no time");
    }

    #[test]
    fn the_newest_mark_counts() {
        let csn = |time: &str| Mark::Csn(time.into());
        let newest = Mark::None.newer(csn("1")).newer(csn("3")).newer(csn("2"));
        assert_eq!(newest, csn("3"));
        let mixed = newest.newer(Mark::ModifyTimestamp("2".into()));
        assert_eq!(mixed, Mark::ModifyTimestamp("3".into()));
    }
}
