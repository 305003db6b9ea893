//! Tests of [`child_token`]: a table of who may hand on what, and the property that nobody gains anything.

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::auth::token::{TokenIssuer, TokenOptions};

const NOW: u64 = 1_800_000_000;

fn lab() -> WorkspaceId {
    WorkspaceId::parse("lab").unwrap()
}

fn user(id: &str, scope: &str) -> UserInfo {
    UserInfo {
        scope: ScopeInfo::parse(scope).unwrap(),
        ..UserInfo::new(id)
    }
}

fn child_of(parent: &str, scope: &str) -> UserInfo {
    UserInfo {
        parent: Some(parent.into()),
        ..user("kid", scope)
    }
}

fn ask(permission: &str) -> TokenConfig {
    TokenConfig {
        permission: Some(permission.into()),
        ..TokenConfig::default()
    }
}

fn mint(parent: &UserInfo, request: &TokenConfig, owners: &[&str]) -> Result<ChildToken, AuthError> {
    let owners: Vec<String> = owners.iter().map(|o| (*o).to_owned()).collect();
    child_token(
        parent,
        request,
        &lab(),
        &owners,
        NOW,
        &mut StdRng::seed_from_u64(7),
    )
}

#[test]
fn who_may_hand_on_what() {
    // Caller, owners of the workspace, permission asked for, mode in the token or error.
    type Case = (
        UserInfo,
        &'static [&'static str],
        &'static str,
        Result<&'static str, &'static str>,
    );
    let cases: &[Case] = &[
        (user("ada", "ws:lab#a"), &[], "read", Ok("r")),
        (user("ada", "ws:lab#a"), &[], "admin", Ok("a")),
        (user("ada", ""), &["ada"], "admin", Ok("a")),
        (UserInfo::root(), &[], "read", Ok("r")),
        (
            user("eve", ""),
            &["ada"],
            "read",
            Err("You do not have any permission for workspace: lab"),
        ),
        (
            user("eve", "ws:lab#rw"),
            &["ada"],
            "read",
            Err("Only admin can generate token."),
        ),
        (
            child_of("ada", "ws:lab#r"),
            &["ada"],
            "read",
            Err("Only admin can generate token."),
        ),
        (
            child_of("ada", "ws:other#a"),
            &["ada"],
            "read",
            Err("You do not have any permission for workspace: lab"),
        ),
        (child_of("ada", "ws:lab#a"), &[], "admin", Ok("a")),
        (
            user("ada", "ws:lab#a"),
            &[],
            "owner",
            Err("Invalid permission: expected read, read_write or admin"),
        ),
    ];
    for (parent, owners, permission, expected) in cases {
        let result = mint(parent, &ask(permission), owners);
        let scope = result.as_ref().map(|t| t.user.scope.to_text().unwrap());
        match expected {
            Ok(mode) => assert_eq!(scope.unwrap(), format!("ws:lab#{mode} wid:lab")),
            Err(text) => assert_eq!(result.unwrap_err().to_string(), *text, "{parent:?}"),
        }
    }
}

#[test]
fn an_owner_works_through_a_read_write_child() {
    let mut kid = child_of("ada", "ws:lab#rw");
    kid.email = Some("ada@example.org".into());
    let owners = &["ada@example.org"];
    assert!(mint(&kid, &ask("read_write"), owners).is_ok());
    let refused = mint(&kid, &ask("admin"), owners).unwrap_err().to_string();
    assert_eq!(
        refused,
        "Permission denied: cannot grant 'admin' on workspace lab, the caller has 'read_write'"
    );
}

#[test]
fn a_read_child_cannot_reach_its_parents_home() {
    let kid = child_of("ada", "ws:lab#r");
    let home = WorkspaceId::home_of("ada").unwrap();
    let result = child_token(
        &kid,
        &ask("admin"),
        &home,
        &["ada".into()],
        NOW,
        &mut StdRng::seed_from_u64(7),
    );
    assert_eq!(result, Err(AuthError::NoPermission("ws-user-ada".into())));
}

#[test]
fn a_read_token_of_an_admin_is_a_read_token() {
    let mut admin = user("op", "ws:*#a");
    admin.roles = vec!["admin".into(), "staff".into()];
    let token = mint(&admin, &ask("read"), &[]).unwrap();
    assert_eq!(token.user.roles, ["staff"]);
    let issuer = TokenIssuer::new(TokenOptions::new("s"));
    let bearer = issuer
        .parse(&issuer.issue(&token.user, token.expires_in, NOW).unwrap(), NOW)
        .unwrap();
    assert_eq!(effective(&bearer, "lab"), Some(Permission::Read));
    assert_eq!(effective(&bearer, "other"), None);
    assert_eq!(bearer.parent.as_deref(), Some("op"));
    assert_ne!(bearer.id, "op");
}

