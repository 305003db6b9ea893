//! A server as a child process: started, measured through `/proc`, and ended with its handle.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::process::Process;

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts `command` with its output in the file `log`.
    ///
    /// # Errors
    /// If the program or the file is not there.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Running> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let program = command.get_program().to_owned();
        let child = command
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Running { child })
    }

    /// CPU time so far, user and system, of the process and of the children it has or had.
    ///
    /// # Errors
    /// If the process is gone.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let own = Process::new(self.pid())?.stat()?;
        let mut ticks = own.utime + own.stime + u64::try_from(own.cutime + own.cstime).unwrap_or(0);
        for child in procfs::process::all_processes()?.flatten() {
            if let Ok(stat) = child.stat()
                && stat.ppid == own.pid
            {
                ticks += stat.utime + stat.stime;
            }
        }
        Ok(Duration::from_secs_f64(
            ticks as f64 / procfs::ticks_per_second() as f64,
        ))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// If the process is gone.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = Process::new(self.pid())?.status()?;
        Ok(status.vmrss.context("VmRSS in /proc")? * 1024)
    }

    /// True until the process ended.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process at once, as a power cut would.
    pub(crate) fn kill(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A loopback address that nobody listens on at the moment.
///
/// # Errors
/// If there is none.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let probe = TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    Ok(probe.local_addr()?)
}

/// CPU time of this process, user and system.
///
/// # Errors
/// If `/proc` cannot be read.
pub(crate) fn own_cpu() -> Result<Duration> {
    let own = Process::myself()?.stat()?;
    let ticks = own.utime + own.stime;
    Ok(Duration::from_secs_f64(
        ticks as f64 / procfs::ticks_per_second() as f64,
    ))
}
