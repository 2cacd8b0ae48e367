//! What the directory knows of attributes: how the values of each are compared.

use std::cmp::Ordering;

use super::Flavour;

/// How an attribute's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Text without regard to case; runs of spaces count as one.
    Text,
    /// Text, letter by letter.
    ExactText,
    /// A telephone number of OpenLDAP: text without spaces and hyphens.
    Telephone,
    /// A whole number.
    Integer,
    /// A point in time (RFC 4517 §3.3.13), and OpenLDAP's change sequence numbers.
    Time,
    /// Bytes.
    Octets,
    /// A UUID in its text form.
    Uuid,
    /// A distinguished name.
    Name,
    /// An object class.
    ObjectClass,
}

/// The attribute's name as entries are looked up by: lower case, without options,
/// the long names of RFC 4519 shortened.
pub(super) fn key(attribute: &str) -> String {
    let plain = attribute
        .split(';')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match plain.as_str() {
        "commonname" | "2.5.4.3" => "cn".to_owned(),
        "surname" | "2.5.4.4" => "sn".to_owned(),
        "gn" => "givenname".to_owned(),
        "userid" | "0.9.2342.19200300.100.1.1" => "uid".to_owned(),
        "domaincomponent" => "dc".to_owned(),
        "organizationalunitname" => "ou".to_owned(),
        "organizationname" => "o".to_owned(),
        "countryname" => "c".to_owned(),
        "mobiletelephonenumber" => "mobile".to_owned(),
        "pagertelephonenumber" => "pager".to_owned(),
        "hometelephonenumber" => "homephone".to_owned(),
        "rfc822mailbox" => "mail".to_owned(),
        "2.5.4.20" => "telephonenumber".to_owned(),
        "2.5.4.0" => "objectclass".to_owned(),
        _ => plain,
    }
}

/// How the values of the attribute with this [`key`] are compared.
pub(super) fn syntax(flavour: Flavour, key: &str) -> Syntax {
    match key {
        "telephonenumber" | "mobile" | "pager" | "homephone" | "facsimiletelephonenumber"
            if flavour == Flavour::OpenLdap =>
        {
            Syntax::Telephone
        }
        "objectclass" | "structuralobjectclass" => Syntax::ObjectClass,
        "objectguid" | "objectsid" | "userpassword" | "unicodepwd" | "jpegphoto"
        | "usercertificate" | "thumbnailphoto" => Syntax::Octets,
        "entryuuid" => Syntax::Uuid,
        "member" | "memberof" | "uniquemember" | "manager" | "owner" | "seealso" | "entrydn"
        | "distinguishedname" | "objectcategory" | "creatorsname" | "modifiersname"
        | "subschemasubentry" | "namingcontexts" | "directreports" => Syntax::Name,
        "createtimestamp"
        | "modifytimestamp"
        | "whencreated"
        | "whenchanged"
        | "entrycsn"
        | "contextcsn"
        | "pwdchangedtime"
        | "pwdaccountlockedtime"
        | "pwdfailuretime" => Syntax::Time,
        "useraccountcontrol"
        | "usnchanged"
        | "usncreated"
        | "highestcommittedusn"
        | "lockouttime"
        | "pwdlastset"
        | "accountexpires"
        | "badpwdcount"
        | "badpasswordtime"
        | "samaccounttype"
        | "primarygroupid"
        | "instancetype"
        | "grouptype"
        | "uidnumber"
        | "gidnumber"
        | "lastlogontimestamp" => Syntax::Integer,
        "homedirectory" | "loginshell" | "unixhomedirectory" => Syntax::ExactText,
        _ => Syntax::Text,
    }
}

/// True for the attributes that every directory knows, whether or not an entry has them.
pub(super) fn is_standard(flavour: Flavour, key: &str) -> bool {
    let well_known = [
        "cn",
        "sn",
        "uid",
        "givenname",
        "displayname",
        "mail",
        "description",
        "title",
        "o",
        "ou",
        "dc",
        "l",
        "st",
        "c",
        "street",
        "postalcode",
        "employeenumber",
        "employeetype",
        "initials",
        "samaccountname",
        "userprincipalname",
        "name",
        "telephonenumber",
        "mobile",
        "pager",
        "homephone",
        "othermobile",
        "othertelephone",
        "otherhomephone",
        "ipphone",
        "isdeleted",
        "pwdreset",
        "msexchhidefromaddresslists",
        "company",
        "department",
    ];
    well_known.contains(&key) || syntax(flavour, key) != Syntax::Text
}

impl Syntax {
    /// The form in which equal values are the same bytes; `None` if the value is not of this
    /// syntax, so that nothing can be said of it.
    pub(super) fn normal(self, value: &[u8]) -> Option<Vec<u8>> {
        if self == Self::Octets {
            return Some(value.to_vec());
        }
        let text = std::str::from_utf8(value).ok()?;
        let normal = match self {
            Self::Octets => return None,
            Self::Text | Self::ObjectClass => fold_text(text),
            Self::ExactText => fold_spaces(text),
            Self::Telephone => telephone(text)?,
            Self::Integer => text.trim().parse::<i64>().ok()?.to_string(),
            Self::Time => text.trim().to_ascii_uppercase(),
            Self::Uuid => text.to_ascii_lowercase().replace('-', ""),
            Self::Name => super::dn::Dn::parse(text).ok()?.normal(),
        };
        Some(normal.into_bytes())
    }

    /// A part of a value in the form in which it is found in normal values.
    pub(super) fn normal_part(self, part: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Text => {
                let text = std::str::from_utf8(part).ok()?;
                let folded = squeeze_spaces(&text.to_lowercase());
                Some(folded.into_bytes())
            }
            Self::ExactText => Some(squeeze_spaces(std::str::from_utf8(part).ok()?).into_bytes()),
            Self::Telephone => Some(telephone(std::str::from_utf8(part).ok()?)?.into_bytes()),
            Self::Octets => Some(part.to_vec()),
            _ => None,
        }
    }

    /// How two normal values are ordered; `None` where the syntax has no order.
    pub(super) fn order(self, left: &[u8], right: &[u8]) -> Option<Ordering> {
        match self {
            Self::Integer => {
                let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<i64>().ok();
                Some(number(left)?.cmp(&number(right)?))
            }
            Self::Text | Self::ExactText | Self::Time | Self::Octets | Self::Uuid => {
                Some(left.cmp(right))
            }
            Self::Telephone | Self::Name | Self::ObjectClass => None,
        }
    }
}

/// Without regard to case, spaces trimmed and squeezed. No-break spaces stay what they are,
/// as both kinds of directory leave them.
pub(super) fn fold_text(text: &str) -> String {
    fold_spaces(&text.to_lowercase())
}

fn fold_spaces(text: &str) -> String {
    squeeze_spaces(text.trim_matches(' '))
}

fn squeeze_spaces(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for character in text.chars() {
        if character != ' ' || !squeezed.ends_with(' ') {
            squeezed.push(character);
        }
    }
    squeezed
}

/// telephoneNumberMatch (RFC 4517 §4.2.29) over the syntax's ASCII (§3.3.31).
fn telephone(text: &str) -> Option<String> {
    let compared = text.chars().filter(|c| !matches!(c, ' ' | '-'));
    text.is_ascii()
        .then(|| compared.map(|c| c.to_ascii_lowercase()).collect())
}
