//! The entries, found by name and by value, and the marks that every change leaves.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    Flavour,
    dn::{self, Dn},
    entry::Entry,
    published, schema,
};

/// All entries of one directory.
#[derive(Debug)]
pub(super) struct Tree {
    flavour: Flavour,
    suffix: String,
    top: Option<Dn>,
    apart: Option<Dn>,
    /// A place stays empty when its entry goes, so that the others keep theirs.
    places: Vec<Option<Arc<Entry>>>,
    by_name: HashMap<String, usize>,
    /// Attribute, then normal value, then places in ascending order.
    by_value: HashMap<String, HashMap<Vec<u8>, Vec<usize>>>,
    stamps: Stamps,
}

/// An entry of this name is there already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is an entry {0:?} already")]
pub(super) struct AlreadyThere(pub String);

impl Tree {
    /// An empty tree below `suffix`; ids are drawn from `seed`.
    pub(super) fn new(flavour: Flavour, suffix: &str, seed: u64) -> Self {
        Self {
            flavour,
            suffix: suffix.to_owned(),
            top: Dn::parse(suffix).ok(),
            apart: Dn::parse(&published::configuration(suffix)).ok(),
            places: Vec::new(),
            by_name: HashMap::new(),
            by_value: HashMap::new(),
            stamps: Stamps {
                ids: StdRng::seed_from_u64(seed),
                usn: 12_288,
                last_change: (0, 0),
            },
        }
    }

    /// Whose habits count.
    pub(super) fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The name of the entry at the top.
    pub(super) fn top(&self) -> Option<&Dn> {
        self.top.as_ref()
    }

    /// The name of the part that a search reaches only from within.
    pub(super) fn apart(&self) -> Option<&Dn> {
        self.apart.as_ref()
    }

    /// Is there, or might there be, an attribute with this key?
    pub(super) fn knows(&self, key: &str) -> bool {
        self.by_value.contains_key(key) || schema::is_standard(self.flavour, key)
    }

    /// The entry of this name.
    pub(super) fn named(&self, dn: &Dn) -> Option<&Arc<Entry>> {
        self.at(*self.by_name.get(&dn.normal())?)
    }

    /// The entry at a place.
    pub(super) fn at(&self, place: usize) -> Option<&Arc<Entry>> {
        self.places.get(place)?.as_ref()
    }

    /// The places of the entries that have this value.
    pub(super) fn equal(&self, key: &str, normal: &[u8]) -> &[usize] {
        let places = self.by_value.get(key).and_then(|values| values.get(normal));
        places.map(Vec::as_slice).unwrap_or_default()
    }

    /// All entries, in the order they came.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.places.iter().flatten()
    }

    /// The number of the latest change (Active Directory).
    pub(super) fn highest_usn(&self) -> u64 {
        self.stamps.usn
    }

    /// The mark of the latest change (OpenLDAP).
    pub(super) fn latest_csn(&self) -> String {
        self.stamps.csn()
    }

    /// Adds an entry; what it says of its own id and birth is kept.
    pub(super) fn add(&mut self, mut entry: Entry, now: Timestamp) -> Result<(), AlreadyThere> {
        let name = entry.dn.normal();
        if self.by_name.contains_key(&name) {
            return Err(AlreadyThere(entry.name));
        }
        self.stamps.birth(&mut entry, self.flavour, now);
        let place = self.places.len();
        self.by_name.insert(name, place);
        self.remember(place, &entry);
        self.places.push(Some(Arc::new(entry)));
        Ok(())
    }

    /// Changes the entry of this name, which may not change its name; false if there is none.
    pub(super) fn change(
        &mut self,
        dn: &Dn,
        now: Timestamp,
        change: impl FnOnce(&mut Entry),
    ) -> bool {
        let Some(&place) = self.by_name.get(&dn.normal()) else {
            return false;
        };
        let Some(old) = self.at(place).cloned() else {
            return false;
        };
        let mut entry = Entry::clone(&old);
        change(&mut entry);
        self.stamps.change(&mut entry, self.flavour, now);
        self.forget(place, &old);
        self.remember(place, &entry);
        self.places[place] = Some(Arc::new(entry));
        true
    }

    /// Takes the entry of this name out; false if there is none.
    pub(super) fn remove(&mut self, dn: &Dn, now: Timestamp) -> bool {
        let Some(place) = self.by_name.remove(&dn.normal()) else {
            return false;
        };
        let Some(old) = self.places[place].take() else {
            return false;
        };
        self.forget(place, &old);
        match self.flavour {
            Flavour::OpenLdap => self.stamps.tick(now),
            Flavour::Ad => self.bury(&old, now),
        }
        true
    }

    /// What Active Directory leaves of an entry that was deleted.
    fn bury(&mut self, old: &Entry, now: Timestamp) {
        let shown = |key: &str| {
            old.attribute(key)
                .and_then(|a| Some(a.values.first()?.shown.clone()))
        };
        let Some(guid) = shown("objectguid") else {
            return;
        };
        let (rdn, id) = (dn::first_rdn(&old.name), hyphenated(&guid));
        let name = format!("{rdn}\\0ADEL:{id},CN=Deleted Objects,{}", self.suffix);
        let Ok(dn) = Dn::parse(&name) else { return };
        let mut grave = Entry::new(name, dn);
        for key in [
            "objectClass",
            "objectGUID",
            "objectSid",
            "sAMAccountName",
            "uSNCreated",
        ] {
            let values = old
                .attribute(&schema::key(key))
                .map(|a| a.values.as_slice());
            let values = values
                .unwrap_or_default()
                .iter()
                .map(|value| value.shown.clone());
            grave.set(self.flavour, key, false, values.collect::<Vec<_>>());
        }
        grave.set(self.flavour, "isDeleted", false, ["TRUE"]);
        // The id makes the name unique, so there cannot be one already.
        let _ = self.add(grave, now);
    }

    fn remember(&mut self, place: usize, entry: &Entry) {
        for attribute in &entry.attributes {
            let values = self.by_value.entry(attribute.key.clone()).or_default();
            for normal in attribute
                .values
                .iter()
                .filter_map(|value| value.normal.clone())
            {
                let places = values.entry(normal).or_default();
                if let Err(at) = places.binary_search(&place) {
                    places.insert(at, place);
                }
            }
        }
    }

    fn forget(&mut self, place: usize, entry: &Entry) {
        for attribute in &entry.attributes {
            let Some(values) = self.by_value.get_mut(&attribute.key) else {
                continue;
            };
            for normal in attribute
                .values
                .iter()
                .filter_map(|value| value.normal.as_ref())
            {
                let Some(places) = values.get_mut(normal) else {
                    continue;
                };
                places.retain(|&other| other != place);
                if places.is_empty() {
                    values.remove(normal);
                }
            }
        }
    }
}

