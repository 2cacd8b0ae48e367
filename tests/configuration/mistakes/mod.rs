//! Each mistake is told once, at its place, with its key and what to do.

mod values;

use super::{LARGE, SMALL, at, line_of, load, problems, with};

#[test]
fn what_is_missing_is_told_with_the_table_that_lacks_it() {
    for (text, line, key, what) in [
        (SMALL, "id = \"t1\"", "tenant.id", "missing"),
        (SMALL, "kind = \"ldif\"", "tenant.directory.kind", "missing"),
        (
            SMALL,
            "path = \"people.ldif\"",
            "tenant.directory.path",
            "missing",
        ),
        (SMALL, "name = \"pbx\"", "tenant.client.name", "missing"),
        (
            SMALL,
            "username = \"pbx\"",
            "tenant.client.basic.username",
            "missing",
        ),
        (
            LARGE,
            "private_key = \"server.key\"",
            "server.tls.private_key",
            "missing",
        ),
        (
            LARGE,
            "trusted = [\"127.0.0.1/32\"]",
            "server.proxy.trusted",
            "missing",
        ),
        (
            LARGE,
            "key_file = \"callotp.key\"",
            "store.key_file",
            "missing",
        ),
        (
            LARGE,
            "base = \"dc=example,dc=org\"",
            "tenant.directory.base",
            "missing",
        ),
        (
            LARGE,
            "bind_dn = \"cn=callotp,dc=example,dc=org\"",
            "tenant.directory.bind_password",
            "bind_dn",
        ),
        (
            LARGE,
            "bind_password = \"planted-for-the-directory\"",
            "tenant.directory.bind_dn",
            "4513",
        ),
        (
            LARGE,
            "client_secret = \"planted-for-the-issuer\"",
            "tenant.client.bearer.client_secret",
            "client_secret_file",
        ),
        (
            LARGE,
            "introspection_url = \"https://idp.example.org/introspect\"",
            "tenant.client.bearer.audience",
            "missing",
        ),
        (
            LARGE,
            "password_hash_file = \"pbx.hash\"",
            "tenant.client.basic.password_hash",
            "password_hash_file",
        ),
        (
            LARGE,
            "subject = \"CN=pbx,O=Example\"",
            "tenant.client.certificate",
            "exactly one",
        ),
    ] {
        let before = line_of(text, line);
        let told = problems(text.replace(&format!("\n{line}\n"), "\n\n"));
        let found = told
            .iter()
            .find(|problem| problem.key == key && problem.what.contains(what));
        let found = found.unwrap_or_else(|| panic!("without {line}: {what}\ngot {told:#?}"));
        let header = text.lines().take(before).collect::<Vec<_>>();
        let header = 1 + header
            .iter()
            .rposition(|line| line.starts_with('['))
            .expect("a header");
        assert!((header..=header + 12).contains(&at(found).0), "{found:?}");
    }
}

#[test]
fn all_problems_of_a_file_are_told_together_in_its_order() {
    let text = with(SMALL, "[server]", "lisen = \"x\"");
    let text = with(&text, "[tenant.otp]", "digits = 5");
    let text = with(&text, "[tenant.lockout]", "window = 30");
    let text = with(&text, "[[tenant.client.basic]]", "username = \"a:b\"");
    let text = text.replace("path = \"people.ldif\"\n", "");
    let told: Vec<(usize, String)> = problems(&text)
        .into_iter()
        .map(|problem| (at(&problem).0, problem.key))
        .collect();
    let expected = [
        ("lisen = \"x\"", "server.lisen"),
        ("digits = 5", "tenant.otp.digits"),
        ("window = 30", "tenant.lockout.window"),
        ("[tenant.directory]", "tenant.directory.path"),
        ("username = \"a:b\"", "tenant.client.basic.username"),
    ]
    .map(|(line, key)| (line_of(&text, line), key.to_owned()));
    assert_eq!(told, expected);
}

#[test]
fn a_line_names_file_line_column_key_and_owner() {
    let text = with(SMALL, "[tenant.otp]", "digits = 5");
    let problems = load(&text).err().expect("a problem").to_string();
    let (path, rest) = problems.split_once(".toml:").expect("a file");
    assert!(path.ends_with("callotp"), "{problems}");
    let place = format!("{}:10: ", line_of(&text, "digits = 5"));
    let expected = "tenant.otp.digits (tenant \"t1\"): 5 is not within 6 to 12 (NIST SP 800-63B-4 \
                    §3.1.3.2 asks for six; nobody types more than twelve)";
    assert_eq!(rest, format!("{place}{expected}"));
}

#[test]
fn what_is_not_toml_is_told_beside_what_is_wrong_on_other_lines() {
    let text = with(SMALL, "[server]", "refusals = \"http");
    let text = with(&text, "[tenant.otp]", "digits = 5");
    let text = with(&text, "[tenant.lockout]", "failures =");
    let text = with(&text, "[tenant.throttle]", "lookback 5");
    let told = problems(&text);
    let lines: Vec<usize> = told.iter().map(|problem| at(problem).0).collect();
    let expected = [
        "refusals = \"http",
        "digits = 5",
        "failures =",
        "lookback 5",
    ];
    let expected = expected.map(|line| line_of(&text, line));
    assert_eq!(lines, expected, "{told:#?}");
    for problem in told {
        let is_syntax = problem.what.starts_with("not TOML");
        assert_eq!(is_syntax, problem.key.is_empty(), "{problem:?}");
    }
}

