//! The mock as a whole: built, started on its sockets, gone when dropped.

use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use callotp_conformance::contract;
use tokio::task::JoinHandle;

use crate::{
    admin,
    authority::{Authority, AuthorityError},
    clock::{Clock, SystemClock, fresh_seed},
    endpoint::{self, Listener},
    journal::{Journal, Outcome},
    ldap::{Directory, Flavour, StartError},
    people,
    scenario::{Auth, Expectation, Scenario},
    world::{Mode, World},
};

/// What a mock is to be like. Begin with [`Mock::builder`].
#[derive(Debug)]
pub struct MockBuilder {
    scenario: Scenario,
    seed: Option<u64>,
    plain: bool,
    mode: Mode,
    tls: bool,
    flavour: Option<Flavour>,
    http: SocketAddr,
    admin: SocketAddr,
    ldap: SocketAddr,
    ldaps: Option<SocketAddr>,
    clock: Arc<dyn Clock>,
}

/// A running mock. It stops when it is dropped, and closes every connection; expectations
/// that were not met and not verified make the drop panic, as a test wants it.
#[derive(Debug)]
pub struct Mock {
    world: Arc<World>,
    directory: Arc<Directory>,
    authority: Arc<Authority>,
    http: SocketAddr,
    admin: SocketAddr,
    tls: bool,
    tasks: Vec<JoinHandle<()>>,
    expected: Mutex<Vec<Expectation>>,
}

/// The mock cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MockError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {reason}")]
    Listen {
        /// The endpoint, or the administration.
        what: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        reason: io::Error,
    },
    /// The directory cannot start.
    #[error("the directory: {0}")]
    Directory(#[from] StartError),
    /// The LDIF of the scenario cannot be read.
    #[error("{path}: {reason}")]
    Ldif {
        /// The file.
        path: String,
        /// What the system says.
        reason: io::Error,
    },
    /// A certificate cannot be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Expectations that were not met, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unmet(pub Vec<String>);

impl MockBuilder {
    /// What the world holds; the one without a scenario if not said.
    #[must_use]
    pub fn scenario(mut self, scenario: Scenario) -> Self {
        self.scenario = scenario;
        self
    }

    /// The seed of everything that is drawn; the scenario's, or a fresh one, if not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Every answer has the same form.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Refuses what a real server would refuse; if not said, everything is judged and answered.
    #[must_use]
    pub fn enforce(mut self) -> Self {
        self.mode = Mode::Enforce;
        self
    }

    /// The endpoint speaks TLS, with a certificate of the mock's own authority.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Whose habits the directory has; the scenario's, or OpenLDAP's, if not said.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = Some(flavour);
        self
    }

    /// Where the endpoint listens; a free loopback port if not said.
    #[must_use]
    pub fn http(mut self, address: SocketAddr) -> Self {
        self.http = address;
        self
    }

    /// Where the administration listens; a free loopback port if not said.
    #[must_use]
    pub fn admin(mut self, address: SocketAddr) -> Self {
        self.admin = address;
        self
    }

    /// Where the directory listens; a free loopback port if not said.
    #[must_use]
    pub fn ldap(mut self, address: SocketAddr) -> Self {
        self.ldap = address;
        self
    }

    /// Where the directory speaks LDAPS; nowhere if not said.
    #[must_use]
    pub fn ldaps(mut self, address: SocketAddr) -> Self {
        self.ldaps = Some(address);
        self
    }

    /// What tells the time; the machine if not said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Listens and serves.
    pub async fn start(self) -> Result<Mock, MockError> {
        let seed = self.seed.or(self.scenario.seed).unwrap_or_else(fresh_seed);
        let authority = Arc::new(Authority::new());
        let listen = |what, address| {
            Listener::bind(address).map_err(|reason| MockError::Listen {
                what,
                address,
                reason,
            })
        };
        let mut listener = listen("the endpoint", self.http)?;
        if self.tls {
            listener = listener.with_tls(&authority)?;
        }
        let administration = admin::bind(self.admin)
            .await
            .map_err(|reason| MockError::Listen {
                what: "the administration",
                address: self.admin,
                reason,
            })?;
        let directory = Arc::new(self.directory(seed, &authority)?.start().await?);
        let (world, refusals) = World::new(&self.scenario, self.clock, seed, self.mode, self.plain);
        let world = Arc::new(world);
        let (http, admin) = (listener.address(), administration.address());
        let shared = admin::Shared {
            world: Arc::clone(&world),
            directory: Some(Arc::clone(&directory)),
            authority: Some(Arc::clone(&authority)),
            url: url(self.tls, http),
            expected: self.scenario.expect.clone(),
            try_line: try_line(
                &world,
                &url(self.tls, http),
                self.tls.then(|| url(false, admin)).as_deref(),
            ),
        };
        let tasks = vec![
            tokio::spawn(endpoint::serve(listener, Arc::clone(&world), refusals)),
            tokio::spawn(administration.serve(Arc::new(shared))),
        ];
        Ok(Mock {
            world,
            directory,
            authority,
            http,
            admin,
            tls: self.tls,
            tasks,
            expected: Mutex::default(),
        })
    }

    fn directory(
        &self,
        seed: u64,
        authority: &Arc<Authority>,
    ) -> Result<crate::ldap::DirectoryBuilder, MockError> {
        let plan = &self.scenario.directory;
        let flavour = self.flavour.or(plan.flavour).unwrap_or_default();
        let mut builder = Directory::builder()
            .flavour(flavour)
            .seed(seed)
            .listen(self.ldap)
            .authority(Arc::clone(authority))
            .service("callotp", "secret")
            .faults(plan.faults.clone());
        if let Some(ldaps) = self.ldaps {
            builder = builder.ldaps(ldaps);
        }
        let Some(path) = &plan.ldif else {
            return Ok(builder.people(self.people()));
        };
        let text = std::fs::read_to_string(path).map_err(|reason| MockError::Ldif {
            path: path.display().to_string(),
            reason,
        })?;
        Ok(builder.ldif(&text))
    }

    /// Everybody in any tenant; a name that two tenants use is one person's.
    fn people(&self) -> Vec<people::Person> {
        let mut seen = HashSet::new();
        let all = self
            .scenario
            .tenants
            .values()
            .flat_map(|tenant| &tenant.people);
        all.filter(|person| seen.insert(person.username.to_lowercase()))
            .map(|person| people::Person {
                name: person.name.clone(),
                username: person.username.clone(),
                password: person.password.clone(),
                numbers: person.numbers.clone(),
                status: match person.disabled {
                    true => people::Status::Disabled,
                    false => people::Status::Active,
                },
            })
            .collect()
    }
}

