//! A server's process: started on one core, asked what it has used, ended.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From starting it to its readiness line.
    pub started_in: Duration,
}

impl Server {
    /// Starts `program` on core 0, its log lines in the file `log`.
    pub fn start(program: &str, arguments: &[&str], log: &Path) -> Self {
        Self::start_on("0", program, arguments, log)
    }

    /// The same on these cores, as `taskset` writes them.
    pub fn start_on(cores: &str, program: &str, arguments: &[&str], log: &Path) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
        let start = Instant::now();
        let mut child = Command::new("taskset")
            .args(["--cpu-list", cores, program])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no readiness line: {}", fs::read_to_string(log).unwrap()));
        Self {
            child,
            address: ready["listening"].as_str().unwrap().parse().unwrap(),
            started_in: start.elapsed(),
        }
    }

    /// User and system time of the process so far.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        // Fields 14 and 15 of proc(5), in ticks of 10 ms; the first after the name is field 3.
        let ticks: u64 = [11, 12]
            .map(|index| fields[index].parse::<u64>().unwrap())
            .iter()
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The load runs here; the servers have the first core to themselves.
pub fn pin_to_second_core() {
    let me = std::process::id().to_string();
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--cpu-list", "--pid", "1", &me]);
    assert!(
        taskset.stdout(Stdio::null()).status().unwrap().success(),
        "taskset failed"
    );
}
