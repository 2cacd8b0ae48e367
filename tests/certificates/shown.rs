//! Certificates that a client shows to the server itself.

use std::fs;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, SanType, date_time_ymd,
};

use super::{SERIAL, TLS, call, files, http};
use crate::stage::{
    BASIC, HASH, Stage,
    authority::{Authority, Issued, Wish},
    client, tenant, with_clients,
};

/// The authorities of a stage, and the clients' right certificates.
struct Cast {
    ours: Authority,
    theirs: Authority,
    /// Theirs answers for it.
    below: Authority,
    by_print: Issued,
    by_subject: Issued,
    by_dns: Issued,
}

impl Cast {
    fn new() -> Self {
        let theirs = Authority::new("theirs");
        Self {
            ours: Authority::new("ours"),
            by_print: theirs.client("pbx one"),
            by_subject: theirs.client("pbx two"),
            by_dns: theirs.issue(&Wish {
                dns: &["other.example", "PBX3.example"],
                ..Wish::client("pbx three")
            }),
            below: theirs.below("below", |_| {}),
            theirs,
        }
    }

    async fn stage(&self, mode: &str) -> Stage {
        let folder = files(&self.ours, &self.theirs);
        let lists = self.theirs.revoke(&[99]) + &self.below.revoke(&[]);
        fs::write(folder.path().join("clients.crl"), lists).expect("written");
        let server = format!(
            "refusals = \"{mode}\"\n{TLS}client_ca = \"clients.pem\"\nclient_crl = \"clients.crl\"\n"
        );
        let subject = |name: &str| {
            format!("certificate = {{ subject = \"CN={name}, O=Läb\\\\, Inc, C=SE\" }}")
        };
        let print = self.by_print.sha256().to_uppercase();
        let clients = client("one", &format!("certificate = {{ sha256 = \"{print}\" }}"))
            + &client("two", &subject("pbx two"))
            + &client(
                "three",
                "certificate = [{ dns = \"pbx3.example\" }, { dns = \"pbx4.example\" }]",
            )
            + &client("login", &subject("login")).replace("\"getOTP\", ", "")
            + &client(
                "afar",
                &format!("addresses = [\"192.0.2.0/24\"]\n{}", subject("afar")),
            );
        let other = tenant("t2", "people.ldif");
        let (other, _) = other.split_once("[[tenant.client]]").expect("a client");
        let other = format!("{other}{}", client("other", &subject("other")));
        Stage::in_folder(folder, &(with_clients(&server, &clients) + &other)).await
    }
}

#[tokio::test]
async fn right_certificates_are_taken_in_either_mode() {
    let cast = Cast::new();
    let further = cast.theirs.issue_as(&Wish::client("x"), |params| {
        params.subject_alt_names = [
            SanType::Rfc822Name("pbx@example.org".try_into().expect("a mailbox")),
            SanType::DnsName("pbx4.example".try_into().expect("a name")),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ]
        .to_vec();
    });
    let printable = cast.theirs.issue_as(&Wish::client("x"), |params| {
        let text = "pbx two".try_into().expect("printable");
        rename(
            params,
            &[(DnType::CommonName, DnValue::PrintableString(text))],
        );
    });
    let mut chained = cast.below.client("pbx two");
    chained.pem.push_str(&cast.below.pem);
    for mode in ["documented", "http"] {
        let stage = cast.stage(mode).await;
        for (index, (client, what, right)) in [
            ("one", "by fingerprint", &cast.by_print),
            ("two", "by subject", &cast.by_subject),
            ("three", "by name", &cast.by_dns),
            ("three", "by one name of several", &further),
            ("two", "by a subject in other letters", &printable),
            ("two", "by an authority below", &chained),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = stage
                .call(&http(&cast.ours, Some(right)), "https", &[])
                .await;
            assert_eq!(answer.status, 200, "{what}: {answer:?}\n{}", stage.log());
            stage.last_reason(index + 1).await;
            let log = stage.log();
            let line = log.lines().nth(index).expect("a line");
            assert!(line.contains(&format!("\"client\":\"{client}\"")), "{line}");
        }
    }
}

