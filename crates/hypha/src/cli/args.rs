//! The command line of `hypha`.

use clap::{Parser, Subcommand};

use super::{call, completions, demo, doctor, login, logout, ping, profile, services, token, workspaces};
use crate::config::flags::Flags;

const EXAMPLES: &str = "\
Examples:
  hypha demo                                  see a server and two clients at work
  hypha serve                                 start a server on http://127.0.0.1:9527
  hypha services                              what can be called
  hypha call my-service.add 1 2               call it
  hypha token --workspace my-lab              a token for a program
  hypha login https://hypha.example.org       log in to a server, for all commands
  hypha doctor                                what works, what is missing, what to do

Commands that talk to a server take --profile, --server-url, --workspace and --token, or HYPHA_PROFILE,
HYPHA_SERVER_URL, HYPHA_WORKSPACE and HYPHA_TOKEN, and print JSON with --json. Flags win over variables, variables over
the profile that is in use. A .env file in this folder or one above is read.";

/// Connect programs: services that any client can call, on one server.
#[derive(Debug, Parser)]
#[command(name = "hypha", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(super) struct Hypha {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start a server
    #[command(after_help = "\
Each option can be a variable: HYPHA_ and its name in capitals, as in HYPHA_ROOT_TOKEN; the command line wins.
More variables: HYPHA_JWT_SECRET (signs tokens; by default kept with the data), HYPHA_LOGLEVEL, and limits such as
HYPHA_WS_IDLE_TIMEOUT.

Examples:
  hypha serve --port 8080
  hypha serve --host 0.0.0.0 --public-base-url https://hypha.example.org
  HYPHA_ROOT_TOKEN=$(openssl rand -base64 48) hypha serve --data-dir ./data")]
    Serve(Box<Flags>),
    /// See a server and two clients at work; nothing is kept
    Demo(demo::Demo),
    /// Make a token for another program
    Token(token::Token),
    /// List services
    Services(services::Services),
    /// Call a function of a service
    Call(call::Call),
    /// List the workspaces that you may read
    Workspaces(workspaces::Workspaces),
    /// Measure the way to the server, or to a client
    Ping(ping::Ping),
    /// Log in, and remember the server and the token in a profile
    Login(login::Login),
    /// Forget the token of a profile
    Logout(logout::Logout),
    /// Servers that you have logged in to
    Profile(profile::Profiles),
    /// Find out what works, what is missing, and what to do about it
    Doctor(doctor::Doctor),
    /// Print completions for a shell
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Hypha::command().debug_assert();
    }
}
