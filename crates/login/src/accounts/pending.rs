//! Sign-ups that wait for the code that was mailed. They are in memory: a restart asks people to sign up again.

use std::collections::HashMap;

use parking_lot::Mutex;
use rand::Rng;
use subtle::ConstantTimeEq;

use super::error::AccountError;
use super::store::StoredPassword;
use crate::options::LocalOptions;

/// What an account will be made of.
#[derive(Clone, Debug)]
pub(crate) struct Applicant {
    pub(crate) name: String,
    pub(crate) password: StoredPassword,
}

struct Pending {
    /// `None` for an address that has an account: whoever signs up with it is not told so, and no code is right.
    applicant: Option<Applicant>,
    code: String,
    expires: u64,
    sent: u64,
    wrong: u32,
}

/// See the module documentation.
pub(crate) struct PendingSignUps {
    by_email: Mutex<HashMap<String, Pending>>,
    options: LocalOptions,
}

/// Six digits.
fn new_code() -> String {
    format!("{:06}", rand::rng().random_range(0..1_000_000u32))
}

impl PendingSignUps {
    pub(crate) fn new(options: LocalOptions) -> Self {
        Self {
            by_email: Mutex::default(),
            options,
        }
    }

    /// Seconds until another mail may go to an address.
    fn wait(&self, pending: &Pending, now: u64) -> Result<(), AccountError> {
        let next = pending.sent + self.options.resend_interval;
        if now < next {
            return Err(AccountError::Wait(next - now));
        }
        Ok(())
    }

    /// Adds a sign-up, in place of an earlier one with the same address; its code.
    ///
    /// # Errors
    /// A code was sent to the address just now.
    pub(crate) fn add(
        &self,
        email: &str,
        applicant: Option<Applicant>,
        now: u64,
    ) -> Result<String, AccountError> {
        let mut all = self.by_email.lock();
        if let Some(earlier) = all.get(email) {
            self.wait(earlier, now)?;
        } else if all.len() >= self.options.max_pending {
            all.retain(|_, pending| pending.expires > now);
            if all.len() >= self.options.max_pending {
                let oldest = all.iter().min_by_key(|(_, pending)| pending.sent);
                if let Some(email) = oldest.map(|(email, _)| email.clone()) {
                    all.remove(&email);
                }
            }
        }
        let code = new_code();
        let pending = Pending {
            applicant,
            code: code.clone(),
            expires: now + self.options.code_life,
            sent: now,
            wrong: 0,
        };
        all.insert(email.to_owned(), pending);
        Ok(code)
    }

    /// Makes a new code for a sign-up, with all attempts. The second value says whether it can ever be right.
    ///
    /// # Errors
    /// There is no such sign-up, or a code was sent just now.
    pub(crate) fn renew(&self, email: &str, now: u64) -> Result<(String, bool), AccountError> {
        let mut all = self.by_email.lock();
        let pending = all
            .get_mut(email)
            .filter(|pending| pending.expires > now)
            .ok_or(AccountError::NotPending)?;
        self.wait(pending, now)?;
        pending.code = new_code();
        pending.expires = now + self.options.code_life;
        pending.sent = now;
        pending.wrong = 0;
        Ok((pending.code.clone(), pending.applicant.is_some()))
    }

    /// Takes a sign-up out, if the code is right.
    ///
    /// # Errors
    /// There is no such sign-up, or the code is wrong; after too many wrong ones the sign-up is gone.
    pub(crate) fn take(&self, email: &str, code: &str, now: u64) -> Result<Applicant, AccountError> {
        let mut all = self.by_email.lock();
        let pending = all
            .get_mut(email)
            .filter(|pending| pending.expires > now)
            .ok_or(AccountError::NotPending)?;
        let is_right = bool::from(pending.code.as_bytes().ct_eq(code.trim().as_bytes()));
        if is_right && let Some(applicant) = pending.applicant.take() {
            all.remove(email);
            return Ok(applicant);
        }
        pending.wrong += 1;
        let left = self.options.max_attempts.saturating_sub(pending.wrong);
        if left == 0 {
            all.remove(email);
            return Err(AccountError::TooManyCodes);
        }
        Err(AccountError::WrongCode(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applicant() -> Option<Applicant> {
        Some(Applicant {
            name: "Ada".into(),
            password: StoredPassword::Argon2("x".into()),
        })
    }

    fn pending() -> PendingSignUps {
        PendingSignUps::new(LocalOptions {
            max_pending: 2,
            ..LocalOptions::default()
        })
    }

    /// A code that is not this one.
    fn other(code: &str) -> String {
        code.chars()
            .rev()
            .map(|c| if c == '1' { '2' } else { '1' })
            .collect()
    }

    #[test]
    fn the_right_code_works_once() {
        let all = pending();
        let code = all.add("a@x", applicant(), 100).unwrap();
        assert_eq!(code.len(), 6);
        assert_eq!(
            all.take("a@x", &other(&code), 100).unwrap_err(),
            AccountError::WrongCode(4)
        );
        assert_eq!(all.take("a@x", &code, 699).unwrap().name, "Ada");
        assert_eq!(all.take("a@x", &code, 699).unwrap_err(), AccountError::NotPending);
    }

    #[test]
    fn codes_expire_and_run_out() {
        let all = pending();
        let code = all.add("a@x", applicant(), 100).unwrap();
        assert_eq!(all.take("a@x", &code, 700).unwrap_err(), AccountError::NotPending);
        let code = all.add("b@x", applicant(), 100).unwrap();
        for left in [4, 3, 2, 1] {
            let error = all.take("b@x", &other(&code), 100).unwrap_err();
            assert_eq!(error, AccountError::WrongCode(left));
        }
        assert_eq!(
            all.take("b@x", &other(&code), 100).unwrap_err(),
            AccountError::TooManyCodes
        );
        assert_eq!(all.take("b@x", &code, 100).unwrap_err(), AccountError::NotPending);
    }

    #[test]
    fn mails_have_a_distance() {
        let all = pending();
        all.add("a@x", applicant(), 100).unwrap();
        assert_eq!(
            all.add("a@x", applicant(), 110).unwrap_err(),
            AccountError::Wait(20)
        );
        assert_eq!(all.renew("a@x", 129).unwrap_err(), AccountError::Wait(1));
        assert!(all.renew("a@x", 130).is_ok());
        assert_eq!(all.renew("z@x", 130).unwrap_err(), AccountError::NotPending);
    }

    #[test]
    fn no_code_is_right_for_an_address_that_has_an_account() {
        let all = pending();
        let code = all.add("a@x", None, 100).unwrap();
        assert_eq!(
            all.take("a@x", &code, 100).unwrap_err(),
            AccountError::WrongCode(4)
        );
    }

    #[test]
    fn the_oldest_gives_way() {
        let all = pending();
        for (email, now) in [("a@x", 100), ("b@x", 101), ("c@x", 102)] {
            all.add(email, applicant(), now).unwrap();
        }
        let mut left: Vec<_> = all.by_email.lock().keys().cloned().collect();
        left.sort();
        assert_eq!(left, ["b@x", "c@x"]);
    }
}
