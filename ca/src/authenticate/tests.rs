use std::sync::Arc;

use super::{Authenticator, Refusal, ReviewError, Reviewed};

fn authenticator(answer: Option<Reviewed>) -> Authenticator {
    Authenticator::new(
        "cluster.local",
        Arc::new(move |_, audience| {
            assert_eq!(audience, "istio-ca");
            let answer = answer.clone();
            Box::pin(async move { answer.ok_or_else(|| ReviewError("down".into())) })
        }),
    )
}

fn good() -> Reviewed {
    Reviewed {
        authenticated: true,
        user: "system:serviceaccount:shop:web".to_owned(),
        audiences: vec!["istio-ca".to_owned()],
        error: String::new(),
    }
}

#[tokio::test]
async fn a_good_token_names_its_account() {
    let peer = || Some("spiffe://cluster.local/ns/other/sa/other".parse().unwrap());
    for peer in [None, peer()] {
        let caller = authenticator(Some(good())).authenticate(Some("Bearer x"), peer).await.unwrap();
        assert_eq!((caller.id.to_string().as_str(), caller.proof), ("spiffe://cluster.local/ns/shop/sa/web", "token"));
    }
}

#[tokio::test]
async fn a_certificate_is_enough_for_a_renewal() {
    let id = "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap();
    let caller = authenticator(None).authenticate(None, Some(id)).await.unwrap();
    assert_eq!((caller.id.account(), caller.proof), ("web", "certificate"));
    let foreign = "spiffe://elsewhere/ns/shop/sa/web".parse().unwrap();
    assert!(matches!(authenticator(None).authenticate(None, Some(foreign)).await, Err(Refusal::Foreign(_))));
}

#[tokio::test]
async fn everybody_else_is_nobody() {
    let table = [
        Reviewed { authenticated: false, ..good() },
        Reviewed { audiences: Vec::new(), ..good() },
        Reviewed { audiences: vec!["https://kubernetes.default.svc".to_owned()], ..good() },
        Reviewed { user: "admin".to_owned(), ..good() },
        Reviewed { user: "system:serviceaccount:web".to_owned(), ..good() },
        Reviewed { user: "system:serviceaccount:a/b:web".to_owned(), ..good() },
    ];
    // A bad token is not made good by a good certificate.
    let peer = || Some("spiffe://cluster.local/ns/shop/sa/web".parse().unwrap());
    for reviewed in table {
        let text = format!("{reviewed:?}");
        let authenticator = authenticator(Some(reviewed));
        assert!(authenticator.authenticate(Some("Bearer x"), peer()).await.is_err(), "{text}");
    }
    for header in ["", "Bearer", "Bearer  ", "Basic eDp5"] {
        let refused = authenticator(Some(good())).authenticate(Some(header), peer()).await;
        assert!(matches!(refused, Err(Refusal::Form)), "{header}");
    }
    assert!(matches!(authenticator(Some(good())).authenticate(None, None).await, Err(Refusal::NoProof)));
    assert!(matches!(authenticator(None).authenticate(Some("Bearer x"), None).await, Err(Refusal::Review(_))));
}
