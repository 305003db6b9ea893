//! Logins under way: from `start`, which makes a key, to `check`, which exchanges the key for the token that somebody
//! has reported meanwhile.
//!
//! A key is 22 random characters, works once, and is forgotten after the longest login time. All of it is in memory: a
//! restart ends the logins under way.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hypha_hub::ids::{WorkspaceId, random_id};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::throttle::network;

/// Logins under way at a time.
const MAX_SESSIONS: usize = 20_000;
/// Logins under way that one address has started.
const MAX_PER_ADDRESS: usize = 1_000;

/// Who asks to be let in, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The asker's user id, unless it is anonymous.
    pub(crate) user: Option<String>,
    /// Where it asks from.
    pub(crate) remote: IpAddr,
    /// When it asked, in seconds since the Unix epoch.
    pub(crate) at: u64,
    /// The workspace that the token shall be for.
    pub(crate) workspace: Option<WorkspaceId>,
    /// How long the token shall live, in seconds.
    pub(crate) expires_in: Option<u64>,
}

/// What `check` gets: the token, and what is known about its bearer.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Report {
    pub(crate) token: String,
    pub(crate) workspace: Option<String>,
    pub(crate) expires_in: Option<u64>,
    pub(crate) email: Option<String>,
    pub(crate) email_verified: Option<bool>,
    pub(crate) name: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) picture: Option<String>,
}

/// Why a session does not do what it should.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum SessionError {
    /// There is none with this key (any more).
    #[error("Invalid key, key does not exist")]
    Unknown,
    /// It ended while somebody waited.
    #[error("Login session expired, the maximum login time is {0} seconds")]
    Expired(u64),
    /// Nothing was reported in the time that the caller had.
    #[error("Login timeout, waited for {0} seconds")]
    Timeout(f64),
    /// A token was reported before.
    #[error("This login is complete already; start a new one")]
    Complete,
    /// More logins than there is room for.
    #[error("Too many logins are under way{0}; try again in a few minutes")]
    TooMany(&'static str),
}

struct Session {
    asked: Arc<Asked>,
    ends: Instant,
    reported: Option<Report>,
    changed: Arc<Notify>,
}

/// See the module documentation.
pub(crate) struct Sessions {
    table: Mutex<Table>,
    life: Duration,
}

#[derive(Default)]
struct Table {
    by_key: HashMap<Box<str>, Session>,
    /// Keys in the order in which they end.
    ends: VecDeque<(Instant, Box<str>)>,
    per_address: HashMap<IpAddr, usize>,
}

impl Table {
    fn remove(&mut self, key: &str) -> Option<Session> {
        let session = self.by_key.remove(key)?;
        let address = network(session.asked.remote);
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
        Some(session)
    }

    fn purge(&mut self, now: Instant) {
        while let Some((ends, _)) = self.ends.front() {
            if *ends > now {
                break;
            }
            if let Some((_, key)) = self.ends.pop_front() {
                self.remove(&key);
            }
        }
    }
}

