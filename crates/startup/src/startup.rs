//! Running all start-up functions once, in order, and keeping alive what they have started.

use std::ffi::OsString;
use std::future::Future;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use hypha_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::entry::Entry;
use crate::error::Error;
use crate::program::Program;
use crate::provider::Provider;
use crate::python::{Python, Setup};

/// What an operator can set.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to run, in this order.
    pub entries: Vec<Entry>,
    /// The Python interpreter: a path, or a name to look for.
    pub python: OsString,
}

/// The processes of start-up functions. Dropping this kills them.
pub struct Startup {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Startup {
    /// Runs all entries, each after the one before it: a Python function to its end, a program until it has been started.
    /// What ends later is started again.
    ///
    /// # Errors
    /// One of them failed. Nothing of them is left running then.
    pub async fn run(hub: &Hub, options: Options) -> Result<Self, Error> {
        let provider = Arc::new(Provider::default());
        let setup = Setup {
            hub: hub.clone(),
            interpreter: options.python,
            provider: provider.clone(),
        };
        if !options.entries.is_empty() {
            hub.authenticator().add_provider(provider);
        }
        let mut python = None;
        let mut programs = Vec::new();
        for entry in &options.entries {
            tracing::info!("start-up function {entry}");
            match entry {
                Entry::Python { .. } => {
                    let mut running = match python.take() {
                        Some(running) => running,
                        None => Python::start(&setup, entry)?,
                    };
                    running.run(entry).await?;
                    python = Some(running);
                }
                Entry::Program(words) => {
                    programs.push((words.clone(), Program::start(hub, words).await?));
                }
            }
        }
        for (words, program) in &mut programs {
            if let Some(status) = program.ended().filter(|status| !status.success()) {
                let entry = Entry::Program(words.clone()).to_string();
                return Err(Error::Died { entry, status });
            }
        }
        let started = Self {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        if let Some(python) = python {
            let entries: Vec<_> = options
                .entries
                .into_iter()
                .filter(|entry| matches!(entry, Entry::Python { .. }))
                .collect();
            python.settle(entries.len());
            let keeping = keep_python(python, setup, entries, started.stop.clone());
            started.tasks.spawn(keeping);
        }
        for (words, program) in programs {
            let keeping = keep_program(program, hub.clone(), words, started.stop.clone());
            started.tasks.spawn(keeping);
        }
        Ok(started)
    }

    /// Ends all processes. They get a moment to end by themselves.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Startup {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts the Python process again whenever it ends, and runs all functions in it.
async fn keep_python(mut python: Python, setup: Setup, entries: Vec<Entry>, stop: CancellationToken) {
    let Some(first) = entries.first() else { return };
    let mut backoff = Backoff::new();
    loop {
        let since = Instant::now();
        tokio::select! {
            () = stop.cancelled() => return python.end().await,
            status = python.wait() => report("the process of the Python start-up functions", status),
        }
        drop(python);
        let again = async || {
            let mut python = Python::start(&setup, first)?;
            for entry in &entries {
                python.run(entry).await?;
            }
            python.settle(entries.len());
            Ok(python)
        };
        match until_it_works(&mut backoff, since, &stop, again).await {
            Some(running) => python = running,
            None => return,
        }
    }
}

/// Starts a program again whenever it fails. One that ends well has done its work.
async fn keep_program(mut program: Program, hub: Hub, words: Vec<String>, stop: CancellationToken) {
    let name = Entry::Program(words.clone()).to_string();
    let mut backoff = Backoff::new();
    loop {
        let since = Instant::now();
        let status = tokio::select! {
            () = stop.cancelled() => return program.end().await,
            status = program.wait() => status,
        };
        if matches!(&status, Ok(status) if status.success()) {
            tracing::info!("{name} has ended");
            return;
        }
        report(&name, status);
        drop(program);
        match until_it_works(&mut backoff, since, &stop, || Program::start(&hub, &words)).await {
            Some(running) => program = running,
            None => return,
        }
    }
}

/// Tries to start something again, with pauses, until that works. `None` when the server stops.
async fn until_it_works<T, F: Future<Output = Result<T, Error>>>(
    backoff: &mut Backoff,
    since: Instant,
    stop: &CancellationToken,
    start: impl Fn() -> F,
) -> Option<T> {
    let mut ran = since.elapsed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(backoff.next(ran)) => {}
        }
        let begun = Instant::now();
        tokio::select! {
            () = stop.cancelled() => return None,
            started = start() => match started {
                Ok(started) => return Some(started),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        ran = begun.elapsed();
    }
}

fn report(what: &str, status: io::Result<ExitStatus>) {
    match status {
        Ok(status) => tracing::warn!("{what} has ended ({status}); it is started again"),
        Err(error) => tracing::warn!(%error, "{what} cannot be waited for; it is started again"),
    }
}