/// Ids, times and counters.
#[derive(Debug)]
struct Stamps {
    ids: StdRng,
    usn: u64,
    /// Microseconds since the epoch, and how many changes that microsecond has seen before.
    last_change: (i64, u32),
}

impl Stamps {
    fn birth(&mut self, entry: &mut Entry, flavour: Flavour, now: Timestamp) {
        let id = self.id();
        let time = seconds(now);
        let mut unless_given = |name: &str, operational: bool, value: Vec<u8>| {
            if entry.attribute(&schema::key(name)).is_none() {
                entry.set(flavour, name, operational, [value]);
            }
        };
        match flavour {
            Flavour::OpenLdap => {
                unless_given("entryUUID", true, hyphenated(&id).into_bytes());
                unless_given("createTimestamp", true, format!("{time}Z").into_bytes());
            }
            Flavour::Ad => {
                unless_given("objectGUID", false, id.to_vec());
                unless_given("whenCreated", false, format!("{time}.0Z").into_bytes());
                unless_given("uSNCreated", false, (self.usn + 1).to_string().into_bytes());
            }
        }
        let name = entry.name.clone();
        match flavour {
            Flavour::OpenLdap => entry.set(flavour, "entryDN", true, [name]),
            Flavour::Ad => entry.set(flavour, "distinguishedName", false, [name]),
        }
        self.change(entry, flavour, now);
    }

    fn change(&mut self, entry: &mut Entry, flavour: Flavour, now: Timestamp) {
        self.tick(now);
        let time = seconds(now);
        match flavour {
            Flavour::OpenLdap => {
                entry.set(flavour, "modifyTimestamp", true, [format!("{time}Z")]);
                entry.set(flavour, "entryCSN", true, [self.csn()]);
            }
            Flavour::Ad => {
                self.usn += 1;
                entry.set(flavour, "whenChanged", false, [format!("{time}.0Z")]);
                entry.set(flavour, "uSNChanged", false, [self.usn.to_string()]);
            }
        }
    }

    /// Two changes never share a mark, however close they are.
    fn tick(&mut self, now: Timestamp) {
        let micros = now.as_microsecond();
        self.last_change = match self.last_change {
            (last, count) if micros <= last => (last, count + 1),
            _ => (micros, 0),
        };
    }

    fn csn(&self) -> String {
        let (micros, count) = self.last_change;
        let time = Timestamp::from_microsecond(micros).unwrap_or_default();
        let fraction = micros.rem_euclid(1_000_000);
        format!("{}.{fraction:06}Z#{count:06x}#000#000000", seconds(time))
    }

    /// A random UUID (RFC 9562 §5.4).
    fn id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        self.ids.fill_bytes(&mut id);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%S").to_string()
}

fn hyphenated(id: &[u8]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let cuts = [0, 8, 12, 16, 20, hex.len()];
    let groups = cuts.windows(2).filter_map(|cut| hex.get(cut[0]..cut[1]));
    groups.collect::<Vec<_>>().join("-")
}
