//! Promise: each verb of kubectl does, says and refuses what it does, says and refuses on any Kubernetes.

use anyhow::{Result, bail, ensure};
use e2e::{Cluster, Space, has_kubectl};

/// A call of kubectl, its standard input, and what its output must hold. A call that begins with `! ` must fail.
type Call<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Runs the calls in order. Arguments are parted at spaces; `MINE` stands for the test's namespace.
async fn hold(space: &Space, calls: &[Call<'_>]) -> Result<()> {
    for (line, input, parts) in calls {
        let line = line.replace("MINE", &space.name);
        let (fails, call) = line.strip_prefix("! ").map_or((false, line.as_str()), |call| (true, call));
        let args: Vec<&str> = call.split_whitespace().collect();
        let said = match space.kubectl(&args, &input.replace("MINE", &space.name)).await {
            Ok(said) if fails => bail!("kubectl {call} must fail, and said\n{said}"),
            Err(error) if fails => format!("{error:#}"),
            said => said?,
        };
        for part in *parts {
            let part = part.replace("MINE", &space.name);
            ensure!(said.contains(&part), "kubectl {call}: no `{part}` in\n{said}");
        }
    }
    Ok(())
}

/// Runs calls in a namespace of their own, where there are a cluster and a kubectl.
async fn promise(name: &str, calls: &[Call<'_>]) -> Result<()> {
    let Some(cluster) = Cluster::for_test(name).await? else { return Ok(()) };
    if !has_kubectl(name) {
        return Ok(());
    }
    cluster.in_namespace(|space| async move { hold(&space, calls).await }).await
}

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: busybox, command: [sleep, "1000"]}]
"#;

