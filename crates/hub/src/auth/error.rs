//! What can be wrong with a credential or a request for one, and the text, kind and status that the caller
//! sees.

use crate::ids::IdError;

use super::permission::Permission;

/// The class of an [`AuthError`]; decides the word in front of the text on the wire, and the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The credential is no good. A new one is needed; trying again is pointless.
    Authentication,
    /// The identity is known but may not do this.
    Permission,
    /// An argument is malformed.
    Value,
    /// The hub could not do its part; nothing the caller can change.
    Internal,
    /// Whoever has to decide is not there at the moment. Trying again later may help.
    Unavailable,
}

impl ErrorKind {
    /// The word in front of the message on the wire (`<Kind>: <message>`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authentication => "AuthenticationError",
            Self::Permission => "PermissionError",
            Self::Value => "ValueError",
            Self::Internal | Self::Unavailable => "RuntimeError",
        }
    }

    /// The HTTP status of a response that carries such an error.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Authentication => 401,
            Self::Permission => 403,
            Self::Value => 400,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// Why a credential, a scope or a request for a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No credential at all where one is needed.
    #[error("Authorization header is expected")]
    Missing,
    /// `Bearer` followed by more than one word.
    #[error("Authorization header must be 'Bearer' token")]
    NotBearer,
    /// `Bearer` followed by nothing.
    #[error("Token not found")]
    NoToken,
    /// Longer than any token the hub accepts.
    #[error("Token is too long: {len} bytes, at most {max} are accepted")]
    TooLong {
        /// Bytes presented.
        len: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// Not a JSON web token.
    #[error("Error decoding token headers.")]
    Undecodable,
    /// Signed with an algorithm that is not configured.
    #[error("Invalid algorithm: {0}")]
    Algorithm(String),
    /// Signed by somebody else, or altered.
    #[error("Signature verification failed.")]
    Signature,
    /// `exp` has passed.
    #[error("The token has expired. Please fetch a new one")]
    Expired,
    /// `nbf` is in the future.
    #[error("The token is not yet valid (nbf)")]
    NotYetValid,
    /// Made for another audience.
    #[error("Invalid audience")]
    Audience,
    /// Made by another issuer.
    #[error("Invalid issuer")]
    Issuer,
    /// A claim is missing or has the wrong type.
    #[error("Invalid token claim '{claim}': expected {expected}")]
    Claim {
        /// Name of the claim.
        claim: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The token was revoked.
    #[error("Token has been revoked")]
    Revoked,

    /// Less permission on a workspace than the operation needs.
    #[error("Permission denied for workspace {0}")]
    Workspace(String),
    /// A token is asked for a workspace in which the caller is nobody.
    #[error("You do not have any permission for workspace: {0}")]
    NoPermission(String),
    /// A token is asked for by somebody who is not admin of its workspace.
    #[error("Only admin can generate token.")]
    NotAdmin,
    /// A token is asked for that would carry more than its parent.
    #[error("Permission denied: cannot grant '{asked}' on workspace {workspace}, the caller has '{has}'")]
    Exceeds {
        /// The workspace.
        workspace: String,
        /// The level asked for.
        asked: Permission,
        /// The level that the caller has.
        has: Permission,
    },
    /// [`TokenConfig::email`](super::TokenConfig::email) by somebody without the role.
    #[error("Only callers with the 'admin' role may set TokenConfig.email")]
    EmailOverride,
    /// A specialised token where general access is needed.
    #[error(
        "Specialized token with scopes [{0}] cannot be used for general workspace access. \
         This token can only be used for its intended purpose."
    )]
    Specialized(String),
    /// A specialised token made for something else.
    #[error("Token with scopes [{has}] does not have required scope '{required}' for this operation.")]
    ScopeRequired {
        /// The specialised scopes that the token has.
        has: String,
        /// The scope that the operation needs.
        required: String,
    },

    /// A scope text that does not follow the grammar, or a component that cannot be put into one.
    #[error("Invalid scope: {0}")]
    Scope(String),
    /// An extra scope that would be read as a grant.
    #[error("Invalid scope, cannot start with ws or cid: {0}")]
    ScopePrefix(String),
    /// An extra scope that only the hub may put into a token.
    #[error("Invalid scope, reserved for the hub: {0}")]
    ScopeReserved(String),
    /// A malformed id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A malformed argument.
    #[error("Invalid {field}: expected {expected}")]
    Field {
        /// Name of the argument.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The configured root token is too short.
    #[error(
        "Root token must be at least 32 characters long for security. \
         Make a random one, for example with `openssl rand -base64 48`"
    )]
    RootTokenShort,
    /// The configured root token looks made up.
    #[error(
        "Root token appears to be too simple (contains '{0}'). \
         Make a random one, for example with `openssl rand -base64 48`"
    )]
    RootTokenSimple(&'static str),

    /// The token could not be signed.
    #[error("Cannot sign the token: {0}")]
    Sign(String),
    /// An identity provider does not accept the token; what it says.
    #[error("{0}")]
    Provider(String),
    /// An identity provider that has to be asked does not answer.
    #[error("Credentials cannot be checked at the moment: {0}")]
    Unavailable(String),
}

impl AuthError {
    /// The class of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing
            | Self::NotBearer
            | Self::NoToken
            | Self::TooLong { .. }
            | Self::Undecodable
            | Self::Algorithm(_)
            | Self::Signature
            | Self::Expired
            | Self::NotYetValid
            | Self::Audience
            | Self::Issuer
            | Self::Claim { .. }
            | Self::Revoked
            | Self::Provider(_) => ErrorKind::Authentication,
            Self::Workspace(_)
            | Self::NoPermission(_)
            | Self::NotAdmin
            | Self::Exceeds { .. }
            | Self::EmailOverride
            | Self::Specialized(_)
            | Self::ScopeRequired { .. } => ErrorKind::Permission,
            Self::Scope(_)
            | Self::ScopePrefix(_)
            | Self::ScopeReserved(_)
            | Self::Id(_)
            | Self::Field { .. }
            | Self::RootTokenShort
            | Self::RootTokenSimple(_) => ErrorKind::Value,
            Self::Sign(_) => ErrorKind::Internal,
            Self::Unavailable(_) => ErrorKind::Unavailable,
        }
    }

    /// The HTTP status of a response that carries this error.
    pub fn http_status(&self) -> u16 {
        self.kind().http_status()
    }

    /// The text on the wire: `<Kind>: <message>`.
    pub fn wire_text(&self) -> String {
        format!("{}: {self}", self.kind().as_str())
    }
}
