//! The schema as the directory itself publishes it, for clients that ask how it compares:
//! OpenLDAP in `cn=Subschema` (RFC 4512 §4.2), Active Directory in a naming context of its own.

use super::{
    Flavour,
    dn::{Dn, NotADn},
    entry::Entry,
};

/// OpenLDAP's name for its schema.
pub(super) const SUBSCHEMA: &str = "cn=Subschema";

/// Attribute type descriptions (RFC 4512 §4.1.2): number, names, equality rule, syntax.
const ATTRIBUTE_TYPES: [(&str, &str, &str, u16); 13] = [
    ("2.5.4.0", "'objectClass'", "objectIdentifierMatch", 38),
    ("2.5.4.3", "( 'cn' 'commonName' )", "caseIgnoreMatch", 15),
    ("2.5.4.4", "( 'sn' 'surname' )", "caseIgnoreMatch", 15),
    (
        "0.9.2342.19200300.100.1.1",
        "( 'uid' 'userid' )",
        "caseIgnoreMatch",
        15,
    ),
    (
        "0.9.2342.19200300.100.1.3",
        "( 'mail' 'rfc822Mailbox' )",
        "caseIgnoreIA5Match",
        26,
    ),
    ("2.5.4.20", "'telephoneNumber'", TELEPHONE, 50),
    (
        "0.9.2342.19200300.100.1.41",
        "( 'mobile' 'mobileTelephoneNumber' )",
        TELEPHONE,
        50,
    ),
    (
        "0.9.2342.19200300.100.1.42",
        "( 'pager' 'pagerTelephoneNumber' )",
        TELEPHONE,
        50,
    ),
    (
        "0.9.2342.19200300.100.1.20",
        "( 'homePhone' 'homeTelephoneNumber' )",
        TELEPHONE,
        50,
    ),
    (
        "1.2.840.113556.1.4.647",
        "'otherMobile'",
        "caseIgnoreMatch",
        15,
    ),
    ("2.5.4.13", "'description'", "caseIgnoreMatch", 15),
    ("1.3.6.1.1.16.4", "'entryUUID'", "UUIDMatch", 0),
    ("2.5.18.2", "'modifyTimestamp'", "generalizedTimeMatch", 24),
];

const TELEPHONE: &str = "telephoneNumberMatch";

/// Attributes of Active Directory, and whether there is an index (`searchFlags`).
const ATTRIBUTE_SCHEMA: [(&str, &str, u8); 10] = [
    ("Common-Name", "cn", 1),
    ("SAM-Account-Name", "sAMAccountName", 13),
    ("User-Principal-Name", "userPrincipalName", 1),
    ("Object-Guid", "objectGUID", 9),
    ("Phone-Mobile-Primary", "mobile", 0),
    ("Phone-Mobile-Other", "otherMobile", 0),
    ("Telephone-Number", "telephoneNumber", 0),
    ("Phone-Office-Other", "otherTelephone", 0),
    ("Phone-Home-Primary", "homePhone", 0),
    ("Phone-Ip-Primary", "ipPhone", 0),
];

/// The naming context of Active Directory that a search of the domain does not reach.
pub(super) fn configuration(suffix: &str) -> String {
    format!("CN=Configuration,{suffix}")
}

/// Where Active Directory's schema is.
pub(super) fn schema(suffix: &str) -> String {
    format!("CN=Schema,{}", configuration(suffix))
}

/// The entries that say how the directory compares.
pub(super) fn entries(flavour: Flavour, suffix: &str) -> Result<Vec<Entry>, NotADn> {
    match flavour {
        Flavour::OpenLdap => Ok(vec![subschema()?]),
        Flavour::Ad => attribute_schemas(suffix),
    }
}

fn subschema() -> Result<Entry, NotADn> {
    let flavour = Flavour::OpenLdap;
    let mut entry = Entry::new(SUBSCHEMA.to_owned(), Dn::parse(SUBSCHEMA)?);
    entry.set(
        flavour,
        "objectClass",
        false,
        ["top", "subentry", "subschema"],
    );
    entry.set(flavour, "cn", false, ["Subschema"]);
    let types = ATTRIBUTE_TYPES.map(|(oid, names, equality, syntax)| {
        let syntax = format!("1.3.6.1.4.1.1466.115.121.1.{syntax}");
        format!("( {oid} NAME {names} EQUALITY {equality} SYNTAX {syntax} )")
    });
    entry.set(flavour, "attributeTypes", true, types);
    Ok(entry)
}

fn attribute_schemas(suffix: &str) -> Result<Vec<Entry>, NotADn> {
    let flavour = Flavour::Ad;
    let place = schema(suffix);
    let mut top = Entry::new(place.clone(), Dn::parse(&place)?);
    top.set(flavour, "objectClass", false, ["top", "dMD"]);
    let mut entries = vec![top];
    for (cn, name, flags) in ATTRIBUTE_SCHEMA {
        let place = format!("CN={cn},{place}");
        let mut entry = Entry::new(place.clone(), Dn::parse(&place)?);
        entry.set(flavour, "objectClass", false, ["top", "attributeSchema"]);
        entry.set(flavour, "cn", false, [cn]);
        entry.set(flavour, "lDAPDisplayName", false, [name]);
        entry.set(flavour, "searchFlags", false, [flags.to_string()]);
        entries.push(entry);
    }
    Ok(entries)
}
