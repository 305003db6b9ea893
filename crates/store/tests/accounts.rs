//! What every [`AccountStore`] promises, tried on the one in memory, on SQLite in memory and on SQLite in a file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::future::Future;

use hypha_login::{Account, AccountStore, MemoryAccounts, StoredPassword};
use hypha_store::{Location, Store};

async fn on_all<F: Future<Output = ()>>(test: impl Fn(Box<dyn AccountStore>) -> F) {
    test(Box::new(MemoryAccounts::default())).await;
    test(Box::new(Store::ephemeral().await.unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("hub.db"));
    test(Box::new(Store::open(&location).await.unwrap())).await;
}

fn ada() -> Account {
    Account {
        id: "local-1".into(),
        email: "ada@example.org".into(),
        name: "Ada \"<Countess>\" ' Lovelace".into(),
        password: StoredPassword::Sha256 {
            hash: "00ff".into(),
            salt: "pepper".into(),
        },
        created_at: 1_700_000_000,
        email_verified: true,
        roles: vec!["user".into(), "lab, head".into()],
    }
}

#[tokio::test]
async fn accounts() {
    on_all(|store| async move {
        let mut ada = ada();
        assert_eq!(store.account(&ada.email).await.unwrap(), None);
        assert!(
            !store.update_account(&ada).await.unwrap(),
            "there is nothing to update"
        );
        assert!(store.add_account(&ada).await.unwrap());
        assert_eq!(
            store.account("ada@example.org").await.unwrap().as_ref(),
            Some(&ada)
        );
        assert_eq!(store.account_of("local-1").await.unwrap().as_ref(), Some(&ada));
        assert_eq!(store.account_of("ada@example.org").await.unwrap(), None);

        for (id, email) in [("local-1", "eve@example.org"), ("local-2", "ada@example.org")] {
            let other = Account {
                id: id.into(),
                email: email.into(),
                ..ada.clone()
            };
            assert!(!store.add_account(&other).await.unwrap(), "{id} {email}");
        }
        assert_eq!(store.account_of("local-2").await.unwrap(), None);

        ada.name = "Ada".into();
        ada.password = StoredPassword::Argon2("$argon2id$x".into());
        ada.roles.clear();
        assert!(store.update_account(&ada).await.unwrap());
        let changed = store.account("ada@example.org").await.unwrap().unwrap();
        assert_eq!(changed, ada);
    })
    .await;
}
