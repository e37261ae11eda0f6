//! What this machine offers.

/// Returns how many trials run at once where nobody says otherwise: one a core that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns what the worker calls itself where nobody says otherwise: the host's name and the process' number.
pub fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}:{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}
