//! What a pod's author wrote into a container named `istio-proxy` goes over what injection makes, field by field.

use serde_json::Value;

/// Lists whose items are told apart by a field; others are replaced as a whole.
const KEYED: [(&str, &str); 4] =
    [("env", "name"), ("volumeMounts", "mountPath"), ("ports", "containerPort"), ("volumeDevices", "devicePath")];

/// The container `made`, with everything that `own` says.
pub(crate) fn over(made: Value, own: &Value) -> Value {
    let mut merged = made;
    if let (Value::Object(target), Value::Object(own)) = (&mut merged, own) {
        for (field, value) in own {
            // `auto` is the way to say "the image that injection would take".
            if field == "image" && value == "auto" || value.is_null() {
                continue;
            }
            let key = KEYED.iter().find(|(list, _)| list == field).map(|(_, key)| *key);
            let slot = target.entry(field.clone()).or_insert(Value::Null);
            match (slot, value, key) {
                (Value::Array(items), Value::Array(own), Some(key)) => by_key(items, own, key),
                (slot, value, _) => deep(slot, value),
            }
        }
    }
    merged
}

fn by_key(items: &mut Vec<Value>, own: &[Value], key: &str) {
    for item in own {
        match items.iter_mut().find(|other| other.get(key) == item.get(key)) {
            Some(other) => *other = item.clone(),
            None => items.push(item.clone()),
        }
    }
}

fn deep(target: &mut Value, own: &Value) {
    match (target, own) {
        (Value::Object(target), Value::Object(own)) => {
            for (field, value) in own {
                deep(target.entry(field.clone()).or_insert(Value::Null), value);
            }
        }
        (target, own) => *target = own.clone(),
    }
}
