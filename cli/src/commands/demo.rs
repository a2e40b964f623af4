//! `roster serve --demo`: a store that is thrown away, with something in it to try things on.

use std::net::SocketAddr;
use std::str::FromStr;

use roster_core::flows::{
    NewMember, NewOrganization, NewUser, Who, add_member, create_organization, find_user,
};
use roster_core::id::OrganizationId;
use roster_core::model::TraitPatch;
use roster_core::op::run;
use roster_core::ops::member::{AccessAsk, Joining, RemoveMember};
use roster_core::ops::operator_key::CreateOperatorKey;
use roster_core::permission::RoleRef;
use roster_core::reference::{Reference, UserRef};
use tempfile::TempDir;

use crate::args::Global;
use crate::config::{Config, Flags, environment};
use crate::failure::Failure;
use crate::output::line;
use crate::session::Session;

/// Settings that a demo heeds; where its store is, is not for others to say.
const HEEDED: [&str; 3] = ["ROSTER_SERVER__", "ROSTER_PUBLIC_URL", "ROSTER_LOG__"];

/// A folder for one run, gone when this is dropped.
#[derive(Debug)]
pub struct Throwaway(TempDir);

impl Throwaway {
    /// A new one, where temporary files go.
    pub fn make() -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("roster-demo-").tempdir();
        dir.map(Self).map_err(|error| Failure::Failed(format!("no temporary folder can be made: {error}")))
    }

    /// The configuration of a server whose store and key are in this folder.
    pub fn config(&self, global: &Global) -> Result<Config, Failure> {
        let flags = global.flags();
        if flags.config.is_some() || flags.data_dir.is_some() {
            let text =
                "--demo makes a store of its own and throws it away: leave out --config and --data-dir";
            return Err(Failure::Usage(text.to_owned()));
        }
        let flags = Flags { data_dir: Some(self.0.path().to_owned()), ..flags };
        let heeded = environment().filter(|(name, _)| HEEDED.iter().any(|known| name.starts_with(known)));
        Ok(Config::load(&flags, heeded, self.0.path())?)
    }
}

/// Makes the sample data by the same operations as everybody, and says what to try.
pub async fn begin(session: &Session, bound: SocketAddr) -> Result<(), Failure> {
    fill(session).await?;
    let key = CreateOperatorKey { name: text("demo") };
    let (_, secret) = run(&session.roster, &session.request(), &key).await?.output;
    line("This is a demo: everything in it is thrown away when the server ends.")?;
    line("  ext:acme  an organization with the accounts ext:north and ext:south")?;
    line(
        "  ext:ada   owns it; ext:bob is a member on ext:north; ext:cy views everything; ext:dee was removed",
    )?;
    line(&format!("  {}  an operator's key: it may do everything", secret.reveal()))?;
    line("Paste these into another terminal, one after the other:")?;
    for command in commands(&format!("http://{bound}"), secret.reveal()) {
        line(&command)?;
    }
    Ok(())
}

/// Who is in the organization; may Bob see members on North; Bob is removed from North; may he now; what was done.
fn commands(address: &str, key: &str) -> [String; 5] {
    let acme = format!("{address}/v1/organizations/ext:acme");
    let curl = |rest: &str| format!("curl -s -w '\\n' -H 'Authorization: Bearer {key}' {rest}");
    let asked =
        r#"{"user":"ext:bob","permission":"members:read","organization":"ext:acme","account":"ext:north"}"#;
    let check = format!("-H 'Content-Type: application/json' -d '{asked}' {address}/v1/check");
    [
        curl(&format!("{acme}/members")),
        curl(&check),
        curl(&format!("-X DELETE {acme}/accounts/ext:north/members/ext:bob")),
        curl(&check),
        curl(&format!("'{acme}/audit?user=ext:bob'")),
    ]
}

async fn fill(session: &Session) -> Result<(), Failure> {
    let new = NewOrganization {
        name: text("Acme"),
        external_id: Some(text("acme")),
        slug: None,
        owner: person("Ada", "ada"),
        purchased: Some(10),
        accounts: vec![(text("North"), Some(text("north"))), (text("South"), Some(text("south")))],
    };
    let acme = create_organization(&session.roster, &session.request(), &new).await?.output;
    let on = |account: &str, role: &str| {
        AccessAsk::Accounts(vec![(Reference::External(text(account)), text(role))])
    };
    add(session, acme, person("Bob", "bob"), on("north", "member")).await?;
    add(session, acme, person("Cy", "cy"), AccessAsk::Organization(text("viewer"))).await?;
    add(session, acme, person("Dee", "dee"), AccessAsk::Organization(RoleRef::ADMIN)).await?;
    let dee: UserRef = text("ext:dee");
    let user = find_user(&session.roster, &dee).await?.id;
    run(&session.roster, &session.request(), &RemoveMember { organization: acme, user }).await?;
    Ok(())
}

async fn add(
    session: &Session,
    organization: OrganizationId,
    person: NewUser,
    access: AccessAsk,
) -> Result<(), Failure> {
    let joining = Joining { access, starts_at: None, expires_at: None };
    let new = NewMember { who: Who::Person(person), joining };
    add_member(&session.roster, &session.request(), organization, &new, None).await?;
    Ok(())
}

fn person(name: &str, id: &str) -> NewUser {
    NewUser {
        email: Some(text(&format!("{id}@example.com"))),
        external_id: Some(text(id)),
        name: Some(text(name)),
        traits: TraitPatch::default(),
    }
}

/// Text of the sample data, which fits its type.
fn text<T: FromStr>(text: &str) -> T {
    text.parse().ok().expect("the sample data is well formed")
}
