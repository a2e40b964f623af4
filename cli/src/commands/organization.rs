//! `roster organization`: tenants, their owners and seats.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use roster_api::shapes;
use roster_core::flows::{self, NewOrganization, NewUser};
use roster_core::id::{OrganizationId, TransferId};
use roster_core::model::{OrganizationStatus, SettingsPatch, TraitPatch};
use roster_core::op::run as run_operation;
use roster_core::ops::organization::{OrganizationPatch, SetSeats};
use roster_core::ops::ownership::{OfferAnswer, TransferOwnership};
use roster_core::permission::RoleRef;
use roster_core::reads;
use roster_core::reference::{OrganizationRef, UserRef};
use roster_core::text::{Email, ExternalId, Name, Slug};

use super::{open, open_to_destroy};
use crate::args::{Global, Limit, TraitArgs};
use crate::failure::{Failure, some_change};
use crate::output::Column;
use crate::session::{Listed, Session, all_pages};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an organization with its owner, who is a member at once.
    Create(Create),
    /// List organizations.
    List(List),
    /// Show one organization.
    Show {
        /// By id or `ext:VALUE`.
        organization: OrganizationRef,
    },
    /// Change name, slug, external id (once), settings or traits.
    Update(Update),
    /// Close an organization for good: every access and key in it ends.
    Close {
        /// By id or `ext:VALUE`.
        organization: OrganizationRef,
    },
    /// Show the seats, or set how many are paid for.
    Seats {
        /// By id or `ext:VALUE`.
        organization: OrganizationRef,
        /// How many are paid for: a number, or `unlimited`.
        #[arg(long, value_name = "SEATS", value_parser = parse_seats)]
        purchased: Option<Seats>,
    },
    /// Hand the organization to another active member, at once or when they accept.
    Transfer {
        /// By id or `ext:VALUE`.
        organization: OrganizationRef,
        /// The new owner, by id or `ext:VALUE`.
        #[arg(long, value_name = "USER")]
        to: UserRef,
        /// What the owner before becomes, organization-wide.
        #[arg(long, value_name = "ROLE", default_value = "admin")]
        previous_owner_role: RoleRef,
        /// Only offer it: nothing changes until the member accepts.
        #[arg(long)]
        require_acceptance: bool,
    },
    /// Show a transfer of ownership, or an offer and how it stands.
    ShowOffer(Offer),
    /// Accept an offer of ownership on behalf of whom it is made to.
    AcceptOffer(Offer),
    /// Decline an offer of ownership on behalf of whom it is made to.
    DeclineOffer(Offer),
    /// Take back an offer of ownership.
    CancelOffer(Offer),
}

/// One offer of ownership.
#[derive(Debug, Args)]
pub struct Offer {
    /// By id or `ext:VALUE`.
    organization: OrganizationRef,
    /// The offer's `trf_` id.
    transfer: TransferId,
}

/// Flags of `create`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("owner").args(["owner_email", "owner_external_id"]).required(true).multiple(true)))]
pub struct Create {
    /// Its name.
    #[arg(long)]
    name: Name,
    /// Your own id for it.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    /// Its short name [default: made from the name].
    #[arg(long)]
    slug: Option<Slug>,
    /// The owner's address.
    #[arg(long, value_name = "EMAIL")]
    owner_email: Option<Email>,
    /// Your own id for the owner.
    #[arg(long, value_name = "ID")]
    owner_external_id: Option<ExternalId>,
    /// The owner's name, for one who is new here.
    #[arg(long, value_name = "NAME")]
    owner_name: Option<Name>,
    /// Seats paid for: a number, or `unlimited`.
    #[arg(long, value_name = "SEATS", default_value = "unlimited", value_parser = parse_seats)]
    seats: Seats,
    /// An account to make in it, with your own id for it behind `=`; once per account [default: one of its own name].
    #[arg(long, value_name = "NAME[=ID]", value_parser = parse_account)]
    account: Vec<(Name, Option<ExternalId>)>,
}

/// Flags of `list`.
#[derive(Debug, Args)]
pub struct List {
    /// Which ones.
    #[arg(long, value_enum, default_value_t = Status::Active)]
    status: Status,
    /// The beginning of a word of the name, or the whole external id.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Flags of `update`.
#[derive(Debug, Args)]
pub struct Update {
    /// By id or `ext:VALUE`.
    organization: OrganizationRef,
    /// A new name.
    #[arg(long)]
    name: Option<Name>,
    /// A new slug.
    #[arg(long)]
    slug: Option<Slug>,
    /// Your own id for it; never changes once it is set.
    #[arg(long, value_name = "ID")]
    external_id: Option<ExternalId>,
    /// A setting to change, as the API names it, such as `invitations_hold_seats=false`; once per setting.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, serde_json::Value)>,
    #[command(flatten)]
    traits: TraitArgs,
}

fn parse_setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

/// Which organizations.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Closed,
    All,
}

