//! The rules once more, in the plainest words, to compare with: one organization as maps and numbers.

use std::collections::BTreeMap;

use crate::step::{Access, Act, Role, Step};

/// A person by number.
pub type User = usize;
/// An account by number.
pub type Account = usize;

#[derive(Clone, PartialEq, Debug)]
pub struct Member {
    pub active: bool,
    pub access: Access,
    pub expires: Option<i64>,
}

/// The organization as it must be.
#[derive(Clone, Debug)]
pub struct Model {
    pub now: i64,
    pub closed: bool,
    pub owner: User,
    pub purchased: Option<u32>,
    /// Whether each is active.
    pub accounts: Vec<bool>,
    pub members: BTreeMap<User, Member>,
    /// The address of each person, by number.
    pub emails: BTreeMap<User, usize>,
    /// What the log of the organization must say.
    pub actions: Vec<&'static str>,
}

/// Who is in, and as what, when the organization begins.
pub fn beginning() -> [(User, Access); 4] {
    [
        (0, Access::Organization(Role::Owner)),
        (1, Access::Organization(Role::Admin)),
        (2, Access::Accounts([(0, Role::Member)].into())),
        (3, Access::Accounts([(0, Role::Admin), (1, Role::Viewer)].into())),
    ]
}

type Refusal = &'static str;
type Outcome = Result<(), Refusal>;

/// Where a permission is needed: on an account, or on the whole.
type Reach = Option<Account>;

impl Model {
    /// The organization as it begins, with two accounts.
    pub fn new() -> Self {
        let member = |(user, access)| (user, Member { active: true, access, expires: None });
        Self {
            now: 0,
            closed: false,
            owner: 0,
            purchased: Some(5),
            accounts: vec![true, true],
            members: beginning().map(member).into(),
            emails: BTreeMap::new(),
            actions: Vec::new(),
        }
    }

    /// Seats in use: one for every active member who reaches something (rule S1).
    pub fn used(&self) -> u32 {
        let holds = |member: &&Member| member.active && !member.access.is_empty();
        self.members.values().filter(holds).count().try_into().unwrap()
    }

