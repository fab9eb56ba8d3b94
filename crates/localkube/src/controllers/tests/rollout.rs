//! Deployments and ReplicaSets.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

use super::*;

fn available(cluster: &Cluster, name: &str) -> i32 {
    cluster.get::<Deployment>(name).and_then(|d| d.status?.available_replicas).unwrap_or(0)
}

fn condition(cluster: &Cluster, name: &str, kind: &str) -> Option<(String, String, String)> {
    let conditions = cluster.get::<Deployment>(name)?.status?.conditions?;
    let found = conditions.into_iter().find(|condition| condition.type_ == kind)?;
    Some((found.status, found.reason?, found.message?))
}

fn revision(cluster: &Cluster, name: &str) -> Option<String> {
    cluster.get::<Deployment>(name)?.metadata.annotations?.get("deployment.kubernetes.io/revision").cloned()
}

fn images(cluster: &Cluster) -> Vec<String> {
    cluster.pods().into_iter().filter_map(|pod| pod.spec?.containers.first()?.image.clone()).collect()
}

/// True when the rollout is over and all pods have the image.
fn settled(cluster: &Cluster, name: &str, image: &str, count: usize) -> bool {
    let done = condition(cluster, name, "Progressing").is_some_and(|(_, reason, _)| reason == "NewReplicaSetAvailable");
    let images = images(cluster);
    done && images.len() == count
        && images.iter().all(|found| found == image)
        && usize::try_from(available(cluster, name)) == Ok(count)
}

fn image(name: &str, image: &str) -> Value {
    json!({"spec": {"template": template(name, image)}})
}

#[tokio::test]
async fn a_deployment_becomes_available_and_says_so() {
    let cluster = Cluster::start().await;
    cluster.create(deployment("web", 3, "web:1")).await;
    let took = cluster.until("it is available", |c| settled(c, "web", "web:1", 3)).await;
    assert!(took < Duration::from_secs(1), "took {took:?}");
    let set = cluster.list::<ReplicaSet>().remove(0);
    let name = set.metadata.name.clone().expect("a name");
    let hash = labels(&cluster.pods()[0])["pod-template-hash"].clone();
    assert_eq!(name, format!("web-{hash}"));
    assert!((5..=10).contains(&hash.len()), "{hash}");
    assert_eq!(revision(&cluster, "web").as_deref(), Some("1"));
    assert_eq!(cluster.told("ScalingReplicaSet"), [format!("Scaled up replica set {name} from 0 to 3")]);
    let (status, reason, message) = condition(&cluster, "web", "Progressing").expect("a condition");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "NewReplicaSetAvailable"));
    assert_eq!(message, format!("ReplicaSet \"{name}\" has successfully progressed."));
    let (status, reason, message) = condition(&cluster, "web", "Available").expect("a condition");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "MinimumReplicasAvailable"));
    assert_eq!(message, "Deployment has minimum availability.");
    cluster.until("three pods were told of", |c| c.told("SuccessfulCreate").len() == 3).await;
    let nodes: Vec<_> = cluster.pods().into_iter().filter_map(|pod| pod.spec?.node_name).collect();
    assert!(nodes.iter().any(|n| n == "node-1") && nodes.iter().any(|n| n == "node-2"), "{nodes:?}");
}

#[tokio::test]
async fn a_new_template_rolls_within_its_limits_and_can_be_undone() {
    let cluster = Cluster::start().await;
    cluster.create(deployment("web", 4, "web:1")).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 4)).await;
    cluster.patch("apps/v1", "Deployment", "web", image("web", "web:2")).await;
    let within = |c: &Cluster| {
        let total = c.pods().len();
        assert!(total <= 5, "{total} pods, a surge of one is allowed");
        settled(c, "web", "web:2", 4)
    };
    cluster.until("it has rolled", within).await;
    assert_eq!(revision(&cluster, "web").as_deref(), Some("2"));
    assert_eq!(cluster.list::<ReplicaSet>().len(), 2);
    // What `kubectl rollout undo` does.
    cluster.patch("apps/v1", "Deployment", "web", image("web", "web:1")).await;
    cluster.until("it has rolled back", |c| settled(c, "web", "web:1", 4)).await;
    assert_eq!(revision(&cluster, "web").as_deref(), Some("3"));
    let mut sets = cluster.list::<ReplicaSet>();
    assert_eq!(sets.len(), 2);
    sets.retain(|set| set.status.as_ref().is_some_and(|status| status.replicas == 4));
    let annotations = sets.remove(0).metadata.annotations.expect("annotations");
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
    assert_eq!(annotations["deployment.kubernetes.io/desired-replicas"], "4");
    assert_eq!(annotations["deployment.kubernetes.io/max-replicas"], "5");
}