/// Seats paid for; none is unlimited.
#[derive(Debug, Clone, Copy)]
pub struct Seats(Option<u32>);

fn parse_seats(text: &str) -> Result<Seats, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(Seats(Some(number))),
        _ if text == "unlimited" => Ok(Seats(None)),
        _ => Err("write a number from 1, or `unlimited`".to_owned()),
    }
}

fn parse_account(text: &str) -> Result<(Name, Option<ExternalId>), String> {
    let (name, external_id) = match text.split_once('=') {
        Some((name, id)) => (name, Some(id.parse::<ExternalId>().map_err(|bad| bad.to_string())?)),
        None => (text, None),
    };
    Ok((name.parse::<Name>().map_err(|bad| bad.to_string())?, external_id))
}

const COLUMNS: &[Column] = &[
    ("ID", "/id"),
    ("NAME", "/name"),
    ("EXTERNAL ID", "/external_id"),
    ("OWNER", "/owner/email"),
    ("SEATS USED", "/seats/used"),
    ("PAID FOR", "/seats/purchased"),
    ("STATUS", "/status"),
];

const FIELDS: &[Column] = &[
    ("id", "/id"),
    ("name", "/name"),
    ("external id", "/external_id"),
    ("slug", "/slug"),
    ("status", "/status"),
    ("owner", "/owner/user_id"),
    ("owner's e-mail", "/owner/email"),
    ("owner's name", "/owner/name"),
    ("owner suspended", "/owner_unavailable"),
    ("seats used", "/seats/used"),
    ("seats paid for", "/seats/purchased"),
    ("settings", "/settings"),
    ("traits", "/traits"),
    ("created", "/created_at"),
];

const OFFER: &[Column] = &[
    ("id", "/id"),
    ("from", "/from"),
    ("to", "/to"),
    ("owner before becomes", "/previous_owner_role"),
    ("state", "/state"),
    ("ends", "/expires_at"),
];

/// Does it.
pub async fn run(command: Command, global: &Global) -> Result<(), Failure> {
    match command {
        Command::Create(new) => create(open(global).await?, new).await,
        Command::List(asked) => list(open(global).await?, asked).await,
        Command::Show { organization } => {
            let session = open(global).await?;
            let id = session.organization(&organization).await?;
            show(&session, id).await
        }
        Command::Update(patch) => update(open(global).await?, patch).await,
        Command::Close { organization } => {
            let question =
                format!("Close the organization {organization} for good? Every access and key in it ends.");
            close(open_to_destroy(global, &question).await?, &organization).await
        }
        Command::Seats { organization, purchased } => {
            seats(open(global).await?, &organization, purchased).await
        }
        Command::Transfer { organization, to, previous_owner_role, require_acceptance } => {
            let question = format!("Make {to} the owner of {organization}?");
            let session = if require_acceptance {
                open(global).await?
            } else {
                open_to_destroy(global, &question).await?
            };
            transfer(session, &organization, &to, previous_owner_role, require_acceptance).await
        }
        Command::ShowOffer(offer) => {
            let session = open(global).await?;
            let organization = session.organization(&offer.organization).await?;
            let (shown, _) =
                reads::transfer(&session.roster, &session.request(), organization, offer.transfer).await?;
            session.out.one(&shapes::transfer(&shown.value), OFFER)
        }
        Command::AcceptOffer(offer) => {
            let question = format!("Accept the ownership of {}?", offer.organization);
            answer_offer(open_to_destroy(global, &question).await?, &offer, OfferAnswer::Accept).await
        }
        Command::DeclineOffer(offer) => answer_offer(open(global).await?, &offer, OfferAnswer::Decline).await,
        Command::CancelOffer(offer) => answer_offer(open(global).await?, &offer, OfferAnswer::Cancel).await,
    }
}