#[test]
fn the_two_listeners_must_not_be_in_each_others_way() {
    let told = |listen: &str, admin: &str| {
        let text = with(SMALL, "[server]", &format!("listen = \"{listen}\""));
        let text = with(&text, "[server]", &format!("admin_listen = \"{admin}\""));
        let text = with(&text, "[server]", "plain_http = true");
        problems(text).len()
    };
    assert_eq!(told("127.0.0.1:8080", "127.0.0.1:8080"), 1);
    assert_eq!(told("0.0.0.0:8080", "127.0.0.1:8080"), 1);
    assert_eq!(told("[::1]:8080", "[::]:8080"), 1);
    assert_eq!(told("127.0.0.1:8080", "[::1]:8080"), 0);
    assert_eq!(told("127.0.0.1:8080", "127.0.0.2:8080"), 0);
    assert_eq!(told("127.0.0.1:0", "127.0.0.1:0"), 0);
}

#[test]
fn a_key_that_is_written_twice_is_told() {
    let text = SMALL.replace("kind = \"memory\"", "kind = \"memory\"\nkind = \"memory\"");
    let told = problems(&text);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!(at(&told[0]).0, line_of(&text, "kind = \"memory\"") + 1);
    assert!(told[0].what.contains("duplicate"), "{told:#?}");
}

#[test]
fn tenants_clients_and_credentials_are_told_apart() {
    let client = |name: &str, user: &str| {
        format!(
            "[[tenant.client]]\nname = \"{name}\"\nbasic = {{ username = \"{user}\", password_hash = \"{}\" }}\n",
            super::HASH
        )
    };
    let told = |text: String| {
        let told = problems(text);
        let keys: Vec<String> = told.iter().map(|problem| problem.key.clone()).collect();
        keys
    };
    let none = Vec::<String>::new();
    assert_eq!(told(format!("{SMALL}{}", client("other", "other"))), none);
    assert_eq!(
        told(format!("{SMALL}{}", client("pbx", "other"))),
        ["tenant.client.name"]
    );
    assert_eq!(
        told(format!("{SMALL}{}", client("other", "pbx"))),
        ["tenant.client.basic"]
    );
    assert_eq!(told(format!("{SMALL}{}", client("PBX", "Pbx"))), none);
    let tenant = |id: &str| {
        let start = SMALL.find("[[tenant]]").expect("the tenant");
        SMALL[start..].replace("\"t1\"", &format!("\"{id}\""))
    };
    assert_eq!(told(format!("{SMALL}{}", tenant("t1"))), ["tenant.id"]);
    assert_eq!(told(format!("{SMALL}{}", tenant("T1"))), none);
}

#[test]
fn without_a_tenant_a_client_or_credentials_there_is_nothing_to_serve() {
    let cut = |from: &str| SMALL[..SMALL.find(from).expect("the section")].to_owned();
    for (text, key, what) in [
        (String::new(), "tenant", "[[tenant]]"),
        (cut("[[tenant]]"), "tenant", "[[tenant]]"),
        (
            cut("[[tenant.client]]"),
            "tenant.client",
            "[[tenant.client]]",
        ),
        (
            cut("[[tenant.client.basic]]"),
            "tenant.client",
            "no credentials",
        ),
    ] {
        let told = problems(text);
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(told[0].key, key);
        assert!(told[0].what.contains(what), "{told:#?}");
    }
}

#[test]
fn what_is_not_a_file_of_text_is_refused_by_name() {
    for (text, what) in [
        (b"[server]\nlisten = \"\xff\"".to_vec(), "UTF-8 (line 2)"),
        (vec![b'#'; (1 << 20) + 1], "longer than 1 MiB"),
    ] {
        let told = problems(text);
        assert!(told.len() == 1 && told[0].what.contains(what), "{told:#?}");
    }
    let folder = super::Folder::new();
    let load = |name: &str| {
        let path = folder.path().join(name);
        let loaded = callotp::config::load(&path, &callotp::config::Environment::default());
        loaded.err().expect("a problem").to_string()
    };
    assert!(load("absent.toml").contains("absent.toml: cannot be read"));
    assert!(load("").contains("cannot be read"));
}

#[test]
fn what_is_allowed_but_unwise_is_a_warning() {
    let warnings = |text: &str| load(text).map(|config| config.warnings).expect("right");
    assert_eq!(warnings(SMALL), Vec::<String>::new());
    let open = with(SMALL, "[server]", "admin_listen = \"0.0.0.0:9080\"");
    let nowhere = SMALL.replace("region = \"SE\"\n", "");
    let forgotten = with(SMALL, "[store]", "path = \"callotp.redb\"");
    let patient = with(SMALL, "[server]", "request_timeout = \"3001ms\"");
    for (text, key) in [
        (open, "server.admin_listen: "),
        (patient, ": server.request_timeout: longer than 3s"),
        (nowhere, "tenant.phone.region "),
        (forgotten, "store.path: "),
    ] {
        let warnings = warnings(&text);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(key), "{warnings:?}");
    }
}
