//! What the login service is told: local accounts, mail, an external issuer.

use std::time::Duration;

use anyhow::{Result, bail};
use hypha_hub::auth::TokenOptions;
use hypha_login::{IssuerOptions, LocalOptions, MailOptions, Options};

use super::env::Env;

/// Variables of this module that begin with `HYPHA_`.
pub(crate) const VARIABLES: [&str; 5] = [
    "HYPHA_VERIFICATION_FROM_EMAIL",
    "HYPHA_VERIFICATION_CODE_TTL",
    "HYPHA_VERIFICATION_MAX_ATTEMPTS",
    "HYPHA_VERIFICATION_RESEND_THROTTLE",
    "HYPHA_VERIFICATION_MAX_PENDING",
];
/// The sender of mail when none is named.
const SENDER: &str = "Hypha <onboarding@resend.dev>";

/// Reads the variables. Also returns what to tell the user.
///
/// # Errors
/// There is a half of an external issuer, or one that cannot be used.
pub(super) fn options(
    local_accounts: bool,
    has_root_token: bool,
    tokens: &TokenOptions,
    env: &Env,
) -> Result<(Options, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut options = Options {
        root_sign_in: has_root_token,
        issuer: issuer(tokens, env)?,
        ..Options::default()
    };
    let mut seconds = options.max_login_time.as_secs();
    number(env, "MAXIMUM_LOGIN_TIME", &mut seconds, &mut warnings);
    options.max_login_time = Duration::from_secs(seconds);
    if local_accounts {
        let mut local = LocalOptions::default();
        number(env, VARIABLES[1], &mut local.code_life, &mut warnings);
        number(env, VARIABLES[2], &mut local.max_attempts, &mut warnings);
        number(env, VARIABLES[3], &mut local.resend_interval, &mut warnings);
        number(env, VARIABLES[4], &mut local.max_pending, &mut warnings);
        local.mail = env.get("RESEND_API_KEY").map(|key| MailOptions {
            api_key: key.to_owned(),
            from: env.get(VARIABLES[0]).unwrap_or(SENDER).to_owned(),
        });
        if local.mail.is_none() {
            let text = "local accounts are enabled, and there is no RESEND_API_KEY to send mail with: codes are shown to \
                        whoever signs up, and e-mail addresses prove nothing";
            warnings.push(text.to_owned());
        }
        options.local = Some(local);
    }
    Ok((options, warnings))
}

/// Takes a whole number above 0, if the variable is one.
fn number<T: std::str::FromStr + std::fmt::Display + PartialOrd + From<u8>>(
    env: &Env,
    name: &str,
    slot: &mut T,
    warnings: &mut Vec<String>,
) {
    let Some(text) = env.get(name) else { return };
    match text.trim().parse() {
        Ok(number) if number > T::from(0) => *slot = number,
        _ => warnings.push(format!(
            "{name}={text} is ignored: expected a whole number above 0; it stays {slot}"
        )),
    }
}

fn issuer(tokens: &TokenOptions, env: &Env) -> Result<Option<IssuerOptions>> {
    match (env.get("AUTH0_DOMAIN"), env.get("AUTH0_CLIENT_ID")) {
        (Some(domain), Some(client)) => {
            let issuer = IssuerOptions::new(domain, client, &tokens.audience, &tokens.namespace)?;
            let secret = env.get("AUTH0_CLIENT_SECRET").map(str::to_owned);
            Ok(Some(issuer.with_secret(secret)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => bail!("AUTH0_DOMAIN needs AUTH0_CLIENT_ID, the id of this server at that issuer"),
        (None, Some(_)) => bail!("AUTH0_CLIENT_ID needs AUTH0_DOMAIN, the issuer that it is from"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options_of(local: bool, variables: &[(&str, &str)]) -> Result<(Options, Vec<String>)> {
        options(local, false, &TokenOptions::new("s"), &Env::of(variables))
    }

    #[test]
    fn everything_is_off_by_default() {
        let (options, warnings) = options_of(false, &[]).unwrap();
        assert!(options.local.is_none() && options.issuer.is_none() && warnings.is_empty());
        assert_eq!(options.max_login_time.as_secs(), 180);
    }

    #[test]
    fn accounts_and_mail() {
        let variables = [
            ("RESEND_API_KEY", "re_sesame"),
            ("HYPHA_VERIFICATION_CODE_TTL", "60"),
            ("HYPHA_VERIFICATION_MAX_ATTEMPTS", "0"),
            ("MAXIMUM_LOGIN_TIME", "20"),
        ];
        let (options, warnings) = options_of(true, &variables).unwrap();
        let local = options.local.clone().unwrap();
        assert_eq!(
            (
                local.code_life,
                local.max_attempts,
                options.max_login_time.as_secs()
            ),
            (60, 5, 20)
        );
        assert_eq!(local.mail.as_ref().unwrap().from, SENDER);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(!format!("{options:?}").contains("sesame"));
        assert!(options_of(true, &[]).unwrap().1[0].contains("RESEND_API_KEY"));
    }

    #[test]
    fn an_issuer_is_whole_or_an_error() {
        let text = |variables: &[(&str, &str)]| options_of(false, variables).unwrap_err().to_string();
        assert!(text(&[("AUTH0_DOMAIN", "id.example.org")]).contains("needs AUTH0_CLIENT_ID"));
        assert!(text(&[("AUTH0_CLIENT_ID", "x")]).contains("needs AUTH0_DOMAIN"));
        assert!(
            text(&[
                ("AUTH0_CLIENT_ID", "x"),
                ("AUTH0_DOMAIN", "http://id.example.org")
            ])
            .contains("AUTH0_DOMAIN")
        );
        let whole = [("AUTH0_CLIENT_ID", "x"), ("AUTH0_DOMAIN", "id.example.org")];
        assert!(options_of(false, &whole).unwrap().0.issuer.is_some());
    }
}
