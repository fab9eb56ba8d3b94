//! Amounts of resources: `100m`, `64Mi`, `1.5`, in thousandths.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::Object;

/// Suffixes and what they stand for, in thousandths.
const SUFFIXES: &[(&str, f64)] = &[
    ("Ki", 1_024_000.0),
    ("Mi", 1_048_576_000.0),
    ("Gi", 1_073_741_824_000.0),
    ("Ti", 1_099_511_627_776_000.0),
    ("Pi", 1_125_899_906_842_624_000.0),
    ("Ei", 1_152_921_504_606_846_976_000.0),
    ("n", 1e-6),
    ("u", 1e-3),
    ("m", 1.0),
    ("k", 1e6),
    ("M", 1e9),
    ("G", 1e12),
    ("T", 1e15),
    ("P", 1e18),
    ("E", 1e21),
    ("", 1e3),
];

/// Thousandths of a quantity, rounded up; None for text that is not one.
pub(super) fn parse(text: &str) -> Option<i128> {
    let (number, factor) = SUFFIXES.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))?;
    let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
    #[allow(clippy::cast_possible_truncation, reason = "`as` saturates, far beyond what any machine has")]
    let thousandths = (number * factor).ceil() as i128;
    Some(thousandths)
}

/// A map of resources to quantities, such as `requests`.
pub(super) fn amounts(list: Option<&Value>) -> BTreeMap<String, i128> {
    let entries = list.and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(resource, amount)| {
            let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            Some((resource.clone(), parse(&text)?))
        })
        .collect()
}

/// What a pod asks for: its containers and sidecars together, or its greediest init container if that is more.
pub(super) fn requests(pod: &Object) -> BTreeMap<String, i128> {
    let list = |pointer: &str| pod.at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let asked = |container: &Value| amounts(container.pointer("/resources/requests"));
    let add = |total: &mut BTreeMap<String, i128>, more: BTreeMap<String, i128>| {
        more.into_iter().for_each(|(resource, amount)| *total.entry(resource).or_default() += amount);
    };
    let most = |total: &mut BTreeMap<String, i128>, other: BTreeMap<String, i128>| {
        for (resource, amount) in other {
            let entry = total.entry(resource).or_default();
            *entry = amount.max(*entry);
        }
    };
    let (mut sidecars, mut starting) = (BTreeMap::new(), BTreeMap::new());
    for container in list("/spec/initContainers") {
        let mut beside = sidecars.clone();
        add(&mut beside, asked(container));
        if container["restartPolicy"] == "Always" {
            sidecars = beside.clone();
        }
        most(&mut starting, beside);
    }
    let mut total = sidecars;
    list("/spec/containers").iter().for_each(|container| add(&mut total, asked(container)));
    most(&mut total, starting);
    add(&mut total, amounts(pod.at("/spec/overhead")));
    total
}
