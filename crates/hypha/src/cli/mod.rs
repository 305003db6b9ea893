//! The commands, one file each, and what they share.
//!
//! | module | what |
//! | --- | --- |
//! | [`args`] | the command line of `hypha` |
//! | [`original`] | the command line of `hypha-server` |
//! | [`serve`], [`ready`] | running a server until somebody stops it |
//! | [`demo`] | a server and two clients that show what it does |
//! | [`token`], [`services`], [`call`], [`workspaces`], [`ping`] | clients of a server |
//! | [`login`], [`logout`], [`profile`] | servers that the user has logged in to |
//! | [`doctor`] | what works and what is missing |
//! | [`completions`] | for shells |
//! | [`generate_token`] | tokens without a server |
//! | [`connection`], [`profiles`], [`user`], [`browser`], [`output`], [`hints`] | what clients share |

mod args;
mod browser;
mod call;
mod completions;
mod connection;
mod demo;
mod doctor;
mod generate_token;
mod hints;
mod login;
mod logout;
mod original;
mod output;
mod ping;
mod profile;
mod profiles;
mod ready;
mod serve;
mod services;
mod token;
mod user;
mod workspaces;

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, FromArgMatches};

use crate::config::env::{self, Env};
use crate::config::merge::merge;
use crate::config::{inert, suggest};
use crate::logging;
use args::{Command, Hypha};
use original::{HyphaServer, OriginalCommand};

/// Runs `hypha` with a command line, the name of the program first.
pub fn hypha(args: Vec<OsString>) -> ExitCode {
    let env = start();
    let merged = match merge(&Hypha::command(), Some("serve"), &args, &env) {
        Ok(merged) => merged,
        Err(error) => return usage(&error),
    };
    let parsed = match Hypha::from_arg_matches(&merged.matches) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    run(async move {
        match parsed.command {
            Command::Serve(flags) => {
                let mut notes = merged.warnings;
                notes.extend(suggest::unknown_variables(&env));
                notes.extend(inert::used_flag_variables(&env));
                notes.extend(inert::used_variables(&env));
                serve::run(*flags, &env, notes).await
            }
            Command::Demo(demo) => demo::run(demo).await,
            Command::Token(token) => token::run(token, &env).await,
            Command::Services(services) => services::run(services, &env).await,
            Command::Call(call) => call::run(call, &env).await,
            Command::Workspaces(workspaces) => workspaces::run(workspaces, &env).await,
            Command::Ping(ping) => ping::run(ping, &env).await,
            Command::Login(login) => login::run(login, &env).await,
            Command::Logout(logout) => logout::run(logout, &env).await,
            Command::Profile(profiles) => profile::run(profiles, &env),
            Command::Doctor(doctor) => doctor::run(doctor, &env).await,
            Command::Completions(completions) => completions::run(&completions, Hypha::command()),
        }
    })
}

/// Runs `hypha-server` with a command line, the name of the program first.
pub fn hypha_server(args: Vec<OsString>) -> ExitCode {
    let env = start();
    let args = original::without_server(args);
    let command = original::command();
    let from_env = match command.clone().try_get_matches_from(&args) {
        Ok(matches) => args.len() == 1 || matches.get_flag("from_env"),
        Err(error) => return usage(&error),
    };
    // Two variables are read in any case: the original reads one, and data must not move when a flag is added.
    let for_flags = if from_env {
        env.clone()
    } else {
        env.only(&["HYPHA_SERVER_ID", "HYPHA_DATA_DIR"])
    };
    let merged = match merge(&command, None, &args, &for_flags) {
        Ok(merged) => merged,
        Err(error) => return usage(&error),
    };
    let parsed = match HyphaServer::from_arg_matches(&merged.matches) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    run(async move {
        match parsed.command {
            Some(OriginalCommand::GenerateToken(token)) => generate_token::run(token, &env).await,
            None => {
                let mut notes = merged.warnings;
                notes.extend(inert::used_flags(&merged.matches));
                notes.extend(inert::used_variables(&env));
                if from_env {
                    notes.extend(suggest::unknown_variables(&env));
                }
                serve::run(parsed.flags, &env, notes).await
            }
        }
    })
}

/// What comes before everything else, while there is one thread.
fn start() -> Env {
    let file = env::load_file();
    let env = Env::of_process();
    logging::start(&env);
    match file {
        Ok(Some(path)) => tracing::info!("environment variables from {}", path.display()),
        Ok(None) => {}
        Err(text) => tracing::warn!("{text}"),
    }
    env
}

/// Shows what is wrong with a command line, or the help that was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if even this cannot be written.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Runs a command and shows how it failed.
fn run(command: impl Future<Output = Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.context("cannot start").and_then(|runtime| {
        let result = runtime.block_on(command);
        // A name that is still being looked up must not hold the exit.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output, such as `head`, has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(hint) = hints::of(&error) {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}
