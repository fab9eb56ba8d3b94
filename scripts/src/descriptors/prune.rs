//! Cuts descriptors down to some messages and what these are made of.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MessageOptions, OneofDescriptorProto,
};

/// Where a name is declared, and what its fields refer to.
struct Place<'a> {
    file: &'a str,
    refers_to: Vec<&'a str>,
}

/// The messages of `roots` and everything that they refer to. Of fields only names, numbers and types are kept.
pub(super) fn prune(all: &FileDescriptorSet, roots: &[&str]) -> Result<FileDescriptorSet> {
    let mut places = BTreeMap::new();
    for file in &all.file {
        let package = format!(".{}", file.package());
        file.enum_type.iter().for_each(|e| note_enum(&mut places, file.name(), &package, e));
        file.message_type.iter().for_each(|m| note_message(&mut places, file.name(), &package, m));
    }
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let roots: Vec<String> = roots.iter().map(|root| format!(".{root}")).collect();
    let mut open: Vec<&str> = roots.iter().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        let place = places.get(name).with_context(|| format!("there is no message {name}"))?;
        if wanted.insert(name) {
            open.extend(&place.refers_to);
        }
    }
    let files = all.file.iter().filter_map(|file| cut_file(file, &wanted, &places));
    Ok(FileDescriptorSet { file: files.collect() })
}

fn note_enum<'a>(
    places: &mut BTreeMap<String, Place<'a>>,
    file: &'a str,
    scope: &str,
    declared: &'a EnumDescriptorProto,
) {
    places.insert(format!("{scope}.{}", declared.name()), Place { file, refers_to: Vec::new() });
}

fn note_message<'a>(
    places: &mut BTreeMap<String, Place<'a>>,
    file: &'a str,
    scope: &str,
    declared: &'a DescriptorProto,
) {
    let name = format!("{scope}.{}", declared.name());
    declared.enum_type.iter().for_each(|e| note_enum(places, file, &name, e));
    declared.nested_type.iter().for_each(|m| note_message(places, file, &name, m));
    let refers_to = declared.field.iter().filter_map(|field| field.type_name.as_deref()).collect();
    places.insert(name, Place { file, refers_to });
}

/// A file with what is wanted of it; none if that is nothing.
fn cut_file(
    file: &FileDescriptorProto,
    wanted: &BTreeSet<&str>,
    places: &BTreeMap<String, Place<'_>>,
) -> Option<FileDescriptorProto> {
    let package = format!(".{}", file.package());
    let messages: Vec<_> = file.message_type.iter().filter_map(|m| cut_message(&package, m, wanted)).collect();
    let enums: Vec<_> = file.enum_type.iter().filter_map(|e| cut_enum(&package, e, wanted)).collect();
    if messages.is_empty() && enums.is_empty() {
        return None;
    }
    let mut referred = Vec::new();
    messages.iter().for_each(|message| references(message, &mut referred));
    let files: BTreeSet<&str> = referred.iter().filter_map(|name| places.get(*name)).map(|place| place.file).collect();
    let dependency = files.into_iter().filter(|other| *other != file.name()).map(str::to_owned).collect();
    Some(FileDescriptorProto {
        name: file.name.clone(),
        package: file.package.clone(),
        syntax: file.syntax.clone(),
        dependency,
        message_type: messages,
        enum_type: enums,
        ..FileDescriptorProto::default()
    })
}

fn references<'a>(message: &'a DescriptorProto, found: &mut Vec<&'a str>) {
    found.extend(message.field.iter().filter_map(|field| field.type_name.as_deref()));
    message.nested_type.iter().for_each(|nested| references(nested, found));
}

/// A message; one that only holds others loses its fields.
fn cut_message(scope: &str, message: &DescriptorProto, wanted: &BTreeSet<&str>) -> Option<DescriptorProto> {
    let name = format!("{scope}.{}", message.name());
    let nested: Vec<_> = message.nested_type.iter().filter_map(|m| cut_message(&name, m, wanted)).collect();
    let enums: Vec<_> = message.enum_type.iter().filter_map(|e| cut_enum(&name, e, wanted)).collect();
    let is_wanted = wanted.contains(name.as_str());
    if !is_wanted && nested.is_empty() && enums.is_empty() {
        return None;
    }
    let mut cut = DescriptorProto {
        name: message.name.clone(),
        nested_type: nested,
        enum_type: enums,
        ..DescriptorProto::default()
    };
    if is_wanted {
        cut.field = message.field.iter().map(cut_field).collect();
        let oneofs = message.oneof_decl.iter();
        cut.oneof_decl = oneofs.map(|o| OneofDescriptorProto { name: o.name.clone(), options: None }).collect();
        let is_map = message.options.as_ref().is_some_and(MessageOptions::map_entry);
        cut.options = is_map.then(|| MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
    }
    Some(cut)
}

fn cut_field(field: &FieldDescriptorProto) -> FieldDescriptorProto {
    FieldDescriptorProto { options: None, json_name: None, ..field.clone() }
}

fn cut_enum(scope: &str, declared: &EnumDescriptorProto, wanted: &BTreeSet<&str>) -> Option<EnumDescriptorProto> {
    let name = format!("{scope}.{}", declared.name());
    let value = |v: &EnumValueDescriptorProto| EnumValueDescriptorProto { options: None, ..v.clone() };
    wanted.contains(name.as_str()).then(|| EnumDescriptorProto {
        name: declared.name.clone(),
        value: declared.value.iter().map(value).collect(),
        ..EnumDescriptorProto::default()
    })
}

#[cfg(test)]
mod tests;
