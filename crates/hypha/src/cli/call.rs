//! `hypha call`.

use anyhow::{Result, anyhow, bail};
use clap::Args;
use futures_util::StreamExt;
use hypha_rpc::{CallArgs, Client, Error, ErrorKind, RemoteGenerator};
use hypha_wire::Value;
use hypha_wire::convert::{from_json, to_json};

use super::connection::Connection;
use super::output;
use crate::config::env::Env;

/// Call a function of a service.
#[derive(Args, Debug)]
#[command(after_help = "\
Arguments are JSON where they can be, text otherwise: 1, true, null, [1,2], '{\"a\": 1}', hello, '\"1\"'.

Examples:
  hypha call calculator.add 1 2
  hypha call calculator.add 1 --kw b=2
  hypha call my-lab/worker-7:statistics.summarize '[1, 2, 3]' --json")]
pub(super) struct Call {
    /// The service and its function, with a dot between; `hypha services` lists services
    #[arg(value_name = "SERVICE.FUNCTION")]
    function: String,
    /// Positional arguments
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    args: Vec<String>,
    /// A keyword argument; can be repeated
    #[arg(long = "kw", value_name = "NAME=VALUE")]
    kwargs: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Calls it and prints the result; the items of a generator one after the other, as they come.
///
/// # Errors
/// There is no server, no such function, or the function failed.
pub(super) async fn run(args: Call, env: &Env) -> Result<()> {
    let (service, function) = split(&args.function)?;
    let kwargs = args
        .kwargs
        .iter()
        .map(|text| keyword(text))
        .collect::<Result<_>>()?;
    let arguments = CallArgs {
        positional: args.args.iter().map(|text| value(text)).collect(),
        kwargs,
    };
    let client = args.connection.open(env).await?;
    let found = client.get_service(service).await?;
    let result = match found.call_value(function, arguments).await {
        Err(
            error @ Error::Remote {
                kind: ErrorKind::KeyError,
                ..
            },
        ) if found.member(function).is_none() => {
            let names = found.functions().join(", ");
            Err(anyhow!(
                "{error}; the functions of {service} are: {}",
                output::harmless(&names)
            ))
        }
        result => Ok(result?),
    }?;
    print(&client, result, args.json).await?;
    client.disconnect().await;
    Ok(())
}

async fn print(client: &Client, result: Value, json: bool) -> Result<()> {
    let shown = |value: &Value| {
        if json {
            to_json(value).to_string()
        } else {
            output::human(value)
        }
    };
    match result {
        Value::Generator(generator) => {
            let mut items = RemoteGenerator::new(client.peer().clone(), *generator);
            while let Some(item) = items.next().await {
                output::line(&shown(&item?))?;
            }
            Ok(())
        }
        result if json => output::json(&to_json(&result)),
        result => output::line(&output::human(&result)),
    }
}

/// Splits at the last dot: ids of services may have dots, names of functions have none.
fn split(text: &str) -> Result<(&str, &str)> {
    match text.rsplit_once('.') {
        Some((service, function)) if !service.is_empty() && !function.is_empty() => Ok((service, function)),
        _ => bail!("expected SERVICE.FUNCTION, as in calculator.add; got {text:?}"),
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| Value::from(text), from_json)
}

fn keyword(text: &str) -> Result<(String, Value)> {
    match text.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.to_owned(), value(text))),
        _ => bail!("--kw {text}: expected NAME=VALUE, as in --kw b=2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions() {
        assert_eq!(split("calc.add").unwrap(), ("calc", "add"));
        assert_eq!(
            split("ws/my.client:calc@app.v2.add").unwrap(),
            ("ws/my.client:calc@app.v2", "add")
        );
        for bad in ["calc", ".add", "calc.", ""] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(value("1"), Value::Int(1));
        assert_eq!(value("-1.5"), Value::Float(-1.5));
        assert_eq!(value("hello world"), Value::from("hello world"));
        assert_eq!(value("\"1\""), Value::from("1"));
        assert_eq!(value("[1, null]"), Value::List(vec![Value::Int(1), Value::Nil]));
        assert_eq!(keyword("b=2=3").unwrap(), ("b".to_owned(), Value::from("2=3")));
        assert!(keyword("b").is_err() && keyword("=1").is_err());
    }
}
