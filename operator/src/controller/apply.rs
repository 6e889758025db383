//! Writes children by server-side apply.

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};

use super::build::Children;

/// The field manager of all that we write.
pub const MANAGER: &str = "sluice-operator";

/// Applies all children, the configuration before the pods that read it.
///
/// # Errors
/// The first that the API server refuses.
pub async fn apply(client: &Client, children: &Children) -> Result<(), kube::Error> {
    // Without `..`, so that a new kind which nobody applies does not compile.
    let Children { config_map, service, jobmanager, taskmanager, hash: _ } = children;
    one(client, config_map).await?;
    one(client, service).await?;
    one(client, jobmanager).await?;
    one(client, taskmanager).await
}

async fn one<K>(client: &Client, object: &K) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Serialize
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    api.patch(&object.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(object)).await.map(drop)
}
