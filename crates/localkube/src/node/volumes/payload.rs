//! What the files of a volume shall hold: ConfigMaps, Secrets, the downward API, tokens, alone or projected together.

use std::{collections::BTreeMap, path::Component, path::Path};

use k8s_openapi::{
    api::core::v1::{
        ConfigMap, DownwardAPIVolumeFile, KeyToPath, Secret, ServiceAccountTokenProjection, Volume, VolumeProjection,
    },
    jiff::{SignedDuration, Timestamp},
};

use super::Context;
use crate::{
    api::auth::Minted,
    node::{env, fields},
    object::Object,
    status::Status,
};

/// Files by path relative to the volume.
pub type Payload = BTreeMap<String, File>;

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

/// A token in use.
#[derive(Clone, Debug)]
pub struct Token {
    text: String,
    /// When to ask for the next one: after four fifths of its life.
    pub renew: Timestamp,
}

/// Tokens in use, by volume and path.
pub type Tokens = BTreeMap<(String, String), Token>;

/// The files of a volume that comes from the API; None for other types of volumes.
pub fn of_volume(volume: &Volume, context: &Context<'_>, tokens: &mut Tokens) -> Option<Result<Payload, String>> {
    let mut source = Source { context, tokens, volume: &volume.name, mode: 0o644 };
    if let Some(v) = &volume.config_map {
        source.set_mode(v.default_mode);
        Some(source.config_map(&v.name, v.items.as_deref(), v.optional))
    } else if let Some(v) = &volume.secret {
        source.set_mode(v.default_mode);
        Some(source.secret(v.secret_name.as_deref().unwrap_or_default(), v.items.as_deref(), v.optional))
    } else if let Some(v) = &volume.downward_api {
        source.set_mode(v.default_mode);
        Some(source.downward(v.items.as_deref().unwrap_or_default()))
    } else if let Some(v) = &volume.projected {
        source.set_mode(v.default_mode);
        let mut all = Payload::new();
        for part in v.sources.iter().flatten() {
            match source.projection(part) {
                Ok(files) => all.extend(files),
                Err(message) => return Some(Err(message)),
            }
        }
        Some(Ok(all))
    } else {
        None
    }
}

/// The name of a volume's type as the manifest has it.
pub fn type_name(volume: &Volume) -> String {
    let value = serde_json::to_value(volume).unwrap_or_default();
    let name = value.as_object().and_then(|map| map.keys().find(|key| *key != "name").cloned());
    name.unwrap_or_else(|| "(none)".to_owned())
}

struct Source<'a> {
    context: &'a Context<'a>,
    tokens: &'a mut Tokens,
    volume: &'a str,
    mode: u32,
}

