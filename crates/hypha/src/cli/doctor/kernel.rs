//! What the kernel gives: open files, and the means to keep programs apart.

use super::finding::Finding;

/// Looks at the kernel.
#[cfg(target_os = "linux")]
pub(super) async fn look() -> Vec<Finding> {
    let mut findings = open_files();
    findings.extend([namespaces().await, landlock(), cgroups()]);
    findings
}

/// Looks at the kernel: there is nothing that isolates processes.
#[cfg(not(target_os = "linux"))]
pub(super) async fn look() -> Vec<Finding> {
    let advice = "run workers for programs of others on Linux";
    let mut findings = open_files();
    findings.push(Finding::missing("isolation", "only Linux has it", advice));
    findings
}

/// Fewer open files than this are a problem; every client is one.
#[cfg(unix)]
const FEW_FILES: u64 = 4096;

#[cfg(unix)]
fn open_files() -> Vec<Finding> {
    let Ok((_, hard)) = rlimit::Resource::NOFILE.get() else {
        return Vec::new();
    };
    let text = format!("up to {hard}; each client of a server is one");
    vec![if hard >= FEW_FILES {
        Finding::ok("open files", text)
    } else {
        Finding::problem(
            "open files",
            text,
            "raise the hard limit: `ulimit -Hn`, or LimitNOFILE= of systemd",
        )
    }]
}

#[cfg(not(unix))]
fn open_files() -> Vec<Finding> {
    Vec::new()
}

/// Whether an ordinary user can make namespaces: by doing it, because several settings can forbid it.
#[cfg(target_os = "linux")]
async fn namespaces() -> Finding {
    let name = "user namespaces";
    let tried = tokio::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .stdin(std::process::Stdio::null())
        .output()
        .await;
    let setting = |path: &str| {
        std::fs::read_to_string(path)
            .ok()
            .map(|text| text.trim().to_owned())
    };
    let is = |path: &str, value: &str| setting(path).is_some_and(|found| found == value);
    let advice = if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        "AppArmor forbids them: sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "forbidden to users: sysctl kernel.unprivileged_userns_clone=1"
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "forbidden: sysctl user.max_user_namespaces=10000"
    } else {
        "in a container, its runtime has to allow them"
    };
    match tried {
        Ok(output) if output.status.success() => Finding::ok(name, "can be made"),
        Ok(_) => Finding::missing(name, "cannot be made", advice),
        Err(_) if setting("/proc/sys/user/max_user_namespaces").is_none() => Finding::missing(
            name,
            "the kernel has none",
            "programs of others are less isolated",
        ),
        Err(_) => Finding::missing(name, "not tried", "install util-linux, for the command unshare"),
    }
}

/// The version of Landlock, by restricting a thread that ends at once.
#[cfg(target_os = "linux")]
fn landlock() -> Finding {
    use landlock::{ABI, Access, AccessFs, LandlockStatus, Ruleset, RulesetAttr};

    let restricted = std::thread::spawn(|| {
        let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1))?;
        rules.create()?.restrict_self()
    });
    let name = "landlock";
    let advice = "needs Linux 5.13 or later with `landlock` in the kernel parameter lsm=";
    match restricted.join() {
        Ok(Ok(status)) => match status.landlock {
            LandlockStatus::Available {
                effective_abi,
                kernel_abi,
            } => {
                let version = kernel_abi.unwrap_or(effective_abi as i32);
                Finding::ok(name, format!("ABI {version}"))
            }
            LandlockStatus::NotEnabled => Finding::missing(name, "switched off", advice),
            LandlockStatus::NotImplemented => Finding::missing(name, "not in this kernel", advice),
        },
        Ok(Err(error)) => Finding::missing(name, error.to_string(), advice),
        Err(_) => Finding::missing(name, "cannot be tried", advice),
    }
}

#[cfg(target_os = "linux")]
fn cgroups() -> Finding {
    let name = "cgroups";
    let folder = std::path::Path::new("/sys/fs/cgroup");
    let advice = "limits of memory and processes fall back to rlimits; mount cgroup v2 at /sys/fs/cgroup";
    if let Ok(controllers) = std::fs::read_to_string(folder.join("cgroup.controllers")) {
        return Finding::ok(name, format!("version 2: {}", controllers.trim()));
    }
    if folder.join("memory").is_dir() || folder.join("pids").is_dir() {
        return Finding::ok(name, "version 1");
    }
    Finding::missing(name, "none", advice)
}
