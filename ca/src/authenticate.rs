//! Who calls.

use std::{future::Future, pin::Pin, sync::Arc};

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use mesh_types::SpiffeId;

/// What the tokens must be meant for.
const AUDIENCE: &str = "istio-ca";

/// How Kubernetes calls service accounts: `system:serviceaccount:NAMESPACE:NAME`.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A caller whose identity is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub id: SpiffeId,
    /// How it was proven: `token` or `certificate`.
    pub proof: &'static str,
}

/// What the API server says about a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// Whether it is good.
    pub authenticated: bool,
    /// Whose it is.
    pub user: String,
    /// Which of the audiences asked for it is meant for.
    pub audiences: Vec<String>,
    /// Why it is not good.
    pub error: String,
}

/// The API server could not be asked. The caller may try again.
#[derive(Debug, thiserror::Error)]
#[error("the Kubernetes API could not be asked about the token")]
pub struct ReviewError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Asks about a token for an audience; tests bring their own.
pub type TokenReviewer = Arc<
    dyn Fn(String, &'static str) -> Pin<Box<dyn Future<Output = Result<Reviewed, ReviewError>> + Send>> + Send + Sync,
>;

/// Why a caller is nobody.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Neither proof.
    #[error("the call carries neither a token nor a certificate")]
    NoProof,
    /// A header that is not `Bearer TOKEN`.
    #[error("the authorization is not of the form `Bearer TOKEN`")]
    Form,
    /// The API server does not know the token.
    #[error("the token is not good for audience `{AUDIENCE}`: {0}")]
    Token(String),
    /// A token of a person or a node.
    #[error("`{0}` is not a service account")]
    NotAccount(String),
    /// A certificate of another mesh.
    #[error("`{0}` is of another trust domain")]
    Foreign(SpiffeId),
    /// Could not be found out.
    #[error(transparent)]
    Review(#[from] ReviewError),
}

/// Finds out who calls. A token counts before a certificate: it is the fresher proof.
#[derive(Clone)]
pub struct Authenticator {
    trust_domain: String,
    review: TokenReviewer,
}

impl Authenticator {
    /// For the accounts of one cluster.
    pub fn new(trust_domain: &str, review: TokenReviewer) -> Self {
        Self { trust_domain: trust_domain.to_owned(), review }
    }

    /// `authorization` is the header of that name; `peer` is the identity of a certificate that the handshake verified.
    ///
    /// # Errors
    /// The caller is nobody, or it could not be found out.
    pub async fn authenticate(&self, authorization: Option<&str>, peer: Option<SpiffeId>) -> Result<Caller, Refusal> {
        match (authorization, peer) {
            (Some(header), _) => {
                let token = header.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty());
                let reviewed = (self.review)(token.ok_or(Refusal::Form)?.to_owned(), AUDIENCE).await?;
                Ok(Caller { id: account(&self.trust_domain, reviewed)?, proof: "token" })
            }
            (None, Some(id)) if id.trust_domain() == self.trust_domain => Ok(Caller { id, proof: "certificate" }),
            (None, Some(id)) => Err(Refusal::Foreign(id)),
            (None, None) => Err(Refusal::NoProof),
        }
    }
}

fn account(trust_domain: &str, reviewed: Reviewed) -> Result<SpiffeId, Refusal> {
    if !reviewed.authenticated {
        return Err(Refusal::Token(reviewed.error));
    }
    // An API server that knows no audiences answers without them; its tokens are good for itself, not for us.
    if !reviewed.audiences.iter().any(|audience| audience == AUDIENCE) {
        return Err(Refusal::Token("it is meant for somebody else".to_owned()));
    }
    let parts = reviewed.user.strip_prefix(ACCOUNT_PREFIX).and_then(|rest| rest.split_once(':'));
    let id = parts.and_then(|(namespace, name)| SpiffeId::new(trust_domain, namespace, name).ok());
    id.ok_or(Refusal::NotAccount(reviewed.user))
}

/// Asks the Kubernetes API (`TokenReview`).
pub fn kubernetes_reviewer(client: Client) -> TokenReviewer {
    Arc::new(move |token, audience| {
        let reviews: Api<TokenReview> = Api::all(client.clone());
        Box::pin(async move {
            let spec = TokenReviewSpec { token: Some(token), audiences: Some(vec![audience.to_owned()]) };
            let review = TokenReview { metadata: ObjectMeta::default(), spec, status: None };
            let review = reviews.create(&PostParams::default(), &review).await;
            let status = review.map_err(|error| ReviewError(Box::new(error)))?.status.unwrap_or_default();
            Ok(Reviewed {
                authenticated: status.authenticated.unwrap_or_default(),
                user: status.user.and_then(|user| user.username).unwrap_or_default(),
                audiences: status.audiences.unwrap_or_default(),
                error: status.error.unwrap_or_default(),
            })
        })
    })
}

#[cfg(test)]
mod tests;