#[tokio::test]
async fn verbs_create() -> Result<()> {
    promise(
        "verbs_create",
        &[
            ("create cm a --from-literal=x=1", "", &["configmap/a created"]),
            ("! create cm a --from-literal=x=1", "", &["configmaps \"a\" already exists"]),
            ("create secret generic s --from-literal=p=q", "", &["secret/s created"]),
            ("describe secret s", "", &["Opaque", "p:  1 bytes"]),
            ("create sa robot", "", &["serviceaccount/robot created"]),
            ("create token robot --duration=10m --audience=x", "", &["ey"]),
            ("! create token nosuch", "", &["serviceaccounts \"nosuch\" not found"]),
            ("create role r --verb=get --resource=pods", "", &["role.rbac.authorization.k8s.io/r created"]),
            ("create rolebinding rb --role=r --serviceaccount=MINE:robot", "", &["/rb created"]),
            ("get rolebinding -o wide", "", &["ROLE", "SERVICEACCOUNTS", "Role/r", "MINE/robot"]),
            ("create svc clusterip c --tcp=80:8080", "", &["service/c created"]),
            ("create svc nodeport n --tcp=80:8080", "", &["service/n created"]),
            ("create svc loadbalancer l --tcp=80:8080", "", &["service/l created"]),
            ("create svc externalname e --external-name=example.com", "", &["service/e created"]),
            ("get svc", "", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "example.com"]),
            ("create deploy dry --image=busybox --dry-run=client -o yaml", "", &["app: dry", "status: {}"]),
            ("create deploy dry --image=busybox --dry-run=server -o yaml", "", &["uid:", "maxSurge: 25%"]),
            ("! get deploy dry", "", &["deployments.apps \"dry\" not found"]),
            ("create job j --image=busybox -- echo hello", "", &["job.batch/j created"]),
            ("wait job/j --for=condition=complete --timeout=30s", "", &["condition met"]),
            ("logs job/j", "", &["hello"]),
            ("get job", "", &["STATUS", "COMPLETIONS", "Complete", "1/1"]),
            ("describe job j", "", &["1 Succeeded", "SuccessfulCreate"]),
            ("run p --image=busybox --labels=a=b --port=80 --command -- sleep 1000", "", &["pod/p created"]),
            ("expose pod p --name=q", "", &["service/q exposed"]),
            ("wait pod/p --for=condition=Ready --timeout=30s", "", &["condition met"]),
            ("delete pod p --now", "", &["pod \"p\" deleted"]),
            ("run odd --image=no/such", "", &["pod/odd created"]),
            ("wait pod/odd --for=jsonpath={.status.containerStatuses[0].state.waiting} --timeout=30s", "", &["met"]),
            ("describe pod odd", "", &["Failed to pull image \"no/such\""]),
            (
                "! create cronjob c --image=busybox --schedule=@daily -- echo",
                "",
                &["localkube has no controller for it"],
            ),
            ("! autoscale deploy nosuch --max=3 --cpu-percent=80", "", &["deployments.apps \"nosuch\" not found"]),
            ("get job -l job-name=j -o name", "", &["job.batch/j"]),
            ("! patch job j --type=merge -p {\"spec\":{\"completions\":2}}", "", &["field is immutable"]),
            ("auth whoami", "", &["Username", "kubernetes-admin"]),
            ("auth whoami --as=jane --as-group=devs", "", &["jane", "[devs system:authenticated]"]),
            ("auth can-i --list", "", &["*.*"]),
            ("auth can-i create pods --as=system:serviceaccount:MINE:robot", "", &["yes"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_apply() -> Result<()> {
    const SIDE: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: side}, data: {x: '1'}}";
    const OTHER: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: side}, data: {x: '2'}}";
    const LIST: &str = "{apiVersion: v1, kind: List, items: [\
        {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {x: before-edit}}, \
        {apiVersion: v1, kind: ConfigMap, metadata: {name: two}}]}";
    promise(
        "verbs_apply",
        &[
            ("apply -f -", LIST, &["configmap/one created", "configmap/two created"]),
            ("apply -f -", LIST, &["configmap/one unchanged", "configmap/two unchanged"]),
            ("! diff -f -", &LIST.replace("before-edit", "other"), &["-  x: before-edit", "+  x: other"]),
            ("edit cm one", "", &["configmap/one edited"]),
            ("get cm one -o jsonpath={.data.x}", "", &["after-edit"]),
            ("edit cm one", "", &[]),
            ("apply -f -", LIST, &["configmap/one configured"]),
            ("apply --server-side -f -", SIDE, &["serverside-applied"]),
            ("! apply --server-side --field-manager=o -f -", OTHER, &["conflict with \"kubectl\": .data.x"]),
            ("apply --server-side --field-manager=o --force-conflicts -f -", OTHER, &["serverside-applied"]),
            ("get cm side -o yaml --show-managed-fields", "", &["manager: o", "operation: Apply", "x: \"2\""]),
            ("replace -f -", SIDE, &["configmap/side replaced"]),
            ("! replace -f -", &SIDE.replace("side", "side, resourceVersion: '1'"), &["the object has been modified"]),
            ("! replace -f -", &SIDE.replace("side", "none"), &["configmaps \"none\" not found"]),
            ("replace --force -f -", SIDE, &["configmap \"side\" deleted", "configmap/side replaced"]),
            ("patch cm side -p {\"data\":{\"y\":\"2\"}}", "", &["patched"]),
            ("patch cm side --type=merge -p {\"data\":{\"y\":null}}", "", &["patched"]),
            (
                "! patch cm side --type=json -p [{\"op\":\"test\",\"path\":\"/data/x\",\"value\":\"9\"}]",
                "",
                &["invalid"],
            ),
            (
                "! patch cm side --type=merge -p {\"metadata\":{\"name\":\"other\"}}",
                "",
                &["the name of the object (other) does not match the name on the URL (side)"],
            ),
            ("! patch cm side --type=merge -p {\"data\":{\"x\":1}}", "", &["cannot unmarshal number into Go struct"]),
            ("get cm side -o jsonpath={.data}", "", &["{\"x\":\"1\"}"]),
            ("label cm side a=b", "", &["labeled"]),
            ("! label cm side a=c", "", &["already has a value (b)"]),
            ("label cm side a-", "", &["unlabeled"]),
        ],
    )
    .await
}

