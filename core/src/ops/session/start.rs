//! Beginning a session: what signing in comes to, once the password is known to fit.

use crate::facts::Facts;
use crate::home::{Home, Key, Record, TheCredential, TheUser};
use crate::id::{SessionId, UserId};
use crate::model::{Credential, Session, User, UserStatus};
use crate::op::{Decision, Operation, View};
use crate::refusal::Refusal;
use crate::secret::{Token, TokenKind};
use crate::store::StoreError;

/// Begins a session of a user. Clears away sessions that are over.
#[derive(Debug)]
pub struct StartSession {
    /// Whose.
    pub user: UserId,
    /// The credential that fitted.
    pub by: Credential,
    /// The same password hashed anew, at the cost that is set now.
    pub rehashed: Option<String>,
    /// Sessions of the user that may be over.
    pub others: Vec<SessionId>,
    /// A session ends when it is not used for so many seconds.
    pub idle: i64,
    /// A session ends after so many seconds.
    pub life: i64,
}

impl StartSession {
    /// Whether it is the password that fitted, though all sessions may have been ended meanwhile.
    fn is_same(&self, found: &Credential) -> bool {
        let by = &self.by;
        found.generation == by.generation
            || (found.changed_at == by.changed_at && found.password_hash == by.password_hash)
    }
}

/// A session that was begun.
#[derive(Clone, Debug)]
pub struct Started {
    /// Whose.
    pub user: User,
    /// The session.
    pub session: Session,
    /// Its secret, nowhere else to be had.
    pub token: Token,
}

impl Operation for StartSession {
    type State = (Option<User>, Option<Credential>, Vec<Session>);
    type Output = Started;

    fn home(&self) -> Home {
        Home::User(self.user)
    }

    async fn load(&self, view: &mut View<'_>) -> Result<Self::State, StoreError> {
        let others = self.others.iter().map(|id| Key::Session(*id));
        view.fetch(others.chain([Key::User, Key::Credential])).await?;
        let (user, credential) = (view.get(&TheUser).await?, view.get(&TheCredential).await?);
        let mut others = Vec::new();
        for id in &self.others {
            others.extend(view.get(id).await?);
        }
        Ok((user, credential, others))
    }

    fn decide(
        &self,
        (user, credential, others): Self::State,
        facts: &Facts,
    ) -> Result<Decision<Started>, Refusal> {
        let user = user.filter(|user| user.status == UserStatus::Active);
        let credential = credential.filter(|found| self.is_same(found));
        let (Some(user), Some(credential)) = (user, credential) else {
            return Err(Refusal::InvalidCredentials);
        };
        let id = SessionId::from_uuid(facts.fresh("session"));
        let token = Token::new(TokenKind::Session(self.user, id), facts.seed.derive("session secret"));
        let session = Session {
            id,
            secret_hash: token.hash(),
            generation: credential.generation,
            created_at: facts.now,
            last_used_at: facts.now,
            expires_at: facts.now.plus_seconds(self.life),
        };
        let over = others.iter().filter(|it| !it.is_live(facts.now, credential.generation, self.idle));
        let mut decision = Decision::unchanged(Started { user, session: session.clone(), token });
        decision.removes.extend(over.map(|it| Key::Session(it.id)));
        decision.puts.push(Record::Session(session));
        if let Some(hash) =
            self.rehashed.clone().filter(|_| credential.password_hash == self.by.password_hash)
        {
            decision.puts.push(Record::Credential(Credential { password_hash: hash, ..credential }));
        }
        Ok(decision)
    }
}