impl Mock {
    /// The world without a scenario, every part on a free loopback port.
    pub fn builder() -> MockBuilder {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        MockBuilder {
            scenario: Scenario::without_file(),
            seed: None,
            plain: false,
            mode: Mode::Judge,
            tls: false,
            flavour: None,
            http: free,
            admin: free,
            ldap: free,
            ldaps: None,
            clock: Arc::new(SystemClock::start()),
        }
    }

    /// `http://` or `https://` and the endpoint's address.
    pub fn url(&self) -> String {
        url(self.tls, self.http)
    }

    /// Where the endpoint listens.
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Where the administration listens; the dashboard is there too.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// `http://` and the administration's address.
    pub fn admin_url(&self) -> String {
        url(false, self.admin)
    }

    /// The directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The certificate to trust for TLS.
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// The authority behind every certificate of the mock.
    pub fn authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority)
    }

    /// The calls.
    pub fn journal(&self) -> &Journal {
        &self.world.journal
    }

    /// The seed of everything that is drawn.
    pub fn seed(&self) -> u64 {
        self.world.seed
    }

    /// A shell line with a call that works, for the first tenant.
    pub fn try_line(&self) -> String {
        let ca = self.tls.then(|| self.admin_url());
        try_line(&self.world, &self.url(), ca.as_deref())
    }

    /// The names of the tenants.
    pub fn tenants(&self) -> Vec<&str> {
        let tenants = self.world.tenants().iter();
        tenants.map(|tenant| tenant.name.as_str()).collect()
    }

    /// Holds the callers to this, at [`Mock::verify`] or when the mock is dropped.
    pub fn expect(&self, expectation: Expectation) {
        self.expected().push(expectation);
    }

    /// Are all expectations met? They are held to once: a drop does not ask again.
    pub fn verify(&self) -> Result<(), Unmet> {
        let expected = std::mem::take(&mut *self.expected());
        let now = self.world.now();
        let unmet: Vec<String> = expected
            .iter()
            .filter_map(|one| unmet(one, &self.world.journal.verify(one, now)))
            .collect();
        match unmet.is_empty() {
            true => Ok(()),
            false => Err(Unmet(unmet)),
        }
    }

    /// Verifies, stops listening and closes every connection.
    pub async fn stop(mut self) -> Result<(), Unmet> {
        let verified = self.verify();
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // It was told to stop: how it ended says nothing.
            let _ = task.await;
        }
        self.directory.go_down().await;
        verified
    }

    fn expected(&self) -> MutexGuard<'_, Vec<Expectation>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mock {
    #[expect(
        clippy::panic,
        reason = "a test whose expectations are not met has no other way to fail"
    )]
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let verified = self.verify();
        // A test that fails already shall be told of its own failure only.
        if !std::thread::panicking()
            && let Err(unmet) = verified
        {
            std::panic::panic_any(unmet.to_string());
        }
    }
}

/// A line on an expectation that does not hold.
pub(crate) fn unmet(expected: &Expectation, outcome: &Outcome) -> Option<String> {
    let wanted = expected.describe();
    match outcome {
        Outcome::Held(_) => None,
        Outcome::Unknown => Some(format!(
            "unknown whether {wanted}: the journal no longer reaches back"
        )),
        Outcome::Unmet { found, closest } => {
            let closest: Vec<String> = closest
                .iter()
                .map(|one| format!("\n  {}: {}", one.call.id(), one.mismatches.join("; ")))
                .collect();
            Some(format!(
                "expected {wanted}, got {found}{}",
                closest.concat()
            ))
        }
    }
}

fn url(tls: bool, address: SocketAddr) -> String {
    match tls {
        true => format!("https://{address}"),
        false => format!("http://{address}"),
    }
}

/// A call that works; `ca` is the administration's URL where the CA has to be fetched first.
fn try_line(world: &World, url: &str, ca: Option<&str>) -> String {
    let tenant = world.tenant(0);
    let number = tenant
        .people
        .iter()
        .find_map(|person| person.numbers.first());
    let number = number.map_or("+46701740605", String::as_str);
    let auth = match &tenant.auth {
        Auth::None => String::new(),
        Auth::Basic { username, password } => format!("-u '{username}:{password}' "),
        Auth::Bearer(token) => format!("-H 'Authorization: Bearer {token}' "),
    };
    let ca = ca.map(|admin| format!("--cacert <(curl -s {admin}/ca.pem) "));
    let ca = ca.unwrap_or_default();
    let (name, path) = (&tenant.name, contract::GET_OTP_PATH);
    format!(
        "curl -i -X PUT {url}{path} {ca}{auth}-H 'tenant: {name}' -H 'Content-Type: application/json' -d '{{\"phonenumber\":\"{number}\"}}'"
    )
}