/// What needs a folder.
#[tokio::test]
async fn verbs_apply_folders() -> Result<()> {
    const KUSTOMIZATION: &str = "{resources: [one.yaml], namePrefix: k-, configMapGenerator: [{name: made, \
        literals: [a=b]}], generatorOptions: {disableNameSuffixHash: true}}";
    let folder = std::env::temp_dir().join(format!("verbs-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("one.yaml"), "{apiVersion: v1, kind: ConfigMap, metadata: {name: one}}")?;
    let path = folder.display();
    let plain = promise(
        "verbs_apply_folders",
        &[
            (&format!("create -f {path} --save-config"), "", &["configmap/one created"]),
            (&format!("apply -f {path}"), "", &["configmap/one unchanged"]),
            (&format!("get -f {path}"), "", &["one    0"]),
        ],
    )
    .await;
    std::fs::write(folder.join("kustomization.yaml"), KUSTOMIZATION)?;
    let made = promise(
        "verbs_apply_folders",
        &[
            (&format!("kustomize {path}"), "", &["name: k-one", "name: k-made"]),
            (&format!("! diff -k {path}"), "", &["+  name: k-one"]),
            (&format!("apply -k {path}"), "", &["configmap/k-made created", "configmap/k-one created"]),
            (&format!("diff -k {path}"), "", &[]),
            (&format!("delete -k {path}"), "", &["\"k-made\" deleted", "\"k-one\" deleted"]),
        ],
    )
    .await;
    std::fs::remove_dir_all(&folder)?;
    plain.and(made)
}

#[tokio::test]
async fn verbs_look() -> Result<()> {
    promise(
        "verbs_look",
        &[
            ("apply -f -", WEB, &["created"]),
            ("rollout status deploy/web --timeout=30s", "", &["successfully rolled out"]),
            ("version", "", &["Server Version: v1."]),
            ("cluster-info", "", &["Kubernetes control plane", "is running at https://127.0.0.1:"]),
            (
                "cluster-info dump --namespaces=MINE",
                "",
                &["\"kind\": \"DeploymentList\"", "START logs for container web"],
            ),
            ("api-versions", "", &["apps/v1", "networking.k8s.io/v1"]),
            ("api-resources --namespaced=false -o name", "", &["nodes\n"]),
            ("get --raw /", "", &["\"/apis/apps/v1\""]),
            ("explain deploy.spec.strategy --recursive", "", &["rollingUpdate", "maxSurge"]),
            ("completion bash", "", &["__start_kubectl"]),
            ("get deploy web -o yaml --show-managed-fields", "", &["kind: Deployment", "f:replicas: {}"]),
            ("get pods -o json", "", &["\"kind\": \"List\"", "\"podIP\": \"10.244."]),
            ("get pods -o wide --show-labels -L app --sort-by=.metadata.name", "", &["IP  ", "LABELS", "APP"]),
            ("get pods -l app,app!=x --no-headers --show-kind", "", &["pod/web-"]),
            ("get ds,sts,cronjobs,rc -o yaml", "", &["items: []"]),
            ("get nodes -o wide", "", &["INTERNAL-IP", "172.18.0.2", "CONTAINER-RUNTIME"]),
            ("describe ns MINE", "", &["Status:       Active"]),
            ("describe node node-1", "", &["Non-terminated Pods:", "Allocated resources:", "PodCIDR:"]),
            ("describe svc kube-dns -n kube-system", "", &["TargetPort:", "Endpoints:", "10.244."]),
            ("describe cm kube-root-ca.crt", "", &["ca.crt:\n----\n-----BEGIN CERTIFICATE-----"]),
            ("describe sa default", "", &["Name:                default"]),
            // In the order in which they happened.
            ("get events -o jsonpath={.items[*].reason}", "", &["Pulling Pulled Created Started"]),
            ("events --for deploy/web --types=Normal", "", &["ScalingReplicaSet"]),
            ("get events -o wide", "", &["SOURCE", "kubelet, node-"]),
            ("! top pods", "", &["Metrics API not available"]),
            ("! top nodes", "", &["Metrics API not available"]),
            ("! debug nosuch --image=busybox", "", &["not found"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_reach() -> Result<()> {
    const PODS: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: two, labels: {app: two}}
spec:
  restartPolicy: Never
  initContainers: [{name: i, image: busybox, command: [echo, zero]}]
  containers:
  - {name: a, image: busybox, command: [echo, one]}
  - {name: b, image: busybox, command: [echo, two]}
---
apiVersion: v1
kind: Pod
metadata: {name: asks}
spec:
  restartPolicy: Never
  containers: [{name: c, image: busybox, stdin: true, stdinOnce: true, command: [sh, -c, "read x; echo got $x"]}]
"#;
    promise(
        "verbs_reach",
        &[
            ("apply -f -", PODS, &["pod/two created", "pod/asks created"]),
            ("wait pod/asks --for=condition=Ready --timeout=30s", "", &["condition met"]),
            ("attach -i asks", "word\n", &["got word"]),
            ("wait pod/asks pod/two --for=jsonpath={.status.phase}=Succeeded --timeout=30s", "", &["condition met"]),
            ("logs asks", "", &["got word"]),
            ("logs two -c i", "", &["zero"]),
            ("logs two --all-containers --prefix", "", &["[pod/two/i] zero", "[pod/two/a] one", "[pod/two/b] two"]),
            ("logs -f -l app=two --all-containers --tail=1", "", &["one\n", "two\n"]),
            ("! logs two -c none", "", &["container none is not valid for pod two"]),
            ("! logs nosuch", "", &["pods \"nosuch\" not found"]),
            ("! exec nosuch -- true", "", &["pods \"nosuch\" not found"]),
            ("! exec two -- true", "", &["cannot exec into a container in a completed pod"]),
            ("! attach two", "", &["cannot attach a container in a completed pod"]),
            ("! port-forward two :80", "", &["pod is not running"]),
            ("! port-forward pod/nosuch :80", "", &["pods \"nosuch\" not found"]),
            ("run odd --image=no/such", "", &["created"]),
            ("! exec odd -- true", "", &["container not found (\"odd\")"]),
            ("! debug odd --image=busybox", "", &["ephemeral containers are disabled for this cluster"]),
            ("debug odd --copy-to=copy --set-image=*=busybox", "", &[]),
            ("get pod copy -o jsonpath={.spec.containers[0].image}", "", &["busybox"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_refuse() -> Result<()> {
    const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {completions: 2, \
        completionMode: Indexed, backoffLimitPerIndex: 1, template: {spec: {restartPolicy: Never, \
        containers: [{name: c, image: busybox}]}}}}";
    const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {restartPolicy: Foo, \
        containers: [{name: c, image: x, volumeMounts: [{name: void, mountPath: /x}]}]}}";
    const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}]}}";
    let route = "{apiVersion: networking.example.com/v1, kind: Route, metadata: {name: x}}";
    let mop = "{apiVersion: v1, kind: ConfigMop, metadata: {name: x}}";
    let number = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {x: 1}}";
    let unknown = "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}, dta: {x: y}}";
    promise(
        "verbs_refuse",
        &[
            ("! apply -f -", route, &["no matches for kind \"Route\"", "ensure CRDs are installed first"]),
            ("! apply -f -", mop, &["no matches for kind \"ConfigMop\" in version \"v1\""]),
            ("! apply -f -", number, &["json: cannot unmarshal number into Go struct field ConfigMap.data of type"]),
            ("! apply -f -", unknown, &["strict decoding error: unknown field \"dta\""]),
            ("! apply --server-side -f -", unknown, &["unknown field \"dta\""]),
            ("! apply -f -", &number.replace("x: 1", "x: z").replace("x}", "X_}"), &["a lowercase RFC 1123 subdomain"]),
            ("! apply -f -", JOB, &["spec.backoffLimitPerIndex: Forbidden: localkube's Jobs do not act"]),
            ("! apply -f -", POD, &["Unsupported value: \"Foo\"", "volumeMounts[0].name: Not found: \"void\""]),
            ("apply -f -", SERVICE, &["created"]),
            (
                "! patch svc s --type=merge -p {\"spec\":{\"clusterIP\":\"10.96.0.77\"}}",
                "",
                &["spec.clusterIPs[0]: Invalid value: []string{\"10.96.0.77\"}: may not change once set"],
            ),
            ("patch svc s --type=merge -p {\"spec\":{\"clusterIP\":null}}", "", &["patched"]),
            ("! get pods nosuch", "", &["Error from server (NotFound): pods \"nosuch\" not found"]),
            ("! get nosuch", "", &["the server doesn't have a resource type \"nosuch\""]),
            ("! get pods --field-selector spec.foo=x", "", &["field label not supported: spec.foo"]),
            ("! delete ns kube-system", "", &["this namespace may not be deleted"]),
            ("get cm,pods,jobs -o name", "", &["configmap/kube-root-ca.crt\n"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_roll_out() -> Result<()> {
    promise(
        "verbs_roll_out",
        &[
            ("apply -f -", WEB, &["created"]),
            ("rollout status deploy/web --timeout=30s", "", &["successfully rolled out"]),
            ("rollout pause deploy/web", "", &["paused"]),
            ("! rollout restart deploy/web", "", &["can't restart paused deployment"]),
            ("set env deploy/web B=C", "", &["env updated"]),
            ("set resources deploy/web --limits=cpu=200m", "", &["resource requirements updated"]),
            ("get rs -l app=web -o name", "", &["replicaset.apps/web-"]),
            ("rollout resume deploy/web", "", &["resumed"]),
            ("rollout status deploy/web --timeout=30s", "", &["successfully rolled out"]),
            ("set env deploy/web --list", "", &["B=C"]),
            ("rollout history deploy/web --revision=2", "", &["revision #2", "B:\tC"]),
            ("rollout undo deploy/web --to-revision=1", "", &["rolled back"]),
            ("! rollout undo deploy/web --to-revision=99", "", &["unable to find specified revision 99"]),
            ("rollout status deploy/web --timeout=30s", "", &["successfully rolled out"]),
            ("get deploy -o custom-columns=E:.spec.template.spec.containers[*].env", "", &["E\n<none>"]),
            ("! scale deploy/web --replicas=3 --current-replicas=2", "", &["Expected replicas to be 2, was 1"]),
            ("scale deploy/web --replicas=2", "", &["scaled"]),
            ("wait deploy/web --for=jsonpath={.status.readyReplicas}=2 --timeout=30s", "", &["condition met"]),
            ("get deploy web --subresource=scale", "", &["DESIRED   AVAILABLE", "web    2         2"]),
            ("autoscale deploy web --min=1 --max=3 --cpu-percent=80", "", &["autoscaled"]),
            ("get hpa", "", &["REFERENCE", "Deployment/web", "cpu: <unknown>/80%"]),
            ("expose deploy web --port=80", "", &["exposed"]),
            ("create pdb web --selector=app=web --min-available=1", "", &["created"]),
            ("delete deploy web --cascade=orphan", "", &["deleted"]),
            ("get rs,pods -l app=web", "", &["replicaset.apps/web-", "pod/web-"]),
            ("delete rs -l app=web --cascade=foreground --timeout=30s", "", &["deleted"]),
            ("wait pods -l app=web --for=delete --timeout=30s", "", &[]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_delete() -> Result<()> {
    const HELD: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/x]}}";
    let gone = ["-n", "MINE-gone"].join(" ");
    promise(
        "verbs_delete",
        &[
            ("create ns MINE-gone", "", &["created"]),
            (&format!("{gone} apply -f -"), HELD, &["created"]),
            (&format!("{gone} apply -f -"), WEB, &["created"]),
            ("! delete ns MINE-gone --timeout=1s", "", &["deleted", "timed out"]),
            ("get ns MINE-gone", "", &["Terminating"]),
            (&format!("! {gone} create cm late"), "", &["because it is being terminated"]),
            (
                &format!("{gone} patch cm held --type=merge -p {{\"metadata\":{{\"finalizers\":null}}}}"),
                "",
                &["patched"],
            ),
            ("wait ns/MINE-gone --for=delete --timeout=40s", "", &[]),
            ("! get ns MINE-gone", "", &["not found"]),
            ("create cm a", "", &["created"]),
            ("delete cm/a --dry-run=server", "", &["deleted (server dry run)"]),
            ("delete cm/a", "", &["configmap \"a\" deleted"]),
            ("! delete cm/a", "", &["configmaps \"a\" not found"]),
            ("delete cm/a --ignore-not-found", "", &[]),
            ("delete cm -l no=such", "", &[]),
            ("run slow --image=busybox --command -- sleep 1000", "", &["created"]),
            ("wait pod/slow --for=condition=Ready --timeout=30s", "", &["condition met"]),
            ("delete pod slow --wait=false", "", &["deleted"]),
            ("get pod slow", "", &["Terminating"]),
            ("delete pod slow --grace-period=0 --force", "", &["force deleted"]),
            ("! get pod slow", "", &["not found"]),
            ("delete sa --all", "", &["\"default\" deleted"]),
            ("wait sa/default --for=create --timeout=10s", "", &["condition met"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_define() -> Result<()> {
    const FOO: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.MINE.example.com}
spec:
  group: MINE.example.com
  scope: Namespaced
  names: {plural: foos, singular: foo, kind: Foo}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What is wanted.
            required: [size]
            properties:
              size: {type: integer, maximum: 5}
              replicas: {type: integer, default: 2}
              deep: {type: string, enum: [a, b], default: a}
          status: {type: object, properties: {replicas: {type: integer}}}
"#;
    let foo =
        |spec: &str| format!("{{apiVersion: MINE.example.com/v1, kind: Foo, metadata: {{name: f}}, spec: {spec}}}");
    let (plain, wrong, typed) = (foo("{size: 3, junk: 1}"), foo("{size: 9, deep: z}"), foo("{size: x}"));
    let wrong_parts = &["spec.deep: Unsupported value: \"z\"", "should be less than or equal to 5"];
    let status = "patch foo.MINE.example.com f --subresource=status --type=merge -p {\"status\":{\"replicas\":3}}";
    promise(
        "verbs_define",
        &[
            ("! apply -f -", &FOO.replace("size: {type: integer", "size: {type: intager"), &["value: \"intager\""]),
            ("! apply -f -", &FOO.replace("plural: foos", "plural: bars"), &["must be spec.names.plural+"]),
            ("apply -f -", FOO, &["created"]),
            ("wait crd/foos.MINE.example.com --for=condition=Established --timeout=10s", "", &["condition met"]),
            ("explain foos.spec --api-version=MINE.example.com/v1", "", &["What is wanted.", "size", "-required-"]),
            ("api-resources --api-group=MINE.example.com", "", &["foos", "Foo"]),
            ("! apply -f -", &wrong, wrong_parts),
            ("! apply -f -", &typed, &["spec.size in body must be of type integer: \"string\""]),
            ("! apply -f -", &plain, &["unknown field \"spec.junk\""]),
            ("apply --validate=false -f -", &plain, &["created"]),
            ("get foos.MINE.example.com", "", &["NAME   SIZE\nf      3"]),
            ("get foos.MINE.example.com f -o jsonpath={.spec}", "", &[r#"{"deep":"a","replicas":2,"size":3}"#]),
            ("scale foos.MINE.example.com f --replicas=4", "", &["scaled"]),
            (status, "", &["patched"]),
            ("get foos.MINE.example.com f -o jsonpath={.spec.replicas}/{.status.replicas}", "", &["4/3"]),
            ("delete crd foos.MINE.example.com --timeout=30s", "", &["deleted"]),
            ("! get foos.MINE.example.com", "", &["the server"]),
        ],
    )
    .await
}

/// Only pods of this test are evicted, so that others may run beside it.
#[tokio::test]
async fn verbs_drain() -> Result<()> {
    const PINNED: &str = "{apiVersion: v1, kind: Pod, metadata: {name: pinned, labels: {drained: MINE}}, spec: \
        {nodeName: node-2, terminationGracePeriodSeconds: 1, containers: [{name: c, image: busybox, \
        command: [sleep, '1000']}]}}";
    promise(
        "verbs_drain",
        &[
            ("apply -f -", PINNED, &["created"]),
            ("wait pod/pinned --for=condition=Ready --timeout=30s", "", &["condition met"]),
            ("taint node node-2 MINE=x:PreferNoSchedule", "", &["node/node-2 tainted"]),
            ("! taint node node-2 MINE=y:PreferNoSchedule", "", &["--overwrite is false"]),
            ("describe node node-2", "", &["MINE=x:PreferNoSchedule", "pinned"]),
            ("taint node node-2 MINE-", "", &["node/node-2 untainted"]),
            ("! drain node-2 --pod-selector=drained=MINE --timeout=20s", "", &["Pods that declare no controller"]),
            ("drain node-2 --pod-selector=drained=MINE --force --timeout=30s", "", &["pod/pinned evicted", "drained"]),
            ("get nodes", "", &["Ready,SchedulingDisabled"]),
            ("uncordon node-2", "", &["node/node-2 uncordoned"]),
        ],
    )
    .await
}

#[tokio::test]
async fn verbs_watch() -> Result<()> {
    let Some(cluster) = Cluster::for_test("verbs_watch").await? else { return Ok(()) };
    if !has_kubectl("verbs_watch") {
        return Ok(());
    }
    cluster
        .in_namespace(|space| async move {
            // The watch ends with its request's time; until then changes come, so that none need be awaited.
            let watch = space.kubectl(&["get", "cm", "-w", "--output-watch-events", "--request-timeout=4s"], "");
            let change = async {
                loop {
                    hold(&space, &[("create cm seen", "", &[]), ("delete cm seen", "", &[])]).await?;
                }
            };
            let said = tokio::select! {
                said = watch => said.unwrap_or_else(|error| error.to_string()),
                failed = change => return failed,
            };
            for part in ["EVENT", "ADDED      kube-root-ca.crt", "ADDED      seen", "DELETED    seen"] {
                ensure!(said.contains(part), "no `{part}` in\n{said}");
            }
            Ok(())
        })
        .await
}
