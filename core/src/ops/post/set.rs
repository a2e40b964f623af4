//! Putting somebody into a post by hand (rules T3, T4).

use super::held::{put_list, too_many};
use super::{HeldRead, Place, event, require, subject};
use crate::facts::Facts;
use crate::home::{Home, Key, TheHeldPosts, TheMember, TheOrganization};
use crate::id::{OrganizationId, UserId};
use crate::model::{HeldPosts, MAX_POSTS, Member, Post, PostName};
use crate::op::{Decision, Operation, View, Visible};
use crate::refusal::Refusal;
use crate::store::StoreError;

/// Puts a person into a post; whoever held it before holds it no more.
#[derive(Debug)]
pub struct SetPost {
    /// Where.
    pub organization: OrganizationId,
    /// Which post.
    pub name: PostName,
    /// Whom.
    pub user: UserId,
    /// How often they have been removed from everything, as it was read before.
    pub cuts: u32,
    /// Whether nothing of them is left.
    pub erased: bool,
    /// Only people of the organization may be named this way; others answer 404.
    pub only_known: bool,
}

/// What is there before.
#[derive(Debug)]
pub struct SetPostRead {
    visible: Visible,
    place: Option<Place>,
    member: Option<Member>,
    held: HeldRead,
    predecessor: Option<HeldPosts>,
}

/// What a post is on.
pub(super) async fn place(view: &mut View<'_>, name: &PostName) -> Result<Option<Place>, StoreError> {
    Ok(match &name.account {
        Some(account) => view.get(account).await?.map(|it| Place::Account(Box::new(it))),
        None => view.get(&TheOrganization).await?.map(|it| Place::Organization(Box::new(it))),
    })
}

/// What the holder of a post holds beside it.
pub(super) async fn predecessor(
    view: &mut View<'_>,
    place: Option<&Place>,
    name: &PostName,
) -> Result<Option<HeldPosts>, StoreError> {
    let holder = place.and_then(|place| place.posts().get(name.key_role.as_ref())).and_then(Post::holder);
    match holder {
        Some(holder) => view.get(&TheHeldPosts(holder)).await,
        None => Ok(None),
    }
}

impl Operation for SetPost {
    type State = SetPostRead;
    type Output = Place;

    fn home(&self) -> Home {
        Home::Organization(self.organization)
    }

    fn subject(&self) -> Option<Key> {
        Some(subject(&self.name))
    }

    async fn load(&self, view: &mut View<'_>) -> Result<SetPostRead, StoreError> {
        view.fetch([Key::Member(self.user), Key::HeldPosts(self.user), subject(&self.name)]).await?;
        let visible = view.open_organization().await?;
        let place = place(view, &self.name).await?;
        let member = view.get(&TheMember(self.user)).await?;
        let predecessor = predecessor(view, place.as_ref(), &self.name).await?;
        let held = HeldRead::load(view, self.user).await?;
        Ok(SetPostRead { visible, place, member, held, predecessor })
    }

    fn decide(&self, read: SetPostRead, facts: &Facts) -> Result<Decision<Place>, Refusal> {
        let (_, standing) = read.visible.open()?;
        let place = read.place.ok_or(Refusal::NotFound)?;
        if self.only_known && read.member.is_none() {
            return Err(Refusal::NotFound);
        }
        require(&self.name, &standing, facts)?;
        if self.erased {
            return Err(Refusal::TargetNotActive);
        }
        if read.member.as_ref().is_some_and(|member| member.epoch > self.cuts) {
            return Err(Refusal::Conflict);
        }
        let member = read.member.map(|member| member.after_cuts(self.cuts, facts.now));
        let in_place = member.as_ref().is_some_and(|member| {
            let reaches = self.name.account.is_none_or(|id| member.access.role_on(id).is_some());
            member.is_in(facts.now) && reaches
        });
        if self.name.key_role.is_none() && !in_place {
            return Err(Refusal::NotInAccount);
        }
        let role = self.name.key_role.as_ref();
        let before = place.posts().get(role).cloned();
        let left = |post: &Post| member.as_ref().is_some_and(|member| post.is_left_by(member));
        let same =
            matches!(&before, Some(post @ Post::Manual { user, .. }) if *user == self.user && !left(post));
        if same {
            return Ok(Decision::unchanged(place));
        }
        let mut list = read.held.posts().clone();
        list.insert(self.name.clone());
        if list.len() > MAX_POSTS {
            return Err(too_many("/user"));
        }
        let after = Post::Manual { user: self.user, since: facts.now };
        // Their own list gets the post anew below.
        let predecessor = read.predecessor.filter(|held| held.user != self.user);
        let decision = without(Decision::unchanged(()), predecessor, &self.name);
        let decision = put_list(decision, self.user, list).event(event(
            &self.name,
            &place,
            before.as_ref(),
            Some(&after),
        ));
        let place = place.with(role, Some(after));
        Ok(decision.put(place.clone().record()).giving(place))
    }
}

/// The list of whoever held a post, without it.
pub(super) fn without<T>(
    decision: Decision<T>,
    predecessor: Option<HeldPosts>,
    name: &PostName,
) -> Decision<T> {
    let Some(HeldPosts { user, mut posts }) = predecessor else { return decision };
    if posts.remove(name) { put_list(decision, user, posts) } else { decision }
}
