//! The world while it runs: its tenants with what they have issued, the journal,
//! and what is going to go wrong.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    clock::{Chance, Clock},
    endpoint::{rules::ActiveRules, sequence::Sequences},
    journal::Journal,
    magic,
    scenario::{Auth, Fault, Person, Rule, Scenario, rule::comparable},
};

/// Whether a request that a real server would refuse is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Judged, and answered all the same.
    #[default]
    Judge,
    /// Judged and refused.
    Enforce,
}

/// Everything that the parts of the mock share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) seed: u64,
    pub(crate) mode: Mode,
    /// No variation: every answer has the same form.
    pub(crate) plain: bool,
    pub(crate) journal: Journal,
    tenants: Vec<Tenant>,
    /// TLS faults of the next handshakes.
    handshakes: Mutex<VecDeque<Fault>>,
    refusals: mpsc::UnboundedSender<Duration>,
    /// Is nothing known of the tenants, as behind a relay?
    strangers: bool,
}

/// One tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    pub(crate) auth: Auth,
    pub(crate) digits: usize,
    pub(crate) lifetime: Duration,
    pub(crate) people: Vec<Person>,
    /// Does a magic number have an owner here? Not where a scenario says who there is.
    pub(crate) magic: bool,
    by_number: HashMap<String, Vec<usize>>,
    planned_rules: Vec<Rule>,
    seed: u64,
    state: Mutex<State>,
}

/// What changes while a tenant is called.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rules: ActiveRules,
    /// The faults of the next calls.
    pub(crate) next: VecDeque<Fault>,
    /// The live OTPs by their user's name, in lower case.
    pub(crate) issued: HashMap<String, Issued>,
    /// Codes that nobody may use, with the calls that carried them.
    pub(crate) decoys: VecDeque<(String, u64)>,
    pub(crate) sequences: Sequences,
    pub(crate) chance: Chance,
    /// Calls of the number that is answered on its second try.
    pub(crate) second_try: u64,
    /// The moments of the calls to the number with a limit.
    pub(crate) limited: VecDeque<u64>,
}

/// A live OTP.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) otp: String,
    /// In milliseconds since the Unix epoch.
    pub(crate) expires: u64,
    pub(crate) attempts: u32,
}

impl State {
    fn new(rules: Vec<Rule>, seed: u64, name: &str) -> Self {
        Self {
            rules: ActiveRules::new(rules),
            next: VecDeque::new(),
            issued: HashMap::new(),
            decoys: VecDeque::new(),
            sequences: Sequences::default(),
            chance: Chance::new(seed, name),
            second_try: 0,
            limited: VecDeque::new(),
        }
    }
}

impl Tenant {
    /// May this number be taken for one that somebody has?
    pub(crate) fn knows(&self, calling: &str) -> bool {
        self.by_number.contains_key(calling)
    }

    /// Whose number this is.
    pub(crate) fn owners(&self, calling: &str) -> impl Iterator<Item = &Person> {
        let indices = self.by_number.get(calling).into_iter().flatten();
        indices.map(|index| &self.people[*index])
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to how the scenario has it.
    pub(crate) fn reset(&self) {
        let rules = self.planned_rules.clone();
        *self.state() = State::new(rules, self.seed, &self.name);
    }
}

impl World {
    /// Sets the world up; the receiver is told for how long connections are to be refused.
    pub(crate) fn new(
        scenario: &Scenario,
        clock: Arc<dyn Clock>,
        seed: u64,
        mode: Mode,
        plain: bool,
    ) -> (Self, mpsc::UnboundedReceiver<Duration>) {
        let tenants = scenario.tenants.iter().map(|(name, plan)| {
            let mut by_number: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, person) in plan.people.iter().enumerate() {
                for number in &person.numbers {
                    let owners = by_number.entry(comparable(number)).or_default();
                    if !owners.contains(&index) {
                        owners.push(index);
                    }
                }
            }
            Tenant {
                name: name.clone(),
                auth: plan.auth.clone(),
                digits: plan.digits,
                lifetime: plan.lifetime,
                people: plan.people.clone(),
                magic: plan.people.iter().any(|person| person.magic),
                by_number,
                planned_rules: plan.rules.clone(),
                seed,
                state: Mutex::new(State::new(plan.rules.clone(), seed, name)),
            }
        });
        let (refusals, told) = mpsc::unbounded_channel();
        let world = Self {
            clock,
            seed,
            mode,
            plain,
            journal: Journal::default(),
            tenants: tenants.collect(),
            handshakes: Mutex::new(VecDeque::new()),
            refusals,
            strangers: false,
        };
        (world, told)
    }

    /// The same world, in which every tenant is taken for a right one.
    pub(crate) fn of_strangers(self) -> Self {
        Self {
            strangers: true,
            ..self
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    pub(crate) fn tenants(&self) -> &[Tenant] {
        &self.tenants
    }

    pub(crate) fn tenant(&self, index: usize) -> &Tenant {
        &self.tenants[index]
    }

    /// The tenant with exactly this name.
    pub(crate) fn tenant_named(&self, name: &str) -> Option<usize> {
        if self.strangers {
            let is_one = !name.is_empty() && !name.contains(',');
            return is_one.then_some(0);
        }
        self.tenants.iter().position(|tenant| tenant.name == name)
    }

    /// The tenant that a request without a right one was most likely meant for.
    pub(crate) fn tenant_for(&self, number: Option<&str>) -> usize {
        let calling = number.map(comparable).unwrap_or_default();
        let knows = |tenant: &Tenant| tenant.knows(&calling);
        self.tenants.iter().position(knows).unwrap_or_default()
    }

    /// The tenant a connection belongs to that names none: the only one, or nobody's.
    pub(crate) fn nobodys(&self) -> String {
        match &self.tenants[..] {
            [only] => only.name.clone(),
            _ => String::new(),
        }
    }

    /// What goes wrong next in this tenant.
    pub(crate) fn set_next(&self, tenant: &Tenant, fault: Fault) {
        match fault {
            Fault::RefuseConnect(duration) => self.refuse_connections(duration),
            Fault::Tls(_) => self.handshakes().push_back(fault),
            fault => tenant.state().next.push_back(fault),
        }
    }

    /// Nobody can connect for this long.
    pub(crate) fn refuse_connections(&self, duration: Duration) {
        // Without a listener there is nobody to refuse.
        let _ = self.refusals.send(duration);
    }

    /// What strikes the connection that has just come.
    pub(crate) fn strike_connection(&self) -> Option<Fault> {
        if let Some(fault) = self.handshakes().pop_front() {
            return Some(fault);
        }
        let now = self.now();
        self.tenants.iter().find_map(|tenant| {
            let state = &mut *tenant.state();
            state.rules.strike_connection(now, &mut state.chance)
        })
    }

    /// Forgets everything about a tenant but what the scenario says of it.
    pub(crate) fn reset(&self, tenant: &Tenant) {
        tenant.reset();
        self.handshakes().clear();
        self.journal.forget(&tenant.name);
    }

    fn handshakes(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.handshakes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user that a magic number without an owner is answered for.
pub(crate) fn magic_user(end: u8) -> String {
    debug_assert!(magic::effect(end).is_some(), "a magic number");
    format!("magic06{end:02}")
}
