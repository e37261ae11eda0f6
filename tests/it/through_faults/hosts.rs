//! Hosts of their own on one machine: network namespaces, joined by a router whose firewall breaks the lines between them.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Networks that this process has made: their names differ.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Some hosts and what joins them. Only root may make one.
pub(crate) struct Network {
    name: String,
    hosts: usize,
}

/// Between whom the router drops packets.
#[derive(Clone, Copy)]
pub(crate) enum Line {
    /// Those of a host, both ways.
    Of(usize),
    /// Those from one host to another.
    FromTo(usize, usize),
}

impl Network {
    /// Makes hosts 1 to `hosts`; the error says what this machine lacks.
    pub(crate) fn new(hosts: usize) -> Result<Network, String> {
        let name = format!("gs{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // Dropped, and with it whatever was made, when one of the steps fails.
        let network = Network { name, hosts };
        run("nft --version")?;
        let router = network.namespace(0);
        run(&format!("ip netns add {router}"))?;
        for host in 1..=hosts {
            network.join(host)?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run_all(Command::new("ip").args(["netns", "exec", &router, "sh", "-c", forward]))?;
        network.nft("add table inet faults")?;
        network
            .nft("add chain inet faults lines { type filter hook forward priority 0 ; policy accept ; }")?;
        Ok(network)
    }

    fn join(&self, host: usize) -> Result<(), String> {
        let (router, this) = (self.namespace(0), self.namespace(host));
        let address = self.address(host);
        for step in [
            format!("ip netns add {this}"),
            format!("ip link add line netns {this} type veth peer name line{host} netns {router}"),
            format!("ip -n {this} link set lo up"),
            format!("ip -n {this} addr add {address}/24 dev line"),
            format!("ip -n {this} link set line up"),
            format!("ip -n {router} addr add 10.77.{host}.1/24 dev line{host}"),
            format!("ip -n {router} link set line{host} up"),
            format!("ip -n {this} route add default via 10.77.{host}.1"),
        ] {
            run(&step)?;
        }
        Ok(())
    }

    fn namespace(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }

    pub(crate) fn address(&self, host: usize) -> String {
        format!("10.77.{host}.2")
    }

    /// The same command on a host. Its process is the command's own: `ip netns exec` becomes it.
    pub(crate) fn on(&self, host: usize, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.namespace(host)]);
        there.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            there.current_dir(folder);
        }
        there
    }

    /// Lets the router drop so many percent of the packets on some lines, until `heal`.
    pub(crate) fn drop_packets(&self, lines: &[Line], percent: u32) {
        let share = match percent {
            100 => String::new(),
            _ => format!("numgen random mod 100 < {percent} "),
        };
        for line in lines {
            let matches = match *line {
                Line::Of(host) => {
                    let address = self.address(host);
                    vec![format!("ip saddr {address}"), format!("ip daddr {address}")]
                }
                Line::FromTo(from, to) => {
                    vec![format!("ip saddr {} ip daddr {}", self.address(from), self.address(to))]
                }
            };
            for packets in matches {
                self.nft(&format!("add rule inet faults lines {packets} {share}counter drop")).unwrap();
            }
        }
    }

    /// Drops nothing any more, and returns how many packets each rule has dropped.
    pub(crate) fn heal(&self) -> Vec<u64> {
        let rules = self.nft("list chain inet faults lines").unwrap();
        self.nft("flush chain inet faults lines").unwrap();
        let counts = rules.split("counter packets ").skip(1);
        counts.map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap()).collect()
    }

    fn nft(&self, words: &str) -> Result<String, String> {
        let mut nft = Command::new("ip");
        run_all(nft.args(["netns", "exec", &self.namespace(0), "nft", words]))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in 0..=self.hosts {
            // Lines go with either end. What was never made is not there.
            let _ = run(&format!("ip netns del {}", self.namespace(host)));
        }
    }
}

fn run(words: &str) -> Result<String, String> {
    let mut words = words.split_whitespace();
    run_all(Command::new(words.next().unwrap()).args(words))
}

fn run_all(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{command:?}: {}", text(&output.stderr))),
    }
}
