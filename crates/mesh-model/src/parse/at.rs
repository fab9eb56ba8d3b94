//! Where in an object the reader is, and the desk on which its remarks collect.

use std::cell::RefCell;

use super::{ParseContext, Parsed};
use crate::{
    config::Meta,
    issue::{FieldPath, Issue, Severity},
};

/// Collects what there is to say about one object.
pub(super) struct Desk<'a> {
    pub(super) ctx: &'a ParseContext,
    pub(super) meta: Meta,
    issues: RefCell<Vec<Issue>>,
}

impl<'a> Desk<'a> {
    /// A desk with the remarks that were made while the metadata was read.
    pub(super) fn new(ctx: &'a ParseContext, meta: Meta, early: Vec<Issue>) -> Self {
        Self { ctx, meta, issues: RefCell::new(early) }
    }

    /// The place at the top of the object.
    pub(super) fn at<'d>(&'d self, field: &'d str) -> At<'d> {
        At { desk: self, parent: None, step: Step::Field(field) }
    }

    /// Adds a remark about a place that is known by its path.
    pub(super) fn say(&self, path: FieldPath, severity: Severity, reason: String, way_out: String) {
        self.issues.borrow_mut().push(Issue { object: self.meta.object(), path, reason, way_out, severity });
    }

    /// The result: the noun with its warnings, or all issues with the errors first.
    pub(super) fn close<T>(
        self,
        config: Option<T>,
        without_effect: impl FnOnce() -> Vec<FieldPath>,
    ) -> Result<Parsed<T>, Vec<Issue>> {
        let mut issues = self.issues.into_inner();
        issues.sort_by_key(|issue| std::cmp::Reverse(issue.severity));
        issues.dedup();
        match config {
            Some(config) if issues.iter().all(|i| i.severity == Severity::Warning) => {
                Ok(Parsed { config, warnings: issues, without_effect: without_effect() })
            }
            _ => Err(issues),
        }
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

/// A place in an object. Cheap: the path is written out only when there is something to say.
///
/// Readers go on after an error, with any value in place of the bad one, so that all errors are found; the result is
/// thrown away then ([`Desk::close`]).
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) desk: &'a Desk<'a>,
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

impl<'a> At<'a> {
    /// A field of what stands here.
    pub(super) fn field<'b>(&'b self, name: &'b str) -> At<'b> {
        At { desk: self.desk, parent: Some(self), step: Step::Field(name) }
    }

    /// An element of the list that stands here.
    pub(super) fn index<'b>(&'b self, index: usize) -> At<'b> {
        At { desk: self.desk, parent: Some(self), step: Step::Index(index) }
    }

    /// A value of the map that stands here.
    pub(super) fn key<'b>(&'b self, key: &'b str) -> At<'b> {
        At { desk: self.desk, parent: Some(self), step: Step::Key(key) }
    }

    /// The elements of the list that stands here, each with its place, through a reader.
    pub(super) fn each<T, U>(&self, list: &[T], mut read: impl FnMut(&T, &At<'_>) -> Option<U>) -> Vec<U> {
        list.iter().enumerate().filter_map(|(index, element)| read(element, &self.index(index))).collect()
    }

    /// The way here.
    pub(super) fn path(&self) -> FieldPath {
        let before = self.parent.map(At::path).unwrap_or_default();
        match self.step {
            Step::Field("") => before,
            Step::Field(name) => before.field(name),
            Step::Index(index) => before.index(index),
            Step::Key(key) => before.key(key),
        }
    }

    /// Refuses the object.
    pub(super) fn error(&self, reason: impl Into<String>, way_out: impl Into<String>) {
        self.desk.say(self.path(), Severity::Error, reason.into(), way_out.into());
    }

    /// Tells its writer something.
    pub(super) fn warn(&self, reason: impl Into<String>, way_out: impl Into<String>) {
        self.desk.say(self.path(), Severity::Warning, reason.into(), way_out.into());
    }

    /// The object's namespace.
    pub(super) fn namespace(&self) -> &'a std::sync::Arc<str> {
        &self.desk.meta.namespace
    }
}
