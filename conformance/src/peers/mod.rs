//! Endpoints that the suite is tested against: a correct one, the same with one
//! deliberate defect (a *mutant*), the same in another legal manner (a *variant*), and
//! *hostile* ones that want to hold whoever calls. They listen on loopback, keep nothing
//! and know only people made up here.

mod defect;
mod hostile;
mod http;
mod manner;
mod mutants;
mod otps;
mod secure;
mod variants;
mod world;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::CertificateDer;
use tokio::{net::TcpListener, task::JoinHandle};

pub use defect::Defect;
pub use hostile::{HOSTILE, Hostile};
pub use manner::{Credentials, Manner, Refusal};
pub use mutants::{MUTANTS, Mutant};
pub use secure::Tls;
pub use variants::{VARIANTS, Variant};
use world::World;
pub(crate) use world::{People, Person};

use crate::{
    catalogue::Profile,
    secret::{Number, Secret},
    target::{Auth, BaseUrl, ClientCertificate, OtherTenant, Target, Validate},
};

/// How long an OTP of these endpoints lives.
const LIFETIME: Duration = Duration::from_secs(2);

/// An endpoint on a free port of this machine. It stops when it is dropped.
pub struct Peer {
    address: SocketAddr,
    tls: bool,
    credentials: Credentials,
    client: Option<ClientCertificate>,
    authority: Vec<CertificateDer<'static>>,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// The correct endpoint, in this manner and with this defect, if any.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(manner: Manner, defect: Option<Defect>) -> std::io::Result<Self> {
        Self::with_people(People::made_up(), manner, defect).await
    }

    /// The correct endpoint for people chosen by the caller.
    pub(crate) async fn with_people(
        people: People,
        manner: Manner,
        defect: Option<Defect>,
    ) -> std::io::Result<Self> {
        let (listener, address) = listen().await?;
        let security = manner.tls.map(secure::Security::new).transpose()?;
        let authority = security.as_ref().map(|security| security.authority.clone());
        let client = security.as_ref().and_then(secure::Security::client);
        let world = Arc::new(World::new(people, manner, defect));
        let task = tokio::spawn(http::serve(listener, world, security));
        Ok(Self {
            address,
            credentials: manner.credentials,
            client,
            tls: authority.is_some(),
            authority: authority.into_iter().collect(),
            task,
        })
    }

    /// A hostile endpoint.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn hostile(hostile: Hostile) -> std::io::Result<Self> {
        let (listener, address) = listen().await?;
        let security = match hostile {
            Hostile::ExpiredCertificate => Some(secure::Security::new(Tls::Expired)?),
            _ => None,
        };
        let authority = security.as_ref().map(|security| security.authority.clone());
        let task = tokio::spawn(hostile::serve(listener, hostile, security));
        Ok(Self {
            address,
            credentials: Credentials::Basic,
            client: None,
            tls: authority.is_some(),
            authority: authority.into_iter().collect(),
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL.
    pub fn url(&self) -> String {
        self.base().to_string()
    }

    /// A description of it, everything included that unlocks a clause.
    pub fn target(&self) -> Target {
        Target {
            url: self.base(),
            tenant: "t1".to_owned(),
            auth: match (self.credentials, &self.client) {
                (_, Some(client)) => Auth::Certificate(client.clone()),
                (Credentials::Basic, None) => Auth::Basic {
                    username: Secret::new("pbx"),
                    password: Secret::new("opensesame"),
                },
                (Credentials::Bearer, None) => Auth::Bearer(Secret::new("opensesame")),
                (Credentials::None, None) => Auth::Network,
            },
            known: Number::new("+46701740605"),
            unknown: Number::new("+46701740699"),
            spellings: vec![Number::new("46701740605")],
            other_tenant: Some(OtherTenant {
                id: "t2".to_owned(),
                known: Number::new("+46701740610"),
            }),
            other_operation: Some("otp_token_auth".to_owned()),
            validate: Some(Validate {
                operation: "validate".to_owned(),
                username: Secret::new("ada"),
                password: Some(Secret::new("correct horse")),
                other: Some((Secret::new("bo"), Some(Secret::new("battery staple")))),
                lifetime: Some(LIFETIME),
            }),
            production: false,
            profile: Profile::Hardened,
            ca: self.authority.clone(),
            file: None,
        }
    }

    fn base(&self) -> BaseUrl {
        BaseUrl {
            tls: self.tls,
            host: match self.tls {
                true => "localhost".to_owned(),
                false => self.address.ip().to_string(),
            },
            port: self.address.port(),
            prefix: String::new(),
        }
    }
}

async fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
