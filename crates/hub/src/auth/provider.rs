//! Others that know users: an external issuer of tokens, or an authentication service of the operator.

use futures_util::future::BoxFuture;

use super::error::AuthError;
use super::user::UserInfo;

/// What a provider may look at to find the credential of an HTTP request.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method, as in `GET`.
    pub method: String,
    /// The path, still percent-encoded, without the query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Somebody who is asked about credentials beside the hub. All methods answer `None` for "not mine"; then the next
/// provider, and at last the hub itself, decides.
pub trait IdentityProvider: Send + Sync + 'static {
    /// Who presents this token. The token has no `Bearer` in front and is of bounded length.
    ///
    /// # Errors
    /// The token is the provider's, and is not valid.
    fn parse_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<UserInfo>, AuthError>>;

    /// A token that makes its bearer `user` for `expires_in` seconds. It must be one that
    /// [`parse_token`](Self::parse_token) reads.
    ///
    /// # Errors
    /// The provider makes tokens, and could not make this one.
    fn generate_token<'a>(
        &'a self,
        user: &'a UserInfo,
        expires_in: u64,
    ) -> BoxFuture<'a, Result<Option<String>, AuthError>> {
        let _ = (user, expires_in);
        Box::pin(async { Ok(None) })
    }

    /// Whether [`get_token`](Self::get_token) is to be asked, which costs every request its time.
    fn reads_requests(&self) -> bool {
        false
    }

    /// The credential of an HTTP request.
    ///
    /// # Errors
    /// Nobody can say. The request is not served then: taking it for one without credential would be wrong.
    fn get_token<'a>(&'a self, request: &'a RequestHead) -> BoxFuture<'a, Result<Option<String>, AuthError>> {
        let _ = request;
        Box::pin(async { Ok(None) })
    }
}