impl Sessions {
    /// No sessions; each will live that long.
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            table: Mutex::default(),
            life,
        }
    }

    /// How long a login may take.
    pub(crate) fn life(&self) -> Duration {
        self.life
    }

    /// Makes a session; its key.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn start(&self, asked: Asked) -> Result<String, SessionError> {
        let now = Instant::now();
        let ends = now + self.life;
        let mut table = self.table.lock();
        table.purge(now);
        if table.by_key.len() >= MAX_SESSIONS {
            return Err(SessionError::TooMany(""));
        }
        let count = table.per_address.entry(network(asked.remote)).or_default();
        if *count >= MAX_PER_ADDRESS {
            return Err(SessionError::TooMany(" from your address"));
        }
        *count += 1;
        let key = random_id(&mut rand::rng());
        let session = Session {
            asked: Arc::new(asked),
            ends,
            reported: None,
            changed: Arc::default(),
        };
        table.by_key.insert(key.as_str().into(), session);
        table.ends.push_back((ends, key.as_str().into()));
        Ok(key)
    }

    /// Who has started the login with this key, if it still waits for a token.
    pub(crate) fn asked(&self, key: &str) -> Option<Arc<Asked>> {
        let mut table = self.table.lock();
        table.purge(Instant::now());
        let session = table.by_key.get(key)?;
        session.reported.is_none().then(|| session.asked.clone())
    }

    /// Completes a login.
    ///
    /// # Errors
    /// There is no such login, or it is complete.
    pub(crate) fn report(&self, key: &str, report: Report) -> Result<(), SessionError> {
        let mut table = self.table.lock();
        table.purge(Instant::now());
        let session = table.by_key.get_mut(key).ok_or(SessionError::Unknown)?;
        if session.reported.is_some() {
            return Err(SessionError::Complete);
        }
        session.reported = Some(report);
        session.changed.notify_waiters();
        Ok(())
    }

    /// Takes what was reported, and ends the session with it. `None` when nothing was reported yet.
    ///
    /// # Errors
    /// There is no such login.
    pub(crate) fn take(&self, key: &str) -> Result<Option<Report>, SessionError> {
        let mut table = self.table.lock();
        table.purge(Instant::now());
        let session = table.by_key.get(key).ok_or(SessionError::Unknown)?;
        if session.reported.is_none() {
            return Ok(None);
        }
        Ok(table.remove(key).and_then(|session| session.reported))
    }

    /// [`take`](Self::take) that waits up to `seconds` for somebody to report. Nothing is taken for a caller that
    /// `is_gone`: the key still works then.
    ///
    /// # Errors
    /// There is no such login, it ended, or the time is over.
    pub(crate) async fn wait(
        &self,
        key: &str,
        seconds: f64,
        is_gone: impl Fn() -> bool,
    ) -> Result<Report, SessionError> {
        let (changed, ends) = {
            let mut table = self.table.lock();
            table.purge(Instant::now());
            let session = table.by_key.get(key).ok_or(SessionError::Unknown)?;
            (session.changed.clone(), session.ends)
        };
        let longest = self.life.as_secs_f64() + 1.0;
        let deadline = Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, longest));
        loop {
            let mut told = pin!(changed.notified());
            // From here on nothing is missed.
            told.as_mut().enable();
            if !is_gone() {
                match self.take(key) {
                    Ok(Some(report)) => return Ok(report),
                    Ok(None) => {}
                    Err(_) if Instant::now() >= ends => {
                        return Err(SessionError::Expired(self.life.as_secs()));
                    }
                    Err(error) => return Err(error),
                }
            }
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep_until(deadline.min(ends)) => {
                    if ends <= deadline {
                        return Err(SessionError::Expired(self.life.as_secs()));
                    }
                    return Err(SessionError::Timeout(seconds));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            user: None,
            remote: "192.0.2.7".parse().unwrap(),
            at: 0,
            workspace: None,
            expires_in: None,
        }
    }

    fn report(token: &str) -> Report {
        Report {
            token: token.into(),
            ..Report::default()
        }
    }

    fn sessions() -> Sessions {
        Sessions::new(Duration::from_secs(180))
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_works_once() {
        let sessions = sessions();
        let key = sessions.start(asked()).unwrap();
        assert_eq!(key.len(), 22);
        assert_eq!(sessions.take(&key), Ok(None));
        sessions.report(&key, report("t")).unwrap();
        assert_eq!(sessions.report(&key, report("u")), Err(SessionError::Complete));
        assert!(sessions.asked(&key).is_none(), "nobody else can complete it");
        assert_eq!(sessions.take(&key).unwrap().unwrap().token, "t");
        assert_eq!(sessions.take(&key), Err(SessionError::Unknown));
        assert!(sessions.table.lock().per_address.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_waiters_gets_it() {
        let sessions = Arc::new(sessions());
        let key = sessions.start(asked()).unwrap();
        let waiter = || {
            let (sessions, key) = (sessions.clone(), key.clone());
            tokio::spawn(async move { sessions.wait(&key, 60.0, || false).await })
        };
        let (first, second) = (waiter(), waiter());
        tokio::time::sleep(Duration::from_secs(1)).await;
        sessions.report(&key, report("t")).unwrap();
        let results = [first.await.unwrap(), second.await.unwrap()];
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.contains(&Err(SessionError::Unknown)));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends() {
        let sessions = sessions();
        let key = sessions.start(asked()).unwrap();
        assert_eq!(
            sessions.wait(&key, 5.0, || false).await,
            Err(SessionError::Timeout(5.0))
        );
        assert_eq!(
            sessions.wait(&key, f64::INFINITY, || false).await,
            Err(SessionError::Expired(180))
        );
        assert_eq!(
            sessions.wait(&key, 5.0, || false).await,
            Err(SessionError::Unknown)
        );
        assert!(sessions.table.lock().by_key.is_empty() && sessions.table.lock().ends.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_gone_takes_nothing() {
        let sessions = sessions();
        let key = sessions.start(asked()).unwrap();
        sessions.report(&key, report("t")).unwrap();
        assert!(sessions.wait(&key, 1.0, || true).await.is_err());
        assert_eq!(sessions.wait(&key, 1.0, || false).await.unwrap().token, "t");
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_does_not_use_up_all() {
        let sessions = sessions();
        for _ in 0..MAX_PER_ADDRESS {
            sessions.start(asked()).unwrap();
        }
        assert!(matches!(sessions.start(asked()), Err(SessionError::TooMany(_))));
        let other = Asked {
            remote: "192.0.2.8".parse().unwrap(),
            ..asked()
        };
        assert!(sessions.start(other).is_ok());
        tokio::time::advance(Duration::from_secs(181)).await;
        assert!(sessions.start(asked()).is_ok());
    }
}
