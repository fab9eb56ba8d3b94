//! Jobs.

use k8s_openapi::api::batch::v1::{Job, JobStatus};

use super::*;

fn job(name: &str, how: &str, spec: &Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "parallelism": 1, "completions": 1, "backoffLimit": 6,
            "template": {
                "metadata": {"annotations": {"pretend": how}},
                "spec": {"containers": [{"name": "main", "image": "work:1"}], "restartPolicy": "Never"},
            },
        },
    });
    json_patch::merge(&mut job["spec"], spec);
    job
}

fn status(cluster: &Cluster) -> JobStatus {
    cluster.get::<Job>("sum").and_then(|job| job.status).unwrap_or_default()
}

fn has(cluster: &Cluster, kind: &str) -> Option<String> {
    let conditions = status(cluster).conditions.unwrap_or_default();
    conditions.into_iter().find(|c| c.type_ == kind && c.status == "True").and_then(|c| c.reason)
}

#[tokio::test]
async fn a_job_runs_to_completion_in_parallel() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "Succeeded", &json!({"completions": 5, "parallelism": 2}))).await;
    cluster.until("it is complete", |c| has(c, "Complete").is_some()).await;
    let status = status(&cluster);
    assert_eq!((status.succeeded, status.failed, status.active), (Some(5), None, None));
    assert!(status.start_time.is_some() && status.completion_time.is_some());
    assert_eq!(has(&cluster, "SuccessCriteriaMet").as_deref(), Some("CompletionsReached"));
    cluster.until("it is told", |c| c.told("Completed") == ["Job completed"]).await;
    let pods = cluster.list::<Pod>();
    assert_eq!(pods.len(), 5);
    assert!(pods.iter().all(|pod| labels(pod)["batch.kubernetes.io/job-name"] == "sum"));
    assert!(pods.iter().all(|pod| pod.metadata.finalizers.clone().unwrap_or_default().is_empty()));
}

#[tokio::test]
async fn a_job_that_keeps_failing_fails() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "Failed", &json!({"backoffLimit": 0}))).await;
    cluster.until("it has failed", |c| has(c, "Failed").is_some()).await;
    assert_eq!(has(&cluster, "Failed").as_deref(), Some("BackoffLimitExceeded"));
    assert_eq!(status(&cluster).failed, Some(1));
    let told = |c: &Cluster| c.told("BackoffLimitExceeded") == ["Job has reached the specified backoff limit"];
    cluster.until("it is told", told).await;
}

#[tokio::test]
async fn a_job_past_its_deadline_fails_and_its_pods_go() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "never", &json!({"activeDeadlineSeconds": 2}))).await;
    cluster.until("it runs", |c| status(c).active == Some(1)).await;
    cluster.until("it has failed", |c| has(c, "Failed").is_some()).await;
    assert_eq!(has(&cluster, "Failed").as_deref(), Some("DeadlineExceeded"));
    assert!(cluster.pods().is_empty());
}

#[tokio::test]
async fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "never", &json!({"suspend": true}))).await;
    cluster.until("it is suspended", |c| has(c, "Suspended").is_some()).await;
    assert!(cluster.pods().is_empty());
    cluster.patch("batch/v1", "Job", "sum", json!({"spec": {"suspend": false}})).await;
    cluster.until("it runs", |c| c.pods().len() == 1 && has(c, "Suspended").is_none()).await;
    cluster.patch("batch/v1", "Job", "sum", json!({"spec": {"suspend": true}})).await;
    cluster.until("it rests", |c| c.list::<Pod>().is_empty()).await;
}

#[tokio::test]
async fn an_indexed_job_completes_every_index_once() {
    let cluster = Cluster::start().await;
    let spec = json!({"completionMode": "Indexed", "completions": 4, "parallelism": 4});
    cluster.create(job("sum", "Succeeded", &spec)).await;
    cluster.until("it is complete", |c| has(c, "Complete").is_some()).await;
    let status = status(&cluster);
    assert_eq!((status.succeeded, status.completed_indexes.as_deref()), (Some(4), Some("0-3")));
    let pod = cluster.pods().remove(0);
    let env = pod.spec.and_then(|spec| spec.containers.first()?.env.clone()).unwrap_or_default();
    assert_eq!(env[0].name, "JOB_COMPLETION_INDEX");
}

#[tokio::test]
async fn a_finished_job_goes_after_its_time_with_its_pods() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "Succeeded", &json!({"ttlSecondsAfterFinished": 2}))).await;
    cluster.until("it is complete", |c| has(c, "Complete").is_some()).await;
    cluster.until("it is gone", |c| c.get::<Job>("sum").is_none() && c.list::<Pod>().is_empty()).await;
}

#[tokio::test]
async fn deleting_a_running_job_leaves_no_pod_behind() {
    let cluster = Cluster::start().await;
    cluster.create(job("sum", "never", &json!({"parallelism": 3, "completions": 3}))).await;
    cluster.until("it runs", |c| status(c).active == Some(3)).await;
    cluster.delete::<Job>("sum").await;
    cluster.until("its pods are gone", |c| c.list::<Pod>().is_empty()).await;
}
