//! The server: whether it is there, how it can be reached, and as whom.

use std::time::{Duration, Instant};

use chrono::Utc;
use hypha_rpc::{Client, Error};
use serde_json::Value as Json;

use super::super::connection::Target;
use super::super::output::harmless;
use super::super::user::{User, time_text};
use super::finding::{Finding, Job};
use super::http::{Answer, Http};

/// How far clocks may be apart, in seconds. Tokens have no leeway, but live for an hour and more.
const MAX_SKEW: i64 = 30;
/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks at a server.
pub(super) async fn look(target: &Target) -> Vec<Finding> {
    let url = target.url.trim_end_matches('/');
    let http = match Http::new() {
        Ok(http) => http,
        Err(error) => {
            let advice = "this is a fault of the program; please report it";
            return vec![
                Finding::problem("reachable", format!("TLS: {error:#}"), advice).that_stops(Job::Connect),
            ];
        }
    };
    let started = Instant::now();
    let ready = http.get(&format!("{url}/health/readiness")).await;
    let took = started.elapsed();
    let answer = match ready {
        Ok(answer) => answer,
        Err(error) if target.is_named => {
            let advice = "check the URL, the network and whether the server runs";
            let text = format!("no connection: {error:#}");
            return vec![Finding::problem("reachable", text, advice).that_stops(Job::Connect)];
        }
        Err(_) => {
            let advice = "`hypha serve` starts one here; `hypha login URL` uses another";
            return vec![Finding::missing("reachable", "no server is running here", advice)];
        }
    };
    let mut findings = vec![readiness(&answer, took)];
    if findings.iter().any(|finding| finding.stops.is_some()) {
        return findings;
    }
    findings.extend(clock(&answer));
    let (connection, client) = websocket(target).await;
    findings.extend(version(&http, url, client.as_ref()).await);
    findings.extend(connection);
    findings.push(stream(&http, url, target).await);
    if let Some(client) = client {
        findings.push(login(&client).await);
        client.disconnect().await;
    }
    findings
}

fn readiness(answer: &Answer, took: Duration) -> Finding {
    let name = "reachable";
    let is_hypha = serde_json::from_slice::<Json>(&answer.body)
        .is_ok_and(|body| body.get("status").is_some_and(Json::is_string));
    match answer.status {
        200 if is_hypha => Finding::ok(
            name,
            format!("it is ready, and answers in {}", milliseconds(took)),
        ),
        503 if is_hypha => {
            let advice = "it starts or stops, or cannot use its storage; its log says more";
            Finding::problem(name, "it is there, but not ready", advice).that_stops(Job::Connect)
        }
        status => {
            let text = format!("something answers with status {status}, which is no Hypha server");
            Finding::problem(name, text, "check the URL, also the path in it").that_stops(Job::Connect)
        }
    }
}

fn clock(answer: &Answer) -> Option<Finding> {
    let ahead = answer.date? - Utc::now().timestamp();
    Some(if ahead.abs() <= MAX_SKEW {
        Finding::ok("clock", "as here, within a few seconds")
    } else {
        let text = format!("the server is {ahead:+} s from this machine");
        let advice = "tokens expire early or late; set the clocks with NTP (systemd-timesyncd, chrony)";
        Finding::problem("clock", text, advice)
    })
}

async fn version(http: &Http, url: &str, client: Option<&Client>) -> Option<Finding> {
    let own = http.get(&format!("{url}/health")).await.ok();
    let own = own.and_then(|answer| serde_json::from_slice::<Json>(&answer.body).ok());
    let own = own.and_then(|body| Some(harmless(body.get("version")?.as_str()?)));
    let level = client.map(|client| harmless(&client.info().hypha_version));
    let level = level.filter(|level| !level.is_empty());
    let text = match (own, level) {
        (Some(own), Some(level)) => format!("{own}, compatible with Hypha {level}"),
        (Some(own), None) => own,
        (None, Some(level)) => format!("Hypha {level}"),
        (None, None) => return None,
    };
    Some(Finding::ok("version", text))
}

