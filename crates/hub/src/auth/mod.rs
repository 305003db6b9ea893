//! Tokens and permissions: who is asking, and may they.
//!
//! Everything here is pure: no I/O, no clock (`now` is seconds since the Unix epoch, passed in), no
//! randomness of its own.
//!
//! | module | what |
//! | --- | --- |
//! | [`permission`] | the levels, and the one function that says what a user may do in a workspace |
//! | [`user`], [`scope`] | the identity that travels with messages, and the text form of its grants in a token |
//! | [`token`], [`claims`] | issuing and verifying JSON web tokens |
//! | [`root`], [`revoked`], `verified`, [`authenticator`] | the root token, revoked tokens, those that were read before, and the door where any credential is presented |
//! | [`provider`] | others that know users: external issuers, services of the operator |
//! | [`child`] | tokens that a client asks for, for others to use |
//! | [`handshake`] | what a connecting client becomes, or why it is refused |
//!
//! Two rules hold throughout: a token never carries more than was asked for and than its parent had, and
//! nothing that a caller chose enters a scope text unchecked.

pub mod authenticator;
pub mod child;
pub mod claims;
pub mod error;
pub mod handshake;
pub mod permission;
pub mod provider;
pub mod revoked;
pub mod root;
pub mod scope;
pub mod token;
pub mod user;
mod verified;

pub use authenticator::Authenticator;
pub use child::{ChildToken, TokenConfig, child_token};
pub use error::{AuthError, ErrorKind};
pub use permission::{Permission, check, effective, owned_by, scope_for_workspace};
pub use provider::{IdentityProvider, RequestHead};
pub use revoked::RevokedTokens;
pub use root::RootToken;
pub use scope::ScopeInfo;
pub use token::{TokenIssuer, TokenOptions};
pub use user::UserInfo;