/// The usual name, with these attributes in place of it where it has them.
fn rename(params: &mut CertificateParams, attributes: &[(DnType, DnValue)]) {
    for (kind, value) in attributes {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
}

/// What the handshake refuses.
fn cut_off(cast: &Cast) -> Vec<(&'static str, Issued)> {
    let theirs = &cast.theirs;
    let (foreign, namesake) = (Authority::new("foreign"), Authority::new("theirs"));
    let wish = || Wish::client("pbx two");
    let used_for = |usage| theirs.issue(&Wish { usage, ..wish() });
    let chain = |mut leaf: Issued, above: &str| {
        leaf.pem.push_str(above);
        leaf
    };
    let old = theirs.below("old", |params| params.not_after = date_time_ymd(2025, 1, 1));
    let no_authority = theirs.below("none", |params| params.is_ca = IsCa::ExplicitNoCa);
    let last = theirs.below("last", |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let too_deep = last.below("too deep", |_| {});
    let forged = {
        let mut forged = theirs.client("pbx two");
        let last = forged.der.last_mut().expect("a signature");
        *last ^= 1;
        forged.pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(&forged.der)
        );
        forged
    };
    vec![
        ("another authority's", foreign.client("pbx two")),
        (
            "another authority's with the name",
            foreign.issue(&Wish {
                dns: &["pbx3.example"],
                ..Wish::client("x")
            }),
        ),
        (
            "an authority's that is called the same",
            namesake.client("pbx two"),
        ),
        (
            "an authority's that is called the same and comes along",
            chain(namesake.client("pbx two"), &namesake.pem),
        ),
        ("the server's authority's", cast.ours.client("pbx two")),
        ("one that nobody signed", wish().self_signed()),
        ("one with a forged signature", forged),
        (
            "an expired one",
            theirs.issue(&Wish {
                valid: (2024, 2026),
                ..wish()
            }),
        ),
        (
            "one that is not valid yet",
            theirs.issue(&Wish {
                valid: (2030, 2040),
                ..wish()
            }),
        ),
        (
            "one that was never valid",
            theirs.issue(&Wish {
                valid: (2040, 2024),
                ..wish()
            }),
        ),
        (
            "a revoked one",
            theirs.issue(&Wish {
                serial: 99,
                ..wish()
            }),
        ),
        ("a server's", used_for(ExtendedKeyUsagePurpose::ServerAuth)),
        (
            "a programmer's",
            used_for(ExtendedKeyUsagePurpose::CodeSigning),
        ),
        (
            "a mailbox's",
            used_for(ExtendedKeyUsagePurpose::EmailProtection),
        ),
        ("a clock's", used_for(ExtendedKeyUsagePurpose::TimeStamping)),
        (
            "an authority's own",
            theirs.issue_as(&wish(), |params| {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }),
        ),
        (
            "one by an authority below that is not shown",
            cast.below.client("pbx two"),
        ),
        (
            "one by an expired authority below",
            chain(old.client("pbx two"), &old.pem),
        ),
        (
            "one by a client that is no authority",
            chain(no_authority.client("pbx two"), &no_authority.pem),
        ),
        (
            "one by an authority below the last",
            chain(chain(too_deep.client("pbx two"), &too_deep.pem), &last.pem),
        ),
        ("one for anything", used_for(ExtendedKeyUsagePurpose::Any)),
    ]
}

/// What is good for the handshake and nobody's after it.
fn nobodys(theirs: &Authority) -> Vec<(&'static str, Issued)> {
    let text = |text: &str| DnValue::Utf8String(text.to_owned());
    let renamed = |kind: DnType, name: &str| {
        theirs.issue_as(&Wish::client("pbx two"), |params| {
            rename(params, &[(kind, text(name))]);
        })
    };
    let without = |kind: DnType| {
        theirs.issue_as(&Wish::client("pbx two"), |params| {
            params.distinguished_name.remove(kind);
        })
    };
    let alternative = |name: SanType| {
        theirs.issue_as(&Wish::client("x"), |params| {
            params.subject_alt_names = vec![name];
        })
    };
    let dns = |name: &str| alternative(SanType::DnsName(name.try_into().expect("ASCII")));
    vec![
        ("the same name with another key", theirs.client("pbx one")),
        ("the name in another case", theirs.client("PBX two")),
        ("the name with a blank after it", theirs.client("pbx two ")),
        ("the name with a blank before it", theirs.client(" pbx two")),
        ("the name with two blanks", theirs.client("pbx  two")),
        (
            "the name with a no-break space",
            theirs.client("pbx\u{a0}two"),
        ),
        (
            "the name in letters that look alike",
            theirs.client("рbx two"),
        ),
        ("the name with a NUL", theirs.client("pbx two\0")),
        ("the beginning of a name", theirs.client("pbx")),
        ("a longer name", theirs.client("pbx two2")),
        ("no name", theirs.client("")),
        (
            "a name that holds the others",
            theirs.client("pbx two,O=Läb\\, Inc,C=SE"),
        ),
        (
            "the DNS name as a common name",
            theirs.client("pbx3.example"),
        ),
        ("another country", renamed(DnType::CountryName, "NO")),
        ("no country", without(DnType::CountryName)),
        (
            "another organisation",
            renamed(DnType::OrganizationName, "Läb Inc"),
        ),
        (
            "an organisation in another case",
            renamed(DnType::OrganizationName, "läb, Inc"),
        ),
        (
            "an organisation without its dots",
            renamed(DnType::OrganizationName, "Lab, Inc"),
        ),
        (
            "an organisation taken apart",
            renamed(DnType::OrganizationName, "La\u{308}b, Inc"),
        ),
        ("no organisation", without(DnType::OrganizationName)),
        (
            "a unit more",
            renamed(DnType::OrganizationalUnitName, "phones"),
        ),
        ("a place more", renamed(DnType::LocalityName, "Lund")),
        (
            "the attributes in another order",
            theirs.issue_as(&Wish::client("x"), |params| {
                params.distinguished_name = DistinguishedName::new();
                rename(
                    params,
                    &[
                        (DnType::CommonName, text("pbx two")),
                        (DnType::OrganizationName, text("Läb, Inc")),
                        (DnType::CountryName, text("SE")),
                    ],
                );
            }),
        ),
        (
            "no subject",
            theirs.issue_as(&Wish::client("x"), |params| {
                params.distinguished_name = DistinguishedName::new();
            }),
        ),
        ("a wildcard", dns("*.example")),
        ("a wildcard alone", dns("*")),
        ("a name below", dns("a.pbx3.example")),
        ("a name above", dns("example")),
        ("a name that begins like it", dns("pbx3.example.org")),
        ("a name that ends like it", dns("xpbx3.example")),
        ("a dot at the end", dns("pbx3.example.")),
        ("a blank at the end", dns("pbx3.example ")),
        ("a NUL and more", dns("pbx3.example\0.org")),
        ("two names in one", dns("pbx3.example,pbx4.example")),
        (
            "the name as a mailbox",
            alternative(SanType::Rfc822Name(
                "pbx3.example".try_into().expect("ASCII"),
            )),
        ),
        (
            "the name as a mailbox's host",
            alternative(SanType::Rfc822Name(
                "pbx@pbx3.example".try_into().expect("ASCII"),
            )),
        ),
        (
            "the name as a URI",
            alternative(SanType::URI(
                "https://pbx3.example".try_into().expect("ASCII"),
            )),
        ),
        (
            "an address",
            alternative(SanType::IpAddress([127, 0, 0, 1].into())),
        ),
        ("another tenant's client", theirs.client("other")),
    ]
}

#[tokio::test]
async fn what_the_handshake_refuses_gets_no_answer() {
    let cast = Cast::new();
    let stage = cast.stage("http").await;
    let cases = cut_off(&cast);
    for (name, wrong) in &cases {
        let answer = call(&stage, &http(&cast.ours, Some(wrong)), &[]).await;
        assert_eq!(answer, None, "{name}");
    }
    assert!(cases.len() + nobodys(&cast.theirs).len() >= 40);
    let right = http(&cast.ours, Some(&cast.by_print));
    assert_eq!(stage.call(&right, "https", &[]).await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_is_no_clients_gets_no_otp_in_either_mode() {
    let cast = Cast::new();
    let ours = &cast.ours;
    let nobodys = nobodys(&cast.theirs);
    let (login, afar) = (cast.theirs.client("login"), cast.theirs.client("afar"));
    for mode in ["documented", "http"] {
        let stage = cast.stage(mode).await;
        let refused = if mode == "http" { 401 } else { 403 };
        for (index, (name, wrong)) in nobodys.iter().enumerate() {
            let answer = stage.call(&http(ours, Some(wrong)), "https", &[]).await;
            assert_eq!((answer.status, answer.otp()), (refused, None), "{name}");
            let challenge = (mode == "http").then_some("Certificate realm=\"callotp\"");
            assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
            let reason = stage.last_reason(index + 1).await;
            assert_eq!(reason, "certificate_unknown", "{name}");
            // The operator finds in the log what to write into the configuration.
            let log = stage.log();
            assert!(log.contains(&wrong.sha256()), "{name}:\n{log}");
        }
        let answer = stage.call(&http(ours, None), "https", &[]).await;
        assert_eq!(answer.status, refused, "without a certificate");
        let further = [(&login, "operation_not_allowed"), (&afar, "client_address")];
        for (index, (wrong, reason)) in further.into_iter().enumerate() {
            let answer = stage.call(&http(ours, Some(wrong)), "https", &[]).await;
            let challenge = answer.header("www-authenticate");
            assert_eq!((answer.status, challenge), (403, None), "{reason}");
            assert_eq!(stage.last_reason(nobodys.len() + 2 + index).await, reason);
        }
        // A header decides if there is one: a right certificate does not make it right.
        let right = http(ours, Some(&cast.by_print));
        for header in [BASIC, "Bearer x", "x"] {
            let answer = stage
                .call(&right, "https", &[("authorization", header)])
                .await;
            assert_eq!(answer.status, refused, "{header}");
        }
        // Nobody in front is trusted here, so that nobody's header counts.
        let passed_on = format!(":{}:", STANDARD.encode(&cast.by_print.der));
        let forged = [
            ("client-cert", passed_on.as_str()),
            ("ssl_client_cert", passed_on.as_str()),
        ];
        let answer = stage.call(&http(ours, None), "https", &forged).await;
        assert_eq!(answer.status, refused);
    }
}

#[tokio::test]
async fn a_certificate_ends_while_its_connection_goes_on() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let short = theirs.issue(&Wish {
        valid: (2026, 2028),
        ..Wish::client("pbx")
    });
    let server = format!("{TLS}client_ca = \"clients.pem\"\n");
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx,O=Läb\\\\, Inc,C=SE\" }",
    );
    let stage = Stage::in_folder(files(&ours, &theirs), &with_clients(&server, &clients)).await;
    let http = http(&ours, Some(&short));
    assert_eq!(stage.call(&http, "https", &[]).await.status, 200);
    stage
        .clock
        .advance(std::time::Duration::from_secs(366 * 24 * 3600));
    assert_eq!(stage.call(&http, "https", &[]).await.status, 403);
    assert_eq!(stage.last_reason(2).await, "certificate_expired");
}

#[tokio::test]
async fn a_required_certificate_is_required_of_everybody() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = format!("{TLS}client_ca = \"clients.pem\"\nclient_certificates = \"required\"\n");
    let basic = format!("basic = {{ username = \"pbx\", password_hash = \"{HASH}\" }}");
    let stage = Stage::in_folder(
        files(&ours, &theirs),
        &with_clients(&server, &client("pbx", &basic)),
    )
    .await;
    assert_eq!(call(&stage, &http(&ours, None), &[]).await, None);
    let any = theirs.client("anybody");
    let answer = stage
        .call(
            &http(&ours, Some(&any)),
            "https",
            &[("authorization", BASIC)],
        )
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        stage
            .call(&http(&ours, Some(&any)), "https", &[])
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_revoked_certificate_is_cut_off_from_the_reload_on() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = files(&ours, &theirs);
    let list = folder.path().join("clients.crl");
    fs::write(&list, theirs.revoke(&[99])).expect("written");
    let server = format!("{TLS}client_ca = \"clients.pem\"\nclient_crl = \"clients.crl\"\n");
    let clients = client(
        "pbx",
        "certificate = { subject = \"CN=pbx,O=Läb\\\\, Inc,C=SE\" }",
    );
    let toml = with_clients(&server, &clients);
    let stage = Stage::in_folder(folder, &toml).await;
    let pbx = theirs.client("pbx");
    assert_eq!(
        stage
            .call(&http(&ours, Some(&pbx)), "https", &[])
            .await
            .status,
        200
    );
    fs::write(&list, theirs.revoke(&[99, SERIAL])).expect("written");
    stage.reload_as(&toml).await.expect("a reload");
    assert_eq!(call(&stage, &http(&ours, Some(&pbx)), &[]).await, None);
    let other = theirs.issue(&Wish {
        serial: 8,
        ..Wish::client("pbx")
    });
    assert_eq!(
        stage
            .call(&http(&ours, Some(&other)), "https", &[])
            .await
            .status,
        200
    );
}