#[tokio::test]
async fn a_rollout_that_never_gets_ready_keeps_the_old_pods_and_tells() {
    let cluster = Cluster::start().await;
    let mut wanted = deployment("web", 4, "web:1");
    wanted["spec"]["progressDeadlineSeconds"] = 1.into();
    cluster.create(wanted).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 4)).await;
    let mut broken = image("web", "web:2");
    broken["spec"]["template"]["metadata"]["annotations"] = json!({"pretend": "never"});
    cluster.patch("apps/v1", "Deployment", "web", broken).await;
    let overdue = |c: &Cluster| {
        assert!(images(c).iter().filter(|image| *image == "web:1").count() >= 3);
        condition(c, "web", "Progressing").is_some_and(|(_, reason, _)| reason == "ProgressDeadlineExceeded")
    };
    cluster.until("the deadline is told", overdue).await;
    let (status, _, message) = condition(&cluster, "web", "Progressing").expect("a condition");
    assert_eq!(status, "False");
    assert!(message.ends_with("has timed out progressing."), "{message}");
}

#[tokio::test]
async fn scaling_pausing_and_resuming() {
    let cluster = Cluster::start().await;
    cluster.create(deployment("web", 1, "web:1")).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 1)).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 5}})).await;
    cluster.until("it has grown", |c| settled(c, "web", "web:1", 5)).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"paused": true}})).await;
    let paused = |c: &Cluster| condition(c, "web", "Progressing").is_some_and(|(_, r, _)| r == "DeploymentPaused");
    cluster.until("the pause is told", paused).await;
    cluster.patch("apps/v1", "Deployment", "web", image("web", "web:2")).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 2}})).await;
    cluster.until("it has shrunk", |c| c.pods().len() == 2 && available(c, "web") == 2).await;
    assert_eq!(images(&cluster), ["web:1", "web:1"]);
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"paused": null}})).await;
    cluster.until("it goes on", |c| settled(c, "web", "web:2", 2)).await;
    cluster.patch("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}})).await;
    cluster.until("it is empty", |c| c.pods().is_empty()).await;
}

#[tokio::test]
async fn recreate_never_runs_old_and_new_together() {
    let cluster = Cluster::start().await;
    let mut wanted = deployment("web", 3, "web:1");
    wanted["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create(wanted).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 3)).await;
    cluster.patch("apps/v1", "Deployment", "web", image("web", "web:2")).await;
    let made_anew = |c: &Cluster| {
        let pods = c.list::<Pod>().into_iter();
        let mut images: Vec<String> = pods.filter_map(|pod| pod.spec?.containers.first()?.image.clone()).collect();
        images.dedup();
        assert!(images.len() < 2, "old and new together");
        settled(c, "web", "web:2", 3)
    };
    cluster.until("it was made anew", made_anew).await;
}

#[tokio::test]
async fn old_revisions_are_kept_up_to_the_limit() {
    let cluster = Cluster::start().await;
    let mut wanted = deployment("web", 1, "web:0");
    wanted["spec"]["revisionHistoryLimit"] = 2.into();
    cluster.create(wanted).await;
    for n in 1..5 {
        cluster.until("it is available", |c| settled(c, "web", &format!("web:{}", n - 1), 1)).await;
        cluster.patch("apps/v1", "Deployment", "web", image("web", &format!("web:{n}"))).await;
    }
    let three = |c: &Cluster| settled(c, "web", "web:4", 1) && c.list::<ReplicaSet>().len() == 3;
    cluster.until("three ReplicaSets are left", three).await;
    assert_eq!(revision(&cluster, "web").as_deref(), Some("5"));
}

#[tokio::test]
async fn a_pod_that_loses_the_label_is_let_go_and_one_that_has_it_is_taken() {
    let cluster = Cluster::start().await;
    cluster.create(deployment("web", 2, "web:1")).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 2)).await;
    let name = cluster.pods()[0].metadata.name.clone().expect("a name");
    cluster.patch("v1", "Pod", &name, json!({"metadata": {"labels": {"app": "other"}}})).await;
    cluster.until("another took its place", |c| c.pods().len() == 3).await;
    let owners = |c: &Cluster| c.get::<Pod>(&name).and_then(|pod| pod.metadata.owner_references).unwrap_or_default();
    assert!(owners(&cluster).is_empty());
    cluster.patch("v1", "Pod", &name, json!({"metadata": {"labels": {"app": "web"}}})).await;
    cluster.until("one was too many", |c| c.pods().len() == 2).await;
}

#[tokio::test]
async fn deleting_a_deployment_takes_everything_with_it() {
    let cluster = Cluster::start().await;
    cluster.create(deployment("web", 3, "web:1")).await;
    cluster.until("it is available", |c| settled(c, "web", "web:1", 3)).await;
    cluster.delete::<Deployment>("web").await;
    let empty = |c: &Cluster| c.list::<Pod>().is_empty() && c.list::<ReplicaSet>().is_empty();
    let took = cluster.until("all is gone", empty).await;
    assert!(took < Duration::from_secs(1), "took {took:?}");
}
