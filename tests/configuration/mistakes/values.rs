//! Values that make no sense.

use super::super::{LARGE, SMALL, at, line_of, problems, with};

/// Where a line stands, the line, the key that is told, and a part of what is told.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

#[test]
fn every_value_that_makes_no_sense_is_told_where_it_stands() {
    let small: &[Mistake] = &[
        (
            "[server]",
            "listen = 8080",
            "server.listen",
            "expected a text",
        ),
        (
            "[server]",
            "listen = \"localhost:8080\"",
            "server.listen",
            "IP address and a port",
        ),
        (
            "[server]",
            "listen = \"0.0.0.0:8080\"",
            "server.listen",
            "plain_http = true",
        ),
        (
            "[server]",
            "listen = \"[::]:8080\"",
            "server.listen",
            "not loopback",
        ),
        (
            "[server]",
            "listen = \"[::ffff:10.0.0.1]:8080\"",
            "server.listen",
            "not loopback",
        ),
        (
            "[server]",
            "admin_listen = \"of\"",
            "server.admin_listen",
            "\"off\"",
        ),
        (
            "[server]",
            "refusals = \"HTTP\"",
            "server.refusals",
            "documented or http",
        ),
        (
            "[server]",
            "refusals = \"htpt\"",
            "server.refusals",
            "did you mean http?",
        ),
        (
            "[server]",
            "accept_post = \"true\"",
            "server.accept_post",
            "true or false",
        ),
        ("[server]", "max_body = \"16 KB\"", "server.max_body", "KiB"),
        (
            "[server]",
            "max_body = \"1 GiB\"",
            "server.max_body",
            "64 B to 1 MiB",
        ),
        ("[server]", "max_body = -1", "server.max_body", "not a size"),
        (
            "[server]",
            "request_timeout = 3",
            "server.request_timeout",
            "\"3s\"",
        ),
        (
            "[server]",
            "request_timeout = \"0s\"",
            "server.request_timeout",
            "10ms to 1m",
        ),
        (
            "[server]",
            "request_timeout = \"-3s\"",
            "server.request_timeout",
            "not a duration",
        ),
        (
            "[server]",
            "request_timeout = \"3\"",
            "server.request_timeout",
            "not a duration",
        ),
        (
            "[server]",
            "request_timeout = \"2h\"",
            "server.request_timeout",
            "10ms to 1m",
        ),
        (
            "[server]",
            "max_connections = 0",
            "server.max_connections",
            "1 to 1000000",
        ),
        (
            "[server]",
            "max_connections = 1.5",
            "server.max_connections",
            "a fraction",
        ),
        (
            "[server]",
            "max_connections = 99999999999999999999",
            "server.max_connections",
            "too large",
        ),
        ("[server]", "tls = true", "server.tls", "expected a table"),
        (
            "[store]",
            "kind = \"sqlite\"",
            "store.kind",
            "memory, embedded or redis",
        ),
        ("[[tenant]]", "id = \"\"", "tenant.id", "empty"),
        ("[[tenant]]", "id = \"t 1\"", "tenant.id", "header"),
        ("[[tenant]]", "id = \"t\\u0000\"", "tenant.id", "NUL"),
        (
            "[[tenant]]",
            "operations = []",
            "tenant.operations",
            "empty",
        ),
        (
            "[[tenant]]",
            "operations = [\"getotp\"]",
            "tenant.operations",
            "did you mean getOTP?",
        ),
        (
            "[tenant.otp]",
            "digits = 5",
            "tenant.otp.digits",
            "6 to 12 (NIST",
        ),
        (
            "[tenant.otp]",
            "digits = 13",
            "tenant.otp.digits",
            "6 to 12",
        ),
        (
            "[tenant.otp]",
            "lifetime = \"601s\"",
            "tenant.otp.lifetime",
            "1ms to 10m (NIST",
        ),
        (
            "[tenant.otp]",
            "lifetime = \"0m\"",
            "tenant.otp.lifetime",
            "1ms to 10m",
        ),
        (
            "[tenant.otp]",
            "lifetime = \"99999999999999999h\"",
            "tenant.otp.lifetime",
            "too long",
        ),
        (
            "[tenant.otp]",
            "attempts = 0",
            "tenant.otp.attempts",
            "1 to 10",
        ),
        (
            "[tenant.otp]",
            "attempts = 11",
            "tenant.otp.attempts",
            "1 to 10",
        ),
        (
            "[tenant.validate]",
            "password = \"yes\"",
            "tenant.validate.password",
            "ignored",
        ),
        (
            "[tenant.validate]",
            "order = \"otp_first\"",
            "tenant.validate.order",
            "mean otp-first?",
        ),
        (
            "[tenant.lockout]",
            "failures = 101",
            "tenant.lockout.failures",
            "1 to 100 (NIST",
        ),
        (
            "[tenant.lockout]",
            "failures = 0",
            "tenant.lockout.failures",
            "1 to 100",
        ),
        (
            "[tenant.lockout]",
            "window = \"0s\"",
            "tenant.lockout.window",
            "1ms to 365d",
        ),
        (
            "[tenant.lockout]",
            "kind = \"medium\"",
            "tenant.lockout.kind",
            "soft or hard",
        ),
        (
            "[tenant.throttle]",
            "lookback = 1",
            "tenant.throttle.lookback",
            "2 to 20",
        ),
        (
            "[tenant.throttle]",
            "lookback = 21",
            "tenant.throttle.lookback",
            "2 to 20",
        ),
        (
            "[tenant.throttle]",
            "quarantine = \"0s\"",
            "tenant.throttle.quarantine",
            "1ms to 30d",
        ),
        (
            "[tenant.phone]",
            "region = \"Sweden\"",
            "tenant.phone.region",
            "two letters",
        ),
        (
            "[tenant.phone]",
            "matching = \"fuzzy\"",
            "tenant.phone.matching",
            "normalised or exact",
        ),
        (
            "[[tenant.phone.rewrite]]",
            "from = \"(\"",
            "tenant.phone.rewrite.from",
            "regular",
        ),
        (
            "[[tenant.phone.rewrite]]",
            "to = \"$2\"",
            "tenant.phone.rewrite.to",
            "group 2",
        ),
        (
            "[tenant.directory]",
            "kind = \"ldab\"",
            "tenant.directory.kind",
            "ldif or ldap",
        ),
        (
            "[tenant.directory]",
            "urls = [\"ldap://a\"]",
            "tenant.directory.urls",
            "kind = \"ldap\"",
        ),
        (
            "[tenant.directory]",
            "lookup = \"index\"",
            "tenant.directory.lookup",
            "in memory anyway",
        ),
        (
            "[tenant.directory]",
            "user_filter = \"(&(uid=*)\"",
            "tenant.directory.user_filter",
            "4515",
        ),
        (
            "[tenant.directory]",
            "phone_attributes = [\"mobile\", \"a b\"]",
            "tenant.directory.phone_attributes",
            "attribute",
        ),
        (
            "[[tenant.client]]",
            "addresses = [\"10.0.0.1/8\"]",
            "tenant.client.addresses",
            "10.0.0.0/8",
        ),
        (
            "[[tenant.client]]",
            "addresses = [\"ten\"]",
            "tenant.client.addresses",
            "2001:db8::/32",
        ),
        (
            "[[tenant.client]]",
            "operations = [\"otp_token_auth\"]",
            "tenant.client.operations",
            "the tenant does not serve otp_token_auth",
        ),
        (
            "[[tenant.client]]",
            "certificate = { dns = \"pbx.example.org\" }",
            "tenant.client.certificate",
            "no certificate can arrive",
        ),
        (
            "[[tenant.client.basic]]",
            "username = \"a:b\"",
            "tenant.client.basic.username",
            "7617",
        ),
        (
            "[[tenant.client.basic]]",
            "username = \"\"",
            "tenant.client.basic.username",
            "empty",
        ),
        (
            "[[tenant.client.basic]]",
            "password_hash = \"$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAA\"",
            "tenant.client.basic.password_hash",
            "callotp hash-password",
        ),
    ];
    let large: &[Mistake] = &[
        (
            "[server.proxy]",
            "trusted = []",
            "server.proxy.trusted",
            "empty",
        ),
        (
            "[server.proxy]",
            "client_certificate_header = \"client cert\"",
            "server.proxy.client_certificate_header",
            "header",
        ),
        (
            "[server.tls]",
            "client_certificates = \"never\"",
            "server.tls.client_certificates",
            "optional or required",
        ),
        (
            "[store]",
            "path = \"callotp.redb\"",
            "store.path",
            "the kind is \"redis\"",
        ),
        ("[store]", "url = \"http://redis\"", "store.url", "redis://"),
        ("[store]", "url = \"redis://\"", "store.url", "no host"),
        (
            "[store]",
            "wait_replicas = 101",
            "store.wait_replicas",
            "0 to 100",
        ),
        (
            "[store]",
            "urls = [\"redis://a\"]",
            "store.urls",
            "keep one of the two",
        ),
        (
            "[store]",
            "password = \"x\"",
            "store.url",
            "`password` is there as well",
        ),
        (
            "[tenant.directory]",
            "path = \"people.ldif\"",
            "tenant.directory.path",
            "kind = \"ldif\"",
        ),
        (
            "[tenant.directory]",
            "urls = [\"https://a\"]",
            "tenant.directory.urls",
            "ldaps://",
        ),
        (
            "[tenant.directory]",
            "urls = [\"ldap://\"]",
            "tenant.directory.urls",
            "host",
        ),
        (
            "[tenant.directory]",
            "urls = []",
            "tenant.directory.urls",
            "empty",
        ),
        (
            "[tenant.directory]",
            "urls = [\"ldaps://u:p@a\"]",
            "tenant.directory.urls",
            "",
        ),
        (
            "[tenant.directory]",
            "index_refresh = \"999ms\"",
            "tenant.directory.index_refresh",
            "1s to 1d",
        ),
        (
            "[tenant.directory]",
            "bind_password_file = \"x\"",
            "tenant.directory.bind_password_file",
            "keep one of the two",
        ),
        (
            "[[tenant.client.bearer]]",
            "issuer = \"http://idp.example.org\"",
            "tenant.client.bearer.issuer",
            "https",
        ),
        (
            "[[tenant.client.bearer]]",
            "jwks_url = \"https://idp.example.org/jwks\"",
            "tenant.client.bearer.introspection_url",
            "keep one of the two",
        ),
        (
            "[[tenant.client.bearer]]",
            "any_type = true",
            "tenant.client.bearer.any_type",
            "JWTs",
        ),
        (
            "[[tenant.client.certificate]]",
            "sha256 = \"abcd\"",
            "tenant.client.certificate.sha256",
            "64 hexadecimal digits",
        ),
        (
            "[[tenant.client.certificate]]",
            "dns = \"pbx.example.org\"",
            "tenant.client.certificate",
            "exactly one",
        ),
    ];
    let all = [(SMALL, small), (LARGE, large)];
    for (text, (header, line, key, what)) in all
        .iter()
        .flat_map(|(text, mistakes)| mistakes.iter().map(move |mistake| (text, mistake)))
    {
        let text = with(text, header, line);
        let told = problems(&text);
        let found = told
            .iter()
            .find(|problem| problem.key == *key && problem.what.contains(what));
        let found = found.unwrap_or_else(|| panic!("{header} {line}: {what}\ngot {told:#?}"));
        if found.key.ends_with(line.split(' ').next().expect("a key")) {
            let column = line.find('=').expect("a value") + 3;
            let (told_line, told_column) = at(found);
            assert_eq!(told_line, line_of(&text, line), "{line}: {found:?}");
            assert!(told_column >= column, "{line}: {found:?}");
        }
    }
}