    /// The answer to `check` for `records:manage` (rule P4).
    pub fn check(&self, user: User, on: Reach) -> &'static str {
        let Some(member) = self.members.get(&user).filter(|_| !self.closed) else {
            return if self.closed { "not_found" } else { "no_membership" };
        };
        let archived = on.is_some_and(|account| !self.accounts[account]);
        match (member.active, member.expires, self.role(user, on)) {
            (false, Some(_), _) => "expired",
            (false, None, _) => "no_membership",
            (true, _, None) => "no_access",
            (true, ..) if archived => "no_access",
            (true, _, Some(Role::Viewer)) => "role_lacks_permission",
            (true, _, Some(_)) => "granted",
        }
    }

    /// Does a step, or says why not. A refusal changes nothing but what time has ended.
    pub fn apply(&mut self, step: &Step) -> Vec<Outcome> {
        if let Act::Advance(seconds) = step.act {
            self.now += i64::from(seconds);
        }
        for member in self.members.values_mut().filter(|member| member.active) {
            if member.expires.is_some_and(|end| end <= self.now) {
                (member.active, member.access) = (false, Access::none());
            }
        }
        let mut tried = self.clone();
        if let Act::RemoveMany(account, users) = &step.act {
            return self.remove_many(step.actor, *account, users);
        }
        let outcome = tried.act(step.actor, &step.act);
        if outcome.is_ok() {
            *self = tried;
        }
        vec![outcome]
    }

    fn act(&mut self, actor: Option<User>, act: &Act) -> Outcome {
        match act {
            Act::Advance(_) => Ok(()),
            Act::Add { user, access, expires_in } => {
                self.add(actor, *user, access, expires_in.map(|s| self.now + i64::from(s)))
            }
            Act::SetRole(account, user, role) => {
                self.set_role(actor, account % self.accounts.len(), *user, *role)
            }
            Act::ReplaceAccess(user, access) => self.replace(actor, *user, access),
            Act::RemoveFromAccount(account, user) => {
                self.remove_from_account(actor, account % self.accounts.len(), *user)
            }
            Act::Remove(user) => self.remove(actor, *user),
            Act::Leave => self.leave(actor),
            Act::Transfer(to, role) => self.transfer(actor, *to, *role),
            Act::SetSeats(purchased) => self.set_seats(actor, *purchased),
            Act::SetActive(account, active) => self.set_active(actor, account % self.accounts.len(), *active),
            Act::CreateAccount => {
                self.seen(actor)?;
                self.need_admin(actor, None)?;
                self.accounts.push(true);
                self.log("account.created");
                Ok(())
            }
            Act::SetExpiry(user, in_seconds) => {
                self.set_expiry(actor, *user, in_seconds.map(|s| self.now + i64::from(s)))
            }
            Act::Close => self.close(actor),
            Act::ChangeEmail(user, email) => {
                if self.emails.iter().any(|(other, taken)| other != user && taken == email) {
                    return Err("email_exists");
                }
                self.emails.insert(*user, *email);
                Ok(())
            }
            Act::RemoveMany(..) => unreachable!("rows have outcomes of their own"),
        }
    }

    // What the rules ask.

    /// The organization is there for operators and for active members, and for nobody once it is closed.
    fn seen(&self, actor: Option<User>) -> Outcome {
        match actor {
            None if self.closed => Err("organization_closed"),
            Some(_) if self.closed => Err("not_found"),
            Some(user) if !self.is_active(user) => Err("not_found"),
            None | Some(_) => Ok(()),
        }
    }

    fn is_active(&self, user: User) -> bool {
        self.members.get(&user).is_some_and(|member| member.active)
    }

    fn role(&self, user: User, on: Reach) -> Option<Role> {
        match (&self.members.get(&user)?.access, on) {
            (Access::Organization(role), _) => Some(*role),
            (Access::Accounts(roles), Some(account)) => roles.get(&account).copied(),
            (Access::Accounts(_), None) => None,
        }
    }

    /// Members are managed by owner and admins only; through an archived account nothing is (rule O8).
    fn need_admin(&self, actor: Option<User>, on: Reach) -> Outcome {
        let on = on.filter(|account| self.accounts[*account]);
        let held = actor.map(|user| self.role(user, on));
        if matches!(held, None | Some(Some(Role::Owner | Role::Admin))) { Ok(()) } else { Err("forbidden") }
    }

    /// Nobody grants or manages what they do not hold themselves (rule M11).
    fn covers(&self, actor: Option<User>, role: Role, on: Reach) -> Outcome {
        let held = actor.map(|user| self.role(user, on));
        let enough = held.is_none_or(|held| held.is_some_and(|held| held >= role));
        if enough { Ok(()) } else { Err("cannot_grant_unheld") }
    }

    fn may_grant(&self, actor: Option<User>, access: &Access) -> Outcome {
        let lines = access.lines();
        if lines.iter().any(|(_, role)| *role == Role::Owner) {
            return Err("owner_by_transfer_only");
        }
        lines.into_iter().try_for_each(|(on, role)| self.covers(actor, role, on))
    }

    fn not_the_owner(&self, user: User) -> Outcome {
        if user == self.owner { Err("owner_must_transfer") } else { Ok(()) }
    }

    fn known(&self, user: User) -> Result<Member, Refusal> {
        self.members.get(&user).cloned().ok_or("not_found")
    }

    /// An archived account is given to nobody anew.
    fn none_archived(&self, access: &Access, before: &Access) -> Outcome {
        let anew = |(account, role): (&Account, &Role)| {
            !self.accounts[*account] && before.on(Some(*account)) != Some(*role)
        };
        match access {
            Access::Accounts(roles) if roles.iter().any(anew) => Err("account_gone"),
            _ => Ok(()),
        }
    }

    /// Only what takes a seat more can find none.
    fn put(&mut self, user: User, member: Member) -> Outcome {
        let before = self.used();
        self.members.insert(user, member);
        let over = self.purchased.is_some_and(|purchased| self.used() > purchased);
        if over && self.used() > before { Err("no_seat") } else { Ok(()) }
    }

    fn log(&mut self, action: &'static str) {
        self.actions.push(action);
    }

    // The acts.

    fn add(&mut self, actor: Option<User>, user: User, access: &Access, expires: Option<i64>) -> Outcome {
        let access = &access.within(self.accounts.len());
        self.seen(actor)?;
        if actor.is_some() && !self.members.contains_key(&user) {
            return Err("not_found");
        }
        let lines = access.lines();
        if lines.is_empty() {
            self.need_admin(actor, None)?;
        }
        lines.iter().try_for_each(|(on, _)| self.need_admin(actor, *on))?;
        self.may_grant(actor, access)?;
        if self.is_active(user) {
            return Err("already_member");
        }
        self.none_archived(access, &Access::none())?;
        self.put(user, Member { active: true, access: access.clone(), expires })?;
        self.log("member.added");
        Ok(())
    }

    fn set_role(&mut self, actor: Option<User>, account: Account, user: User, role: Role) -> Outcome {
        self.seen(actor)?;
        if actor.is_some() && !self.members.contains_key(&user) {
            return Err("not_found");
        }
        let member = self.members.get(&user).cloned();
        let held = member.as_ref().and_then(|member| member.access.on(Some(account)));
        self.need_admin(actor, Some(account))?;
        self.not_the_owner(user)?;
        let grant = Access::Accounts([(account, role)].into());
        self.may_grant(actor, &grant)?;
        held.map_or(Ok(()), |held| self.covers(actor, held, Some(account)))?;
        match member.as_ref().map(|member| &member.access) {
            Some(Access::Organization(_)) => return Err("implicit_access"),
            _ if held == Some(role) => return Ok(()),
            _ if !self.accounts[account] => return Err("account_gone"),
            _ => {}
        }
        if let Some(mut member) = member.filter(|member| member.active) {
            if let Access::Accounts(roles) = &mut member.access {
                roles.insert(account, role);
            }
            self.put(user, member)?;
            self.log("member.access_changed");
        } else {
            self.put(user, Member { active: true, access: grant, expires: None })?;
            self.log("member.added");
        }
        Ok(())
    }

    fn replace(&mut self, actor: Option<User>, user: User, access: &Access) -> Outcome {
        let access = &access.within(self.accounts.len());
        self.seen(actor)?;
        let member = self.known(user)?;
        let (before, after) = (member.access.by_line(), access.by_line());
        let touched: Vec<Reach> = before
            .keys()
            .chain(after.keys())
            .filter(|on| before.get(*on) != after.get(*on))
            .copied()
            .collect();
        touched.iter().try_for_each(|on| self.need_admin(actor, *on))?;
        if touched.is_empty() {
            self.need_admin(actor, None)?;
        }
        self.not_the_owner(user)?;
        let anew = match access {
            Access::Organization(_) => access.clone(),
            Access::Accounts(roles) => Access::Accounts(
                roles
                    .iter()
                    .filter(|(account, role)| member.access.on(Some(**account)) != Some(**role))
                    .map(|(account, role)| (*account, *role))
                    .collect(),
            ),
        };
        self.may_grant(actor, &anew)?;
        for on in &touched {
            if let Some(role) = before.get(on) {
                self.covers(actor, *role, *on)?;
            }
        }
        if actor == Some(user) {
            let raises = |(on, role): (&Reach, &Role)| member.access.on(*on).is_none_or(|held| held < *role);
            if after.iter().any(raises) {
                return Err("cannot_grant_unheld");
            }
        }
        self.none_archived(access, &member.access)?;
        if !member.active {
            self.put(user, Member { active: true, access: access.clone(), expires: None })?;
            self.log("member.added");
            return Ok(());
        }
        if *access == member.access {
            return Ok(());
        }
        self.put(user, Member { access: access.clone(), ..member })?;
        self.log("member.access_changed");
        Ok(())
    }

    fn remove_from_account(&mut self, actor: Option<User>, account: Account, user: User) -> Outcome {
        self.seen(actor)?;
        let mut member = self.known(user)?;
        self.need_admin(actor, Some(account))?;
        self.not_the_owner(user)?;
        if let Some(held) = member.access.on(Some(account)) {
            self.covers(actor, held, Some(account))?;
        }
        let Access::Accounts(roles) = &mut member.access else {
            return Err("implicit_access");
        };
        if roles.remove(&account).is_none() {
            return Ok(());
        }
        self.put(user, member)?;
        self.log("member.access_changed");
        Ok(())
    }

    fn remove_many(&mut self, actor: Option<User>, account: Account, users: &[User]) -> Vec<Outcome> {
        let account = account % self.accounts.len();
        if let Err(refusal) = self.seen(actor).and_then(|()| self.need_admin(actor, Some(account))) {
            return vec![Err(refusal)];
        }
        let mut seen = Vec::new();
        users
            .iter()
            .map(|user| {
                if seen.contains(user) {
                    return Ok(());
                }
                // M10: one who never was in is not linked; an operator's row says so.
                if actor.is_none() && self.known(*user).is_err() {
                    seen.push(*user);
                    return Ok(());
                }
                let mut tried = self.clone();
                let outcome = tried.remove_from_account(actor, account, *user);
                if outcome.is_ok() {
                    *self = tried;
                }
                // P5: naming somebody twice tells no more than once.
                if outcome != Err("not_found") {
                    seen.push(*user);
                }
                outcome
            })
            .collect()
    }

    fn remove(&mut self, actor: Option<User>, user: User) -> Outcome {
        self.seen(actor)?;
        let member = self.known(user)?;
        self.need_admin(actor, None)?;
        self.not_the_owner(user)?;
        member.access.lines().into_iter().try_for_each(|(on, role)| self.covers(actor, role, on))?;
        self.end(user, &member);
        Ok(())
    }

    fn end(&mut self, user: User, member: &Member) {
        if member.active {
            self.members.insert(user, Member { active: false, access: Access::none(), expires: None });
            self.log("member.removed");
        }
    }

    fn leave(&mut self, actor: Option<User>) -> Outcome {
        let Some(user) = actor else { return Ok(()) };
        self.seen(actor)?;
        self.not_the_owner(user)?;
        let member = self.known(user)?;
        self.end(user, &member);
        Ok(())
    }

    fn transfer(&mut self, actor: Option<User>, to: User, role: Role) -> Outcome {
        self.seen(actor)?;
        let target = self.known(to)?;
        if to == self.owner {
            return Err("invalid");
        }
        if actor.is_some_and(|actor| actor != self.owner) {
            return Err("forbidden");
        }
        if role == Role::Owner {
            return Err("owner_by_transfer_only");
        }
        if !target.active {
            return Err("target_not_active");
        }
        let before = Member { access: Access::Organization(role), ..self.known(self.owner)? };
        self.members.insert(self.owner, before);
        self.owner = to;
        let owner = Member { active: true, access: Access::Organization(Role::Owner), expires: None };
        self.put(to, owner)?;
        self.log("ownership.transferred");
        Ok(())
    }

    fn set_seats(&mut self, actor: Option<User>, purchased: Option<u32>) -> Outcome {
        self.seen(actor)?;
        if purchased == Some(0) {
            return Err("invalid");
        }
        self.need_admin(actor, None)?;
        if purchased.is_some_and(|purchased| purchased < self.used()) {
            return Err("seats_in_use");
        }
        if purchased == self.purchased {
            return Ok(());
        }
        self.purchased = purchased;
        self.log("seats.changed");
        Ok(())
    }

    fn set_active(&mut self, actor: Option<User>, account: Account, active: bool) -> Outcome {
        self.seen(actor)?;
        self.need_admin(actor, Some(account))?;
        if self.accounts[account] == active {
            return Ok(());
        }
        self.accounts[account] = active;
        if !self.accounts.contains(&true) {
            return Err("last_account");
        }
        self.log(if active { "account.updated" } else { "account.archived" });
        Ok(())
    }

    fn set_expiry(&mut self, actor: Option<User>, user: User, expires: Option<i64>) -> Outcome {
        self.seen(actor)?;
        let member = self.known(user)?;
        self.need_admin(actor, None)?;
        if member.expires == expires {
            return Ok(());
        }
        self.not_the_owner(user)?;
        member.access.lines().into_iter().try_for_each(|(on, role)| self.covers(actor, role, on))?;
        if actor == Some(user) {
            return Err("cannot_grant_unheld");
        }
        if !member.active {
            return Err("target_not_active");
        }
        self.members.insert(user, Member { expires, ..member });
        self.log("member.access_changed");
        Ok(())
    }

    fn close(&mut self, actor: Option<User>) -> Outcome {
        match self.seen(actor) {
            Err("organization_closed") => return Ok(()),
            seen => seen?,
        }
        if actor.is_some_and(|user| user != self.owner) {
            return Err("forbidden");
        }
        self.closed = true;
        self.log("organization.closed");
        Ok(())
    }
}
