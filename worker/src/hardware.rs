//! What this machine offers.

/// Returns how many trials run at once where nobody says otherwise: one a core that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Returns the machine's memory in bytes, where it can be told.
pub(crate) fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Returns what the worker calls itself where nobody says otherwise: the host's name and the process' number.
pub fn default_name() -> String {
    format!("{}:{}", host_name().as_deref().unwrap_or("worker"), std::process::id())
}

/// Returns what this machine calls itself, where it can be told.
pub fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}
