//! Promise: what cannot work is refused where it is written, with object, field and reason, or answered with the reason;
//! and nothing else is affected.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::{Cluster, Space, eventually};
use kube::{
    Api,
    api::{DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_subset_that_does_not_exist_is_answered_with_503() -> Result<()> {
    const TEST: &str = "a_subset_that_does_not_exist_is_answered_with_503";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    cluster
        .in_namespace(|space| async move {
            space.bookinfo().await?;
            let caller = space.caller("client").await?;
            let nowhere = json!([{"route": [{"destination": {"host": "reviews", "subset": "v9"}}]}]);
            create(&space, "reviews", "VirtualService", json!({"hosts": ["reviews"], "http": nowhere})).await?;
            eventually("a missing subset gives 503", Duration::from_secs(10), || async {
                let (status, _) = caller.curl(&["http://reviews:9080/reviews/0"]).await?;
                Ok((status == 503).then_some(()))
            })
            .await?;
            let pods = space.api::<k8s_openapi::api::core::v1::Pod>();
            eventually("the access log tells NC", Duration::from_secs(5), || async {
                let options = kube::api::LogParams { container: Some("istio-proxy".into()), ..Default::default() };
                let log = pods.logs("client", &options).await?;
                Ok(log.lines().any(|l| l.contains("/reviews/0") && l.contains(" 503 NC ")).then_some(()))
            })
            .await?;
            ensure!(caller.curl(&["http://details:9080/details/0"]).await?.0 == 200, "others are not affected");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_webhook_refuses_with_object_field_and_reason() -> Result<()> {
    const TEST: &str = "the_webhook_refuses_with_object_field_and_reason";
    let Some((cluster, _)) = Cluster::with_mesh(TEST).await? else { return Ok(()) };
    let route = |route: Value| json!({"hosts": ["reviews"], "http": [{"route": route}]});
    let regex = json!([{"match": [{"uri": {"regex": "a("}}], "route": [{"destination": {"host": "reviews"}}]}]);
    let cases = [
        (route(json!([{"destination": {"subset": "v1"}}])), "spec.http[0].route[0].destination.host"),
        (
            route(json!([
                {"destination": {"host": "reviews", "subset": "v1"}, "weight": 0},
                {"destination": {"host": "reviews", "subset": "v2"}, "weight": 0},
            ])),
            "spec.http[0].route",
        ),
        (json!({"hosts": ["reviews"], "http": regex}), "spec.http[0].match[0].uri.regex"),
    ];
    cluster
        .in_namespace(|space| async move {
            for (spec, field) in cases {
                let refused = create(&space, "bad", "VirtualService", spec).await;
                let Err(error) = refused else { anyhow::bail!("{field}: accepted") };
                let said = format!("{error:#}");
                ensure!(said.contains(field) && said.contains("bad"), "{field} is not named: {said}");
            }
            let good = route(json!([{"destination": {"host": "reviews"}}]));
            create(&space, "good", "VirtualService", good).await.context("a good object is accepted")
        })
        .await
}

async fn create(space: &Space, name: &str, kind: &str, spec: Value) -> Result<()> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("networking.istio.io", "v1", kind));
    let api = Api::<DynamicObject>::namespaced_with(space.cluster.client.clone(), &space.name, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
    api.create(&PostParams::default(), &object).await?;
    Ok(())
}
