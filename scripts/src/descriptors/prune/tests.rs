use prost_types::field_descriptor_proto::Type;

use super::*;

fn field(name: &str, of: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(1),
        r#type: Some(if of.is_some() { Type::Message } else { Type::String } as i32),
        type_name: of.map(str::to_owned),
        json_name: Some("x".to_owned()),
        ..FieldDescriptorProto::default()
    }
}

fn message(name: &str, field: FieldDescriptorProto, nested: Vec<DescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.to_owned()),
        field: vec![field],
        nested_type: nested,
        ..DescriptorProto::default()
    }
}

fn file(name: &str, messages: Vec<DescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("p".to_owned()),
        dependency: vec!["everything".to_owned()],
        message_type: messages,
        ..FileDescriptorProto::default()
    }
}

#[test]
fn what_a_root_is_made_of_stays_and_nothing_else() {
    let inner = message("Inner", field("text", None), Vec::new());
    let all = FileDescriptorSet {
        file: vec![
            file("other", vec![message("Holder", field("self", Some(".p.Holder")), vec![inner])]),
            file("root", vec![message("Root", field("inner", Some(".p.Holder.Inner")), Vec::new())]),
            file("unneeded", vec![message("Unneeded", field("text", None), Vec::new())]),
        ],
    };
    let cut = prune(&all, &["p.Root"]).unwrap();
    let names: Vec<&str> = cut.file.iter().map(FileDescriptorProto::name).collect();
    assert_eq!(names, ["other", "root"]);
    let holder = &cut.file[0].message_type[0];
    assert!(holder.field.is_empty(), "it only holds what is needed");
    assert_eq!(holder.nested_type[0].field[0].json_name, None);
    assert_eq!((&cut.file[0].dependency, &cut.file[1].dependency), (&vec![], &vec!["other".to_owned()]));
}

#[test]
fn an_unknown_root_is_a_mistake() {
    let error = prune(&FileDescriptorSet::default(), &["p.Root"]).unwrap_err();
    assert_eq!(error.to_string(), "there is no message .p.Root");
}
