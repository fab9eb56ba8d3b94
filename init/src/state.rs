//! What stands in the packet filter now, and what to change so that the plan stands there.
//!
//! Ours is every chain named `ISTIO_...`, and in the shared chains every rule that jumps to one of them or that is in the
//! plan. All else belongs to others and is neither read for meaning nor touched.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use crate::{
    plan,
    rule::{OURS, Rule, Table},
};

/// A rule as it was printed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Printed {
    /// Everything after `-A CHAIN `.
    text: String,
}

/// The rules of one address family, as `iptables-save` prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    tables: BTreeMap<Table, BTreeMap<String, Vec<Printed>>>,
}

impl State {
    /// Reads what `iptables-save` printed. Tables that are none of ours are left out.
    pub fn parse(saved: &str) -> Self {
        let mut state = Self::default();
        let mut table = None;
        for line in saved.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('*') {
                table = Table::ALL.into_iter().find(|table| table.name() == name);
            } else if let Some(table) = table {
                state.read(table, line);
            }
        }
        state
    }

    fn read(&mut self, table: Table, line: &str) {
        let chains = self.tables.entry(table).or_default();
        if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split_whitespace().next()) {
            chains.entry(chain.to_owned()).or_default();
        } else if let Some((chain, text)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' ')) {
            chains.entry(chain.to_owned()).or_default().push(Printed { text: text.to_owned() });
        }
    }

    /// Whether any table holds any rule, whoever wrote it.
    pub fn has_rules(&self) -> bool {
        self.tables.values().flat_map(BTreeMap::values).any(|rules| !rules.is_empty())
    }

    /// Whether a rule or chain of ours is left, given what the plan has in shared chains.
    pub fn holds_any(&self, rules: &[Rule]) -> bool {
        Table::ALL.into_iter().any(|table| {
            let wanted = of_table(rules, table);
            !self.our_chains(table).is_empty() || !self.our_shared(table, &wanted).is_empty()
        })
    }

    /// Whether exactly the plan stands here: our chains rule for rule, and in shared chains our rules, once, in order.
    pub fn holds(&self, rules: &[Rule]) -> bool {
        Table::ALL.into_iter().all(|table| self.table_holds(table, &of_table(rules, table)))
    }

    fn table_holds(&self, table: Table, wanted: &[&Rule]) -> bool {
        let names = plan::chains(wanted);
        let ours = self.our_chains(table);
        if ours.len() != names.len() || !names.iter().all(|name| ours.contains(name)) {
            return false;
        }
        let planned = |chain: &str| -> Vec<Vec<String>> {
            let rules = wanted.iter().filter(|rule| rule.chain.name() == chain);
            rules.map(|rule| meaning(&rule.specification())).collect()
        };
        let found = |chain: &str| -> Vec<Vec<String>> {
            self.chain(table, chain).iter().map(|rule| meaning(&rule.text)).collect()
        };
        let shared = ["PREROUTING", "OUTPUT"].into_iter().all(|chain| {
            let found = self.our_shared(table, wanted).into_iter().filter(|(at, _)| *at == chain);
            found.map(|(_, rule)| meaning(&rule.text)).collect::<Vec<_>>() == planned(chain)
        });
        shared && names.iter().all(|chain| found(chain) == planned(chain))
    }

    fn chain(&self, table: Table, chain: &str) -> &[Printed] {
        self.tables.get(&table).and_then(|chains| chains.get(chain)).map_or(&[], Vec::as_slice)
    }

    fn our_chains(&self, table: Table) -> Vec<&str> {
        let names = self.tables.get(&table).into_iter().flat_map(BTreeMap::keys);
        names.map(String::as_str).filter(|name| name.starts_with(OURS)).collect()
    }

    /// Rules of ours in shared chains.
    fn our_shared(&self, table: Table, wanted: &[&Rule]) -> Vec<(&str, &Printed)> {
        let planned: Vec<(&str, Vec<String>)> =
            wanted.iter().map(|rule| (rule.chain.name(), meaning(&rule.specification()))).collect();
        let chains = self.tables.get(&table).into_iter().flatten().filter(|(name, _)| !name.starts_with(OURS));
        let rules = chains.flat_map(|(name, rules)| rules.iter().map(move |rule| (name.as_str(), rule)));
        let ours = |name: &str, rule: &Printed| {
            let meaning = meaning(&rule.text);
            let jumps = meaning.iter().any(|part| part.starts_with(&format!("-j {OURS}")));
            jumps || planned.iter().any(|(chain, planned)| *chain == name && *planned == meaning)
        };
        rules.filter(|(name, rule)| ours(name, rule)).collect()
    }
}

/// The text for `iptables-restore --noflush` that makes `rules` stand, and nothing else of ours. Each table changes in
/// one transaction, so that no packet meets half a rule set. `rules` may be empty: then ours are taken away, and
/// `former` says which rules in shared chains were ours.
pub fn change(state: &State, rules: &[Rule], former: &[Rule]) -> String {
    let mut text = String::new();
    for table in Table::ALL {
        let wanted = of_table(rules, table);
        let known: Vec<&Rule> = wanted.iter().copied().chain(of_table(former, table)).collect();
        let lines = table_change(state, table, &wanted, &known);
        if !lines.is_empty() {
            text += &format!("*{}\n{}\nCOMMIT\n", table.name(), lines.join("\n"));
        }
    }
    text
}

fn table_change(state: &State, table: Table, wanted: &[&Rule], known: &[&Rule]) -> Vec<String> {
    let names = plan::chains(wanted);
    // A chain that is named is emptied if it is there and made if it is not.
    let mut lines: Vec<String> = names.iter().map(|chain| format!(":{chain} - [0:0]")).collect();
    for (chain, rule) in state.our_shared(table, known) {
        lines.push(format!("-D {chain} {}", rule.text));
    }
    let gone: Vec<&str> = state.our_chains(table).into_iter().filter(|chain| !names.contains(chain)).collect();
    lines.extend(gone.iter().map(|chain| format!("-F {chain}")));
    lines.extend(gone.iter().map(|chain| format!("-X {chain}")));
    lines.extend(wanted.iter().map(|rule| plan::written(rule, wanted)));
    lines
}

fn of_table(rules: &[Rule], table: Table) -> Vec<&Rule> {
    rules.iter().filter(|rule| rule.table == table).collect()
}

/// What a printed rule means, whatever the order and the abbreviations of the version that printed it: its options with
/// their values, sorted. Module names (`-m`) go: the options say as much.
fn meaning(rule: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut bang = false;
    for word in rule.split_whitespace() {
        if word == "!" {
            bang = true;
        } else if word.starts_with('-') {
            options.push(format!("{}{word}", if bang { "! " } else { "" }));
            bang = false;
        } else if let Some(option) = options.last_mut() {
            let address = option.ends_with("-s") || option.ends_with("-d");
            *option = format!("{option} {}", if address { plain_address(word) } else { word.to_owned() });
        }
    }
    options.retain(|option| !option.starts_with("-m ") && !option.starts_with("--on-ip "));
    options.sort();
    options
}

fn plain_address(word: &str) -> String {
    let net = word.parse::<IpNet>().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from));
    net.map_or_else(|| word.to_owned(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests;
