//! Posts as they are held.

use std::collections::BTreeMap;

use crate::home::TheMember;
use crate::model::Posts;
use crate::op::View;
use crate::store::StoreError;

/// Posts without those whose holder has left, settled or not.
pub(super) async fn as_held(view: &mut View<'_>, posts: &Posts) -> Result<Posts, StoreError> {
    let mut members = BTreeMap::new();
    for holder in posts.holders() {
        if let Some(member) = view.get(&TheMember(holder)).await? {
            members.insert(holder, member);
        }
    }
    Ok(posts.as_held(&members))
}