/// Connects as the user; without a token if that is what stands in the way.
async fn websocket(target: &Target) -> (Vec<Finding>, Option<Client>) {
    let connect = |target: &Target| {
        let options = target.options().method_timeout(PATIENCE);
        async move {
            let started = Instant::now();
            options.await.map(|client| (client, started.elapsed()))
        }
    };
    let works = |took| Finding::ok("websocket", format!("connected in {}", milliseconds(took)));
    match connect(target).await {
        Ok((client, took)) => (vec![works(took), identity(&client, target)], Some(client)),
        Err(Error::Refused(reason)) => {
            let advice = if target.token.is_some() {
                "`hypha login` gets a new token; check HYPHA_TOKEN, --token and --workspace"
            } else {
                "`hypha login` logs in; check --workspace"
            };
            let refused =
                Finding::problem("token", format!("refused: {reason}"), advice).that_stops(Job::Connect);
            let nobody = Target {
                token: None,
                workspace: None,
                ..target.clone()
            };
            match connect(&nobody).await {
                Ok((client, took)) => (vec![works(took), refused], Some(client)),
                Err(_) => (vec![refused], None),
            }
        }
        Err(error) => {
            let advice = "a proxy in between must pass the Upgrade header on, to /ws";
            let finding = Finding::problem("websocket", error.to_string(), advice);
            (vec![finding.that_stops(Job::Connect)], None)
        }
    }
}

fn identity(client: &Client, target: &Target) -> Finding {
    let workspace = harmless(client.workspace());
    let user = User::of(&client.info().user);
    if target.token.is_none() {
        let text = format!("none; you are anonymous, in workspace {workspace}");
        return Finding::missing("token", text, "`hypha login` gets one");
    }
    let from = match &target.profile {
        Some(profile) => format!("of profile {profile}: "),
        None => String::new(),
    };
    let until = match user.expires_at {
        Some(end) => format!(", until {}", time_text(end)),
        None => String::new(),
    };
    Finding::ok(
        "token",
        format!("{from}you are {}{until}, in workspace {workspace}", user.name()),
    )
}

/// The transport for networks that let no WebSocket through.
async fn stream(http: &Http, url: &str, target: &Target) -> Finding {
    let name = "http transport";
    let id: u64 = rand::random();
    let address = format!("{url}/rpc?client_id=doctor-{id:016x}");
    match http.first_piece(&address, target.token.as_deref()).await {
        Ok(answer) if answer.status == 200 && is_connection_info(&answer.body) => {
            Finding::ok(name, "a stream opens and delivers")
        }
        Ok(answer) if answer.status == 404 => Finding::missing(
            name,
            "the server has none",
            "fine as long as WebSocket connections work",
        ),
        Ok(answer) if answer.status == 200 => {
            let advice = "a proxy in between must not buffer answers of /rpc";
            Finding::problem(name, "a stream opens and delivers something else", advice)
        }
        Ok(answer) => {
            let text = format!("/rpc answers with status {}", answer.status);
            Finding::problem(name, text, "fine as long as WebSocket connections work")
        }
        Err(error) => {
            let advice = "a proxy in between must not buffer answers of /rpc";
            Finding::problem(name, format!("{error:#}"), advice)
        }
    }
}

/// Whether this is the first frame of a stream, as far as it has come.
fn is_connection_info(frame: &[u8]) -> bool {
    let word = b"connection_info";
    frame.windows(word.len()).any(|part| part == word)
}

async fn login(client: &Client) -> Finding {
    let name = "login service";
    match client.manager().get_service_info("public/hypha-login").await {
        Ok(_) => Finding::ok(name, "`hypha login` works with this server"),
        Err(_) => {
            let advice = "take a token that `hypha token` made: `hypha login --token-stdin`";
            Finding::missing(name, "the server has none", advice)
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    fn answer(status: u16, body: &str, date: Option<i64>) -> Answer {
        Answer {
            status,
            date,
            body: body.to_owned().into(),
        }
    }

    #[test]
    fn answers_of_health() {
        let state = |status, body| readiness(&answer(status, body, None), Duration::ZERO);
        assert_eq!(state(200, r#"{"status": "OK"}"#).state, State::Ok);
        for bad in [
            state(503, r#"{"status": "DOWN"}"#),
            state(200, "<html>"),
            state(404, ""),
        ] {
            assert_eq!(
                (bad.state, bad.stops),
                (State::Problem, Some(Job::Connect)),
                "{}",
                bad.text
            );
        }
    }

    #[test]
    fn clocks() {
        let now = Utc::now().timestamp();
        let state = |date| clock(&answer(200, "", date)).map(|finding| finding.state);
        assert_eq!(state(Some(now)), Some(State::Ok));
        assert_eq!(state(Some(now - 600)), Some(State::Problem));
        assert_eq!(state(None), None);
    }
}