#[test]
fn life() {
    let life = |parent: &UserInfo, seconds: Option<i64>, owners: &[&str]| {
        mint(
            parent,
            &TokenConfig {
                expires_in: seconds,
                ..TokenConfig::default()
            },
            owners,
        )
        .map(|t| t.expires_in)
    };
    let mut admin = user("op", "ws:lab#a");
    assert_eq!(life(&admin, None, &[]), Ok(3600));
    assert_eq!(life(&admin, Some(0), &[]), Ok(3600));
    assert_eq!(life(&admin, Some(i64::MAX), &[]), Ok(MAX_EXPIRES_IN));
    assert!(life(&admin, Some(-1), &[]).is_err());
    admin.expires_at = Some(NOW as f64 + 100.5);
    assert_eq!(life(&admin, None, &[]), Ok(100), "not beyond the parent");
    assert_eq!(life(&admin, None, &["op"]), Ok(3600), "an owner may");
    admin.expires_at = Some(NOW as f64 - 1.0);
    assert_eq!(life(&admin, None, &[]), Err(AuthError::Expired));
}

#[test]
fn nothing_is_smuggled_into_the_scope() {
    let parent = UserInfo {
        is_anonymous: true,
        ..user("anonymouz-a-b-1", "ws:lab#a")
    };
    let with_extra = |extra: &str| TokenConfig {
        extra_scopes: Some(vec![extra.into()]),
        ..TokenConfig::default()
    };
    for extra in [
        "ws:*#a",
        "cid:x",
        "wid:x",
        "a b",
        "",
        "x\tws:*#a",
        "x#a",
        "get_file:any:*",
        "put_file:any:*",
        &"x".repeat(1025),
    ] {
        assert!(mint(&parent, &with_extra(extra), &[]).is_err(), "{extra}");
    }
    for client in ["z ws:*#a", "*", "", "a/b"] {
        let request = TokenConfig {
            client_id: Some(client.into()),
            ..TokenConfig::default()
        };
        assert!(mint(&parent, &request, &[]).is_err(), "{client}");
    }
    let many = TokenConfig {
        extra_scopes: Some(vec!["x".into(); 65]),
        ..TokenConfig::default()
    };
    assert!(mint(&parent, &many, &[]).is_err());
    let token = mint(&parent, &with_extra("file:download"), &[]).unwrap();
    assert!(token.user.is_anonymous && token.user.scope.general_access().is_err());
    assert!(
        mint(&token.user, &ask("read"), &[]).is_err(),
        "a specialised token makes no others"
    );
}

#[test]
fn email() {
    let request = TokenConfig {
        email: Some("bob@example.org".into()),
        ..TokenConfig::default()
    };
    let mut parent = user("ada", "ws:lab#a");
    assert_eq!(mint(&parent, &request, &[]), Err(AuthError::EmailOverride));
    parent.roles = vec!["admin".into()];
    assert_eq!(
        mint(&parent, &request, &[]).unwrap().user.email.as_deref(),
        Some("bob@example.org")
    );
    for bad in ["", "bob", "@", "a@b@c", "a b@c"] {
        let request = TokenConfig {
            email: Some(bad.into()),
            ..TokenConfig::default()
        };
        assert!(mint(&parent, &request, &[]).is_err(), "{bad}");
    }
}

#[test]
fn nulls_are_defaults() {
    let config: TokenConfig =
        serde_json::from_str(r#"{"extra_scopes":null,"expires_in":null,"permission":null}"#).unwrap();
    assert_eq!(config, TokenConfig::default());
}

proptest! {
    #[test]
    fn a_child_never_exceeds_its_parent(
        scope in "(ws:(lab|\\*|x)#(r|rw|a) ){0,3}",
        is_child in any::<bool>(),
        role in any::<bool>(),
        owner in any::<bool>(),
        permission in "(read|read_write|admin)",
        asked_life in 0i64..10_000,
        parent_life in proptest::option::of(1u64..10_000),
    ) {
        let mut parent = if is_child { child_of("ada", &scope) } else { user("ada", &scope) };
        parent.roles = if role { vec!["admin".into()] } else { vec![] };
        parent.expires_at = parent_life.map(|life| (NOW + life) as f64);
        let owners: &[&str] = if owner { &["ada"] } else { &[] };
        let request = TokenConfig { expires_in: Some(asked_life), ..ask(&permission) };
        if let Ok(token) = mint(&parent, &request, owners) {
            let asked = Permission::parse(&permission);
            let issuer = TokenIssuer::new(TokenOptions::new("s"));
            let bearer = issuer.parse(&issuer.issue(&token.user, token.expires_in, NOW).unwrap(), NOW).unwrap();
            prop_assert_eq!(effective(&bearer, "lab"), asked);
            prop_assert_eq!(effective(&bearer, "x"), None);
            let acts_as_owner = owner && !is_child;
            if !acts_as_owner {
                prop_assert!(effective(&parent, "lab") >= asked);
                if let Some(end) = parent.expires_at {
                    prop_assert!((NOW + token.expires_in) as f64 <= end);
                }
            }
        }
    }
}
