//! A Redis of the test's own, on a port that was free.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

/// Ends with the test, and so do its files.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// Starts a server with these settings beside the plain ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_on(free_port(), settings)
    }

    /// The same on this port.
    pub(crate) fn start_on(port: u16, settings: &[&str]) -> Self {
        Self::run(port, "save \"\"\n", settings, &[])
    }

    /// Starts a sentinel that watches the server on `master`, and calls it "otp".
    pub(crate) fn sentinel(master: u16) -> Self {
        Self::sentinel_with(master, &[])
    }

    /// The same with these settings.
    pub(crate) fn sentinel_with(master: u16, settings: &[&str]) -> Self {
        let monitor = format!("sentinel monitor otp 127.0.0.1 {master} 1");
        let own = [
            monitor.as_str(),
            // Not so soon that a busy machine looks like a dead one.
            "sentinel down-after-milliseconds otp 1500",
            "sentinel failover-timeout otp 3000",
        ];
        let settings = [&own[..], settings].concat();
        Self::run(free_port(), "", &settings, &["--sentinel"])
    }

    fn run(port: u16, base: &str, settings: &[&str], flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\n{base}{}\n",
            folder.path().display(),
            settings.join("\n")
        );
        std::fs::write(folder.path().join("redis.conf"), own).expect("a configuration");
        Self {
            process: spawn(folder.path(), port, flags),
            port,
            folder,
        }
    }

    /// Starts it again after its end, with what it has on its disk.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.folder.path(), self.port, &[]);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server says to a command, raw. An administrator's connection, without a user.
    pub(crate) fn say(&self, command: &[&str]) -> String {
        say(self.port, &[command]).expect("an answer")
    }

    /// The same after showing a password.
    pub(crate) fn say_as(&self, password: &str, command: &[&str]) -> String {
        say(self.port, &[&["AUTH", password], command]).expect("an answer")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.process.id().to_string()])
            .status();
        assert!(sent.expect("kill").success());
    }

    /// `kill -9`, and the funeral.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("ours to kill");
        self.process.wait().expect("ours to bury");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

fn spawn(folder: &Path, port: u16, flags: &[&str]) -> Child {
    let mut process = Command::new("redis-server")
        .arg(folder.join("redis.conf"))
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed (ci/install-components)");
    let started = Instant::now();
    while !answers(port) {
        let ended = process.try_wait().expect("our child");
        assert!(ended.is_none(), "redis-server ended: {ended:?}");
        assert!(started.elapsed() < Duration::from_secs(20), "no answer");
        std::thread::sleep(Duration::from_millis(5));
    }
    process
}

/// A port that is free now, and low enough for a cluster's second one.
pub(crate) fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        if port < 55_000 {
            return port;
        }
    }
}

fn answers(port: u16) -> bool {
    say(port, &[&["PING"]]).is_ok_and(|answer| answer.starts_with(['+', '-']))
}

/// What the server says to the last of these commands, as far as it comes at once.
fn say(port: u16, commands: &[&[&str]]) -> std::io::Result<String> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut answer = vec![0; 1 << 16];
    let mut read = 0;
    for command in commands {
        let mut request = format!("*{}\r\n", command.len());
        for word in *command {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        connection.write_all(request.as_bytes())?;
        read = connection.read(&mut answer)?;
    }
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}
