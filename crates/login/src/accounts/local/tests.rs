use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::*;
use crate::accounts::store::{MemoryAccounts, StoredPassword};
use crate::error::Error;

const HERE: &str = "192.0.2.7";

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

#[derive(Default)]
struct Outbox(Mutex<Vec<Mail>>);

impl Mailer for Outbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.0.lock().push(mail.clone());
            Ok(())
        }
        .boxed()
    }
}

impl Outbox {
    /// The code in the last mail, if there is one in it.
    fn code(&self) -> Option<String> {
        let all = self.0.lock();
        let (_, rest) = all.last()?.text.split_once("Your code is ")?;
        Some(rest[..6].to_owned())
    }
}

fn mailing() -> (LocalAccounts, Arc<Outbox>) {
    let outbox = Arc::new(Outbox::default());
    let store = Arc::new(MemoryAccounts::default());
    let accounts = LocalAccounts::new(LocalOptions::default(), store, Some(outbox.clone()));
    (accounts, outbox)
}

async fn with_ada() -> LocalAccounts {
    let store = Arc::new(MemoryAccounts::default());
    let accounts = LocalAccounts::new(LocalOptions::default(), store, None);
    let signed = accounts
        .sign_up("Ada", "Ada@Example.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
    accounts
        .verify(&signed.email, &signed.dev_code.unwrap(), 0)
        .await
        .unwrap();
    accounts
}

#[tokio::test]
async fn signing_up_by_mail_proves_the_address() {
    let (accounts, outbox) = mailing();
    let signed = accounts
        .sign_up("Ada", " Ada@Example.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
    assert_eq!(
        (signed.email.as_str(), signed.dev_code),
        ("ada@example.org", None)
    );
    let account = accounts
        .verify("ada@example.org", &outbox.code().unwrap(), 1)
        .await
        .unwrap();
    let user = user_of(&account);
    assert_eq!(user.email.as_deref(), Some("ada@example.org"));
    assert!(user.id.starts_with("local-") && user.roles == ["user"]);
    let same = accounts
        .sign_in("ADA@example.org", "correct horse", at(HERE), 2)
        .await
        .unwrap();
    assert_eq!(same.id, account.id);
}

#[tokio::test]
async fn nobody_learns_that_an_address_has_an_account() {
    let (accounts, outbox) = mailing();
    accounts
        .sign_up("Ada", "ada@x.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
    accounts
        .verify("ada@x.org", &outbox.code().unwrap(), 0)
        .await
        .unwrap();
    for email in ["ada@x.org", "eve@x.org"] {
        let signed = accounts
            .sign_up("Eve", email, "correct horse", at(HERE), 100)
            .await
            .unwrap();
        assert_eq!((signed.email.as_str(), signed.dev_code), (email, None));
        let wrong = accounts.verify(email, "no", 100).await.unwrap_err();
        assert_eq!(wrong, AccountError::WrongCode(4));
    }
    assert!(outbox.0.lock()[1].text.contains("has an account already"));
    let sign_in = async |email| {
        accounts
            .sign_in(email, "wrong password", at(HERE), 200)
            .await
            .unwrap_err()
    };
    assert_eq!(sign_in("ada@x.org").await, sign_in("nobody@x.org").await);
}

#[tokio::test]
async fn nobodys_mailbox_is_filled() {
    let (accounts, outbox) = mailing();
    for time in 0..100 {
        let from = at(&format!("198.51.100.{time}"));
        let _ = accounts
            .sign_up("Eve", "ada@x.org", "correct horse", from, 30 * time)
            .await;
    }
    assert_eq!(
        outbox.0.lock().len(),
        9,
        "five at once, then one in ten minutes, for 50 minutes"
    );
}

#[tokio::test]
async fn without_mail_an_address_is_not_proven() {
    let accounts = with_ada().await;
    let ada = accounts
        .sign_in("ada@example.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
    assert_eq!(user_of(&ada).email, None);
    let again = accounts
        .sign_up("Eve", "ada@example.org", "correct horse", at(HERE), 100)
        .await;
    assert_eq!(again.unwrap_err(), AccountError::Registered);
}

#[tokio::test]
async fn guessing_is_slow_and_locks_nobody_out() {
    let accounts = with_ada().await;
    let try_it = async |password: &str, from: &str, now: u64| {
        accounts
            .sign_in("ada@example.org", password, at(from), now)
            .await
            .map(|account| account.name)
    };
    try_it("correct horse", HERE, 0).await.unwrap();
    let mut checked = 0;
    for number in 0..1000 {
        // From many addresses, so that only what counts per account holds them up.
        let from = format!("198.51.{}.{}", number / 10, number % 10);
        match try_it("a wrong one", &from, 10).await {
            Err(AccountError::Credentials) => checked += 1,
            Err(AccountError::Throttled(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(checked, 50, "hashes that a thousand guesses cost");
    assert_eq!(
        try_it("correct horse", HERE, 10).await.unwrap(),
        "Ada",
        "known from here"
    );
    let stranger = try_it("correct horse", "203.0.113.9", 10).await.unwrap_err();
    assert_eq!(stranger, AccountError::Throttled(10), "others wait ten seconds");
    assert_eq!(try_it("correct horse", "203.0.113.9", 20).await.unwrap(), "Ada");
}

#[tokio::test]
async fn one_address_guesses_a_few_times() {
    let accounts = with_ada().await;
    let mut checked = 0;
    for number in 0..100 {
        let email = format!("user{}@example.org", number % 10);
        if accounts.sign_in(&email, "a wrong one", at(HERE), 0).await == Err(AccountError::Credentials) {
            checked += 1;
        }
    }
    assert_eq!(checked, 30);
}

#[tokio::test]
async fn accounts_of_the_original_sign_in_and_are_upgraded() {
    let store = Arc::new(MemoryAccounts::default());
    let account = Account {
        id: "user-1".into(),
        email: "old@example.org".into(),
        name: "Old".into(),
        password: StoredPassword::Sha256 {
            hash: hex::encode(Sha256::digest("correct horsepepper")),
            salt: "pepper".into(),
        },
        created_at: 0,
        email_verified: true,
        roles: vec!["user".into()],
    };
    store.add_account(&account).await.unwrap();
    let accounts = LocalAccounts::new(LocalOptions::default(), store.clone(), None);
    accounts
        .sign_in("old@example.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
    let kept = store.account("old@example.org").await.unwrap().unwrap();
    assert!(matches!(kept.password, StoredPassword::Argon2(_)));
    accounts
        .sign_in("old@example.org", "correct horse", at(HERE), 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn changes_are_for_the_owner() {
    let accounts = with_ada().await;
    let ada = user_of(
        &accounts
            .sign_in("ada@example.org", "correct horse", at(HERE), 0)
            .await
            .unwrap(),
    );
    let eve = UserInfo::new("eve");
    let child = UserInfo {
        parent: Some("x".into()),
        ..ada.clone()
    };
    let change = |name: &str, current: &str, new: &str| Change {
        name: Some(name.into()),
        current_password: Some(current.into()),
        new_password: Some(new.into()),
        email: Some("ada@example.org".into()),
    };
    for user in [&eve, &child] {
        let error = accounts
            .update(user, change("Eve", "", ""), at(HERE), 0)
            .await
            .unwrap_err();
        assert_eq!(error, AccountError::NotYours);
    }
    let error = accounts
        .update(&eve, change("", "a wrong one", "eve's password"), at(HERE), 0)
        .await;
    assert_eq!(error.unwrap_err(), AccountError::CurrentPassword);
    let error = accounts
        .update(&ada, change("", "", "new password"), at(HERE), 0)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        AccountError::NotYours,
        "a token alone does not change the password"
    );
    assert_eq!(
        accounts
            .update(&ada, change("Countess", "", ""), at(HERE), 0)
            .await
            .unwrap()
            .name,
        "Countess"
    );
    accounts
        .update(&eve, change("", "correct horse", "new password"), at(HERE), 0)
        .await
        .unwrap();
    accounts
        .sign_in("ada@example.org", "new password", at(HERE), 0)
        .await
        .unwrap();
}

#[test]
fn addresses() {
    assert_eq!(checked_email(" Ada@Example.ORG ").unwrap(), "ada@example.org");
    for bad in [
        "",
        "ada",
        "@x",
        "a@",
        "a b@x",
        "a@x\nbcc: b@y",
        "a@x,b@y",
        "<a@x>",
        "a@b@c",
        "\"a@x",
    ] {
        assert_eq!(checked_email(bad).unwrap_err(), AccountError::Email, "{bad:?}");
    }
}