async fn create(session: Session, new: Create) -> Result<(), Failure> {
    let owner = NewUser {
        email: new.owner_email,
        external_id: new.owner_external_id,
        name: new.owner_name,
        traits: TraitPatch::default(),
    };
    let new = NewOrganization {
        name: new.name,
        external_id: new.external_id,
        slug: new.slug,
        owner,
        purchased: new.seats.0,
        accounts: new.account,
    };
    let done = flows::create_organization(&session.roster, &session.request(), &new).await?;
    show(&session, done.output).await
}

async fn list(session: Session, asked: List) -> Result<(), Failure> {
    let status = match asked.status {
        Status::Active => Some(OrganizationStatus::Active),
        Status::Closed => Some(OrganizationStatus::Closed),
        Status::All => None,
    };
    let request = session.request();
    let fetch =
        async |page| reads::organizations(&session.roster, &request, status, asked.q.clone(), &page).await;
    let Listed { rows, next } = all_pages(&asked.limit, fetch).await?;
    let rows = rows.iter().map(shapes::organization).collect();
    session.out.list("Organization", &Listed { rows, next }, COLUMNS, "There are no such organizations.")
}

async fn show(session: &Session, id: OrganizationId) -> Result<(), Failure> {
    let shown = reads::organization(&session.roster, &session.request(), id).await?;
    session.out.one(&shapes::organization(&shown), FIELDS)
}

async fn update(session: Session, asked: Update) -> Result<(), Failure> {
    let settings = serde_json::Value::Object(asked.settings.into_iter().collect());
    let settings: SettingsPatch =
        serde_json::from_value(settings).map_err(|bad| Failure::Usage(format!("--setting: {bad}")))?;
    let id = session.organization(&asked.organization).await?;
    let patch = OrganizationPatch {
        name: asked.name,
        slug: asked.slug,
        external_id: asked.external_id,
        settings,
        traits: asked.traits.patch(),
    };
    let patch = some_change(patch, "--name, --slug, --external-id, --setting or --trait")?;
    flows::update_organization(&session.roster, &session.request(), id, &patch).await?;
    show(&session, id).await
}

async fn close(session: Session, named: &OrganizationRef) -> Result<(), Failure> {
    let id = session.organization(named).await?;
    flows::close_organization(&session.roster, &session.request(), id, true).await?;
    show(&session, id).await
}

async fn seats(session: Session, named: &OrganizationRef, purchased: Option<Seats>) -> Result<(), Failure> {
    let organization = session.organization(named).await?;
    if let Some(Seats(purchased)) = purchased {
        run_operation(&session.roster, &session.request(), &SetSeats { organization, purchased }).await?;
    }
    let shown = reads::seats(&session.roster, &session.request(), organization).await?;
    let paid =
        shown.value.purchased.map_or_else(|| "an unlimited number".to_owned(), |seats| seats.to_string());
    let text = format!("{} in use, {paid} paid for", shown.value.used);
    session.out.say(&text, &shapes::seats(&shown.value))
}

async fn transfer(
    session: Session,
    named: &OrganizationRef,
    to: &UserRef,
    previous_owner_role: RoleRef,
    require_acceptance: bool,
) -> Result<(), Failure> {
    let organization = session.organization(named).await?;
    let to = flows::find_user(&session.roster, to).await?;
    let operation = TransferOwnership::new(organization, (to.id, to.cuts), previous_owner_role)
        .offered(require_acceptance);
    let done = flows::transfer_ownership(&session.roster, &session.request(), operation, None).await?;
    let transfer = done.output;
    if require_acceptance {
        let text = format!("{organization} is offered to {}: {}.", transfer.to, transfer.id);
        return session.out.say(&text, &shapes::transfer(&transfer));
    }
    let text = format!(
        "{} owns {organization} now; {} stays as {}.",
        transfer.to, transfer.from, transfer.previous_owner_role
    );
    session.out.say(&text, &shapes::transfer(&transfer))
}

async fn answer_offer(session: Session, offer: &Offer, answer: OfferAnswer) -> Result<(), Failure> {
    let organization = session.organization(&offer.organization).await?;
    let (roster, request) = (&session.roster, session.request());
    let done = flows::answer_offer(roster, &request, organization, offer.transfer, answer, None).await?;
    let transfer = done.output;
    let text = match answer {
        OfferAnswer::Accept => format!("{} owns {organization} now.", transfer.to),
        OfferAnswer::Decline => format!("The offer {} is declined.", transfer.id),
        OfferAnswer::Cancel => format!("The offer {} is taken back.", transfer.id),
    };
    session.out.say(&text, &shapes::transfer(&transfer))
}