impl Source<'_> {
    fn set_mode(&mut self, mode: Option<i32>) {
        self.mode = mode.and_then(|m| u32::try_from(m).ok()).unwrap_or(0o644) & 0o777;
    }

    fn namespace(&self) -> &str {
        self.context.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    fn projection(&mut self, part: &VolumeProjection) -> Result<Payload, String> {
        if let Some(p) = &part.config_map {
            self.config_map(&p.name, p.items.as_deref(), p.optional)
        } else if let Some(p) = &part.secret {
            self.secret(&p.name, p.items.as_deref(), p.optional)
        } else if let Some(p) = &part.downward_api {
            self.downward(p.items.as_deref().unwrap_or_default())
        } else if let Some(p) = &part.service_account_token {
            self.token(p)
        } else {
            Err("localkube has no projected volumes of this type".to_owned())
        }
    }

    fn config_map(&self, name: &str, items: Option<&[KeyToPath]>, optional: Option<bool>) -> Result<Payload, String> {
        let data = env::config_map(self.context.client, self.namespace(), name)?.map(|map: ConfigMap| {
            let texts = map.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.into_bytes()));
            texts.chain(map.binary_data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0))).collect()
        });
        self.keys(data, &format!("configmap \"{name}\" not found"), "config", items, optional)
    }

    fn secret(&self, name: &str, items: Option<&[KeyToPath]>, optional: Option<bool>) -> Result<Payload, String> {
        let data = env::secret(self.context.client, self.namespace(), name)?
            .map(|secret: Secret| secret.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0)).collect());
        self.keys(data, &format!("secret \"{name}\" not found"), "secret", items, optional)
    }

    fn keys(
        &self,
        data: Option<BTreeMap<String, Vec<u8>>>,
        missing: &str,
        what: &str,
        items: Option<&[KeyToPath]>,
        optional: Option<bool>,
    ) -> Result<Payload, String> {
        let optional = optional == Some(true);
        let data = match data {
            Some(data) => data,
            None if optional => return Ok(Payload::new()),
            None => return Err(missing.to_owned()),
        };
        let Some(items) = items.filter(|list| !list.is_empty()) else {
            return Ok(data.into_iter().map(|(key, bytes)| (key, File { bytes, mode: self.mode })).collect());
        };
        let mut files = Payload::new();
        for item in items {
            match data.get(&item.key) {
                Some(bytes) => {
                    files.insert(relative(&item.path)?, File { bytes: bytes.clone(), mode: self.item_mode(item.mode) });
                }
                None if optional => {}
                None => return Err(format!("references non-existent {what} key: {}", item.key)),
            }
        }
        Ok(files)
    }

    fn downward(&self, items: &[DownwardAPIVolumeFile]) -> Result<Payload, String> {
        let mut files = Payload::new();
        for item in items {
            let text = if let Some(selector) = &item.field_ref {
                fields::field(selector, self.context.pod, self.context.facts)?
            } else if let Some(selector) = &item.resource_field_ref {
                let first = self.context.pod.spec.as_ref().and_then(|s| s.containers.first());
                let first = first.ok_or("the pod has no containers")?;
                let owner = env::owner(self.context.pod, first, selector.container_name.as_deref())?;
                fields::resource(selector, owner, self.context.facts)?
            } else {
                return Err(format!("{}: neither fieldRef nor resourceFieldRef", item.path));
            };
            files.insert(relative(&item.path)?, File { bytes: text.into_bytes(), mode: self.item_mode(item.mode) });
        }
        Ok(files)
    }

    fn token(&mut self, wish: &ServiceAccountTokenProjection) -> Result<Payload, String> {
        let now = Timestamp::now();
        let key = (self.volume.to_owned(), wish.path.clone());
        let text = match self.tokens.get(&key) {
            Some(token) if now < token.renew => token.text.clone(),
            _ => {
                let minted = self.mint(wish).map_err(|e| e.message)?;
                let life = minted.expires.duration_since(now).as_millis().max(0);
                let renew = now + SignedDuration::from_millis(i64::try_from(life * 4 / 5).unwrap_or(0));
                self.tokens.insert(key, Token { text: minted.token.clone(), renew });
                minted.token
            }
        };
        Ok([(relative(&wish.path)?, File { bytes: text.into_bytes(), mode: self.mode })].into())
    }

    fn mint(&self, wish: &ServiceAccountTokenProjection) -> Result<Minted, Status> {
        let pod = self.context.pod;
        let account = pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref()).filter(|name| !name.is_empty());
        let audience = wish.audience.as_deref().unwrap_or_default();
        let seconds = wish.expiration_seconds.unwrap_or(3600);
        let pod = Object::from_typed(pod)?;
        self.context.authenticator.mint_for_pod(&pod, account.unwrap_or("default"), audience, seconds)
    }

    fn item_mode(&self, mode: Option<i32>) -> u32 {
        mode.and_then(|m| u32::try_from(m).ok()).map_or(self.mode, |m| m & 0o777)
    }
}

fn relative(path: &str) -> Result<String, String> {
    let plain = !path.is_empty() && Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
    if plain { Ok(path.to_owned()) } else { Err(format!("invalid path \"{path}\": must be relative, without '..'")) }
}
