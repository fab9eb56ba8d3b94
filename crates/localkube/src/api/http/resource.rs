//! Requests on resources: from a path, a method and a body to a verb.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use rand::RngExt;
use serde_json::{Value, json};

use super::{
    Door, Response, agent, body, no_such_resource, reply,
    shape::Shape,
    target::{Query, Target},
    watch::{self, WatchOptions},
};
use crate::{
    api::{
        Api, Caller, FieldValidation, Part, WriteOptions,
        auth::review::VIRTUAL_KINDS,
        list::{ListOptions, Selection, parse_revision},
        patch::Patch,
        schema,
        selector::{Fields, Labels},
        streams,
        verbs::{At, DeleteOptions, Deleted, scale},
        warnings,
    },
    kinds::{Kind, builtin},
    node::access::Target as Pod,
    object::Object,
    status::Status,
    store::Stored,
};

/// Everything about one request on a stored kind.
struct Asked<'a> {
    api: &'a Api,
    caller: &'a Caller,
    kind: Arc<Kind>,
    target: &'a Target,
    query: &'a Query,
    method: Method,
    headers: HeaderMap,
}

pub(super) async fn answer(
    door: &Door,
    caller: &Caller,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response, Status> {
    let served = door.api.kinds().served();
    let Some(kind) = served.find(&target.group, &target.version, &target.plural) else {
        return review(door, caller, target, request).await;
    };
    if target.namespace.is_some() && !kind.is_namespaced() {
        return Err(no_such_resource());
    }
    if kind.is_namespaced() && target.namespace.is_none() && (!target.name.is_empty() || request.method() == "POST") {
        return Err(not_allowed());
    }
    let plural = kind.plural.as_ref();
    if plural == "pods" && matches!(target.subresource.as_str(), "log" | "exec" | "attach" | "portforward") {
        let pod = Pod {
            namespace: target.namespace.clone().unwrap_or_default(),
            pod: target.name.clone(),
            container: query.get("container").to_owned(),
        };
        door.api.get(kind, &pod.namespace, &pod.pod)?;
        return streams::handle(request, query, door.access.clone(), &target.subresource, pod).await;
    }
    let (parts, incoming) = request.into_parts();
    let asked = Asked {
        api: &door.api,
        caller,
        kind: kind.clone(),
        target,
        query,
        method: parts.method,
        headers: parts.headers,
    };
    match (plural, target.subresource.as_str()) {
        (_, "") => asked.main(incoming).await,
        (_, "status") if kind.has_status => asked.part(Part::Status, incoming).await,
        (_, "scale") if kind.scale.is_some() => asked.scale(incoming).await,
        ("namespaces", "finalize") => asked.part(Part::Finalize, incoming).await,
        ("pods", "binding") => asked.bind(incoming).await,
        ("pods", "eviction") => asked.evict(incoming).await,
        ("serviceaccounts", "token") => {
            let body = asked.decode(incoming).await?;
            let namespace = target.namespace.as_deref().unwrap_or_default();
            Ok(reply::value(201, &door.authenticator.token_request(namespace, &target.name, body)?))
        }
        _ => Err(no_such_resource()),
    }
}

/// Kinds that are answered and never stored.
async fn review(door: &Door, caller: &Caller, target: &Target, request: Request<Incoming>) -> Result<Response, Status> {
    let known = VIRTUAL_KINDS.iter().any(|k| k.group == target.group && k.plural == target.plural);
    if !known || request.method() != Method::POST || !target.name.is_empty() {
        return Err(no_such_resource());
    }
    let (parts, incoming) = request.into_parts();
    let body = body::decode(body::content_type(&parts.headers), &body::read(incoming).await?)?;
    let name = (target.group.as_str(), target.version.as_str(), target.plural.as_str());
    let namespace = target.namespace.as_deref().unwrap_or_default();
    match door.authenticator.review(caller, name, namespace, body) {
        Some(answer) => Ok(reply::value(201, &answer?)),
        None => Err(no_such_resource()),
    }
}

fn not_allowed() -> Status {
    Status::method_not_allowed("the server does not allow this method on the requested resource")
}

impl Asked<'_> {
    fn at(&self) -> At<'_> {
        At { namespace: self.target.namespace.as_deref().unwrap_or_default(), name: &self.target.name }
    }

    async fn main(&self, incoming: Incoming) -> Result<Response, Status> {
        let collection = self.target.name.is_empty();
        match self.method.as_str() {
            "GET" | "HEAD" if self.query.flag("watch") => self.watch(),
            "GET" | "HEAD" if collection => {
                let shape = Shape::of(&self.headers)?.including(self.query.get("includeObject"));
                let listing = self.api.list(&self.kind, &self.list_options()?)?;
                Ok(reply::json(200, shape.list(&self.kind, &listing)))
            }
            "POST" if collection => self.create(incoming).await,
            "DELETE" if collection => self.delete_collection(incoming).await,
            "DELETE" => {
                let options = self.delete_options(incoming).await?;
                let At { namespace, name } = self.at();
                self.deleted(&self.api.delete(self.caller, &self.kind, namespace, name, &options).await?)
            }
            _ if collection => Err(not_allowed()),
            _ => self.part(Part::Main, incoming).await,
        }
    }

    /// get, update and patch of an object, or of a part of it.
    async fn part(&self, part: Part, incoming: Incoming) -> Result<Response, Status> {
        let (shape, at) = (Shape::of(&self.headers)?, self.at());
        match self.method.as_str() {
            "GET" | "HEAD" => {
                let found = self.api.get(&self.kind, at.namespace, at.name)?;
                Ok(reply::json(200, shape.one(&self.kind, &found)))
            }
            "PUT" => {
                let object = self.object(incoming).await?;
                let options = self.write_options()?;
                let written = self.api.update(self.caller, &self.kind, part, object, &options).await?;
                Ok(reply::json(200, shape.one(&self.kind, &written)))
            }
            "PATCH" => {
                let text = body::read(incoming).await?;
                let patch = Patch::parse(body::content_type(&self.headers), &text)?;
                let options = self.write_options()?;
                let done = self.api.patch(self.caller, &self.kind, part, at, &patch, &options).await?;
                Ok(reply::json(if done.created { 201 } else { 200 }, shape.one(&self.kind, &done.object)))
            }
            _ => Err(not_allowed()),
        }
    }

    async fn create(&self, incoming: Incoming) -> Result<Response, Status> {
        let shape = Shape::of(&self.headers)?;
        let object = self.object(incoming).await?;
        let created = self.api.create(self.caller, &self.kind, object, &self.write_options()?).await?;
        Ok(reply::json(201, shape.one(&self.kind, &created)))
    }

    async fn delete_collection(&self, incoming: Incoming) -> Result<Response, Status> {
        let options = self.delete_options(incoming).await?;
        let listing = self.api.list(&self.kind, &self.list_options()?)?;
        for stored in &listing.items {
            let (namespace, name) = (stored.object.namespace(), stored.object.name());
            match self.api.delete(self.caller, &self.kind, namespace, name, &options).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(reply::json(200, Shape::Full.list(&self.kind, &listing)))
    }

    /// What Kubernetes answers to a delete: a `Status`, or the object while it waits. Pods and a few others are shown
    /// in their last state.
    fn deleted(&self, deleted: &Deleted) -> Result<Response, Status> {
        let shows = ["pods", "services", "serviceaccounts", "namespaces"].contains(&self.kind.plural.as_ref());
        let object = &deleted.object.object;
        if deleted.gone && !shows {
            return Ok(reply::success(200, &self.kind.group, &self.kind.plural, object.name(), object.uid()));
        }
        Ok(reply::json(200, Shape::of(&self.headers)?.one(&self.kind, &deleted.object)))
    }

    async fn scale(&self, incoming: Incoming) -> Result<Response, Status> {
        let Some(paths) = &self.kind.scale else { return Err(no_such_resource()) };
        let at = self.at();
        let stored = match self.method.as_str() {
            "GET" | "HEAD" => self.api.get(&self.kind, at.namespace, at.name)?,
            "PUT" => {
                let new = self.decode(incoming).await?;
                let change = |_: Value| Ok(new.clone());
                self.api.change_scale(self.caller, &self.kind, at, &self.write_options()?, change).await?
            }
            "PATCH" => {
                let text = body::read(incoming).await?;
                let patch = Patch::parse(body::content_type(&self.headers), &text)?;
                let change = |scale: Value| patch.change_plain(scale);
                self.api.change_scale(self.caller, &self.kind, at, &self.write_options()?, change).await?
            }
            _ => return Err(not_allowed()),
        };
        let scale = Stored::unsaved(Object::new(scale::of(paths, &stored.object))?);
        Ok(reply::json(200, Shape::of(&self.headers)?.one(&builtin::scale_kind(), &scale)))
    }

    async fn bind(&self, incoming: Incoming) -> Result<Response, Status> {
        if self.method != Method::POST {
            return Err(not_allowed());
        }
        let binding = self.decode(incoming).await?;
        if self.dry_run(self.query.get("dryRun"))? {
            let found = self.api.get(&self.kind, self.at().namespace, self.at().name)?;
            return Ok(reply::success(201, "", "pods", self.at().name, found.object.uid()));
        }
        let bound = self.api.bind(&self.kind, self.at(), &binding).await?;
        Ok(reply::success(201, "", "pods", self.at().name, bound.object.uid()))
    }

    async fn evict(&self, incoming: Incoming) -> Result<Response, Status> {
        if self.method != Method::POST {
            return Err(not_allowed());
        }
        let eviction = self.decode(incoming).await?;
        let mut options = self.read_delete_options(&eviction["deleteOptions"])?;
        options.dry_run |= self.dry_run(self.query.get("dryRun"))?;
        let evicted = self.api.evict(self.caller, &self.kind, self.at(), options).await?;
        Ok(reply::success(201, "", "pods", self.at().name, evicted.object.object.uid()))
    }

    fn watch(&self) -> Result<Response, Status> {
        let shape = Shape::of(&self.headers)?.including(self.query.get("includeObject"));
        let mut selection = self.selection()?;
        if !self.target.name.is_empty() {
            selection.fields = Fields::parse(&self.kind, &format!("metadata.name={}", self.target.name))?;
        }
        let initial = self.query.get("sendInitialEvents");
        if !initial.is_empty() && self.query.get("resourceVersionMatch") != "NotOlderThan" {
            let why = "sendInitialEvents is forbidden unless resourceVersionMatch is \"NotOlderThan\"";
            return Err(Status::bad_request(why));
        }
        let from = match self.query.get("resourceVersion") {
            "" => 0,
            text => parse_revision(text)?,
        };
        let wants_initial = initial == "true" || (initial.is_empty() && from == 0);
        let from = match (wants_initial, from) {
            (true, _) => None,
            (false, 0) => Some(self.api.store().revision()),
            (false, from) => Some(from),
        };
        // Without a wish, a watch ends after half an hour to an hour, so that not all end at once.
        let seconds = self.query.int("timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
        let seconds = seconds.unwrap_or_else(|| rand::rng().random_range(1800..3600));
        let bookmarks = self.query.flag("allowWatchBookmarks");
        let options = WatchOptions {
            selection,
            from,
            bookmarks,
            mark_initial_end: initial == "true" && bookmarks,
            timeout: Duration::from_secs(seconds),
            shape,
        };
        Ok(reply::stream(watch::watch(self.api, &self.kind, options)))
    }

    fn selection(&self) -> Result<Selection, Status> {
        Ok(Selection {
            namespace: self.target.namespace.clone(),
            labels: Labels::parse(self.query.get("labelSelector"))?,
            fields: Fields::parse(&self.kind, self.query.get("fieldSelector"))?,
        })
    }

    fn list_options(&self) -> Result<ListOptions, Status> {
        let limit = self.query.int("limit")?.unwrap_or(0);
        Ok(ListOptions {
            selection: self.selection()?,
            limit: usize::try_from(limit)
                .map_err(|_| Status::bad_request("limit: Invalid value: must not be negative"))?,
            continue_token: self.query.get("continue").to_owned(),
            revision: self.query.get("resourceVersion").to_owned(),
            revision_match: self.query.get("resourceVersionMatch").to_owned(),
        })
    }

    fn write_options(&self) -> Result<WriteOptions, Status> {
        let field_validation = match self.query.get("fieldValidation") {
            "Ignore" => FieldValidation::Ignore,
            "" | "Warn" => FieldValidation::Warn,
            "Strict" => FieldValidation::Strict,
            other => {
                return Err(Status::bad_request(format!(
                    "fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Strict\", \"Warn\""
                )));
            }
        };
        let manager = self.query.get("fieldManager");
        if manager.len() > 128 {
            return Err(Status::bad_request("fieldManager: Too long: may not be more than 128 bytes"));
        }
        let force = self.query.flag("force");
        let applies = body::content_type(&self.headers) == "application/apply-patch+yaml";
        if applies && manager.is_empty() {
            return Err(Status::bad_request(
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        if force && self.method == Method::PATCH && !applies {
            return Err(Status::bad_request(
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
            ));
        }
        Ok(WriteOptions {
            dry_run: self.dry_run(self.query.get("dryRun"))?,
            field_manager: if manager.is_empty() { agent(&self.headers) } else { manager.to_owned() },
            field_validation,
            force,
        })
    }

    fn dry_run(&self, text: &str) -> Result<bool, Status> {
        match text {
            "" => Ok(false),
            "All" => Ok(true),
            other => {
                Err(Status::bad_request(format!("dryRun: Unsupported value: \"{other}\": supported values: \"All\"")))
            }
        }
    }

    async fn delete_options(&self, incoming: Incoming) -> Result<DeleteOptions, Status> {
        let text = body::read(incoming).await?;
        let body = if text.is_empty() {
            json!({
                "gracePeriodSeconds": self.query.int("gracePeriodSeconds")?,
                "propagationPolicy": Some(self.query.get("propagationPolicy")).filter(|policy| !policy.is_empty()),
                "orphanDependents": Some(self.query.flag("orphanDependents")).filter(|orphan| *orphan),
            })
        } else {
            body::decode(body::content_type(&self.headers), &text)?
        };
        let mut options = self.read_delete_options(&body)?;
        options.dry_run |= self.dry_run(self.query.get("dryRun"))?;
        Ok(options)
    }

    fn read_delete_options(&self, body: &Value) -> Result<DeleteOptions, Status> {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let orphan = body["orphanDependents"].as_bool().map(|orphan| if orphan { "Orphan" } else { "Background" });
        let revision = text("/preconditions/resourceVersion").map(|text| parse_revision(&text)).transpose()?;
        Ok(DeleteOptions {
            grace_period: body["gracePeriodSeconds"].as_i64(),
            propagation: text("/propagationPolicy").or(orphan.map(str::to_owned)),
            uid: text("/preconditions/uid"),
            revision,
            dry_run: self.dry_run(body.pointer("/dryRun/0").and_then(Value::as_str).unwrap_or_default())?,
        })
    }

    async fn decode(&self, incoming: Incoming) -> Result<Value, Status> {
        body::decode(body::content_type(&self.headers), &body::read(incoming).await?)
    }

    /// The object in the body, which must be the one that the path names.
    async fn object(&self, incoming: Incoming) -> Result<Object, Status> {
        let text = body::read(incoming).await?;
        let mut object = Object::new(body::decode(body::content_type(&self.headers), &text)?)?;
        let duplicates = schema::duplicate_fields(&text);
        if !duplicates.is_empty() {
            let mode = self.write_options()?.field_validation;
            schema::decode(&self.kind, &mut object, mode, &duplicates)?.into_iter().for_each(warnings::add);
        }
        let At { namespace, name } = self.at();
        if object.namespace().is_empty() {
            object.set_meta("namespace", if namespace.is_empty() { Value::Null } else { namespace.into() });
        } else if self.kind.is_namespaced() && object.namespace() != namespace {
            return Err(Status::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request: \"{}\" is not \
                 \"{namespace}\"",
                object.namespace()
            )));
        }
        if name.is_empty() || object.name() == name {
            return Ok(object);
        }
        if object.name().is_empty() {
            object.set_meta("name", name);
            return Ok(object);
        }
        let why = format!("the name of the object ({}) does not match the name on the URL ({name})", object.name());
        Err(Status::bad_request(why))
    }
}
