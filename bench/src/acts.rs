//! Acts that take long, over HTTP against a server: how long each takes until it is done, and not only until it is
//! answered.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How much there is to do.
#[derive(Args, Clone, Copy, Debug)]
pub struct Amount {
    /// Rows of the file that is imported, each of somebody new.
    #[arg(long)]
    rows: u32,
    /// Organizations of one person, and accounts of another in one organization.
    #[arg(long)]
    places: u32,
    /// Batches of a hundred events.
    #[arg(long)]
    batches: u32,
}

/// How many requests are under way while things are made.
const AT_A_TIME: u32 = 8;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(30);

/// Does them all, and prints how each went, an object of JSON a line.
pub async fn run(url: &str, key: &str, amount: Amount) -> Result<()> {
    let server = Server { client: Client::new(), url: format!("{url}/v1"), key: key.to_owned() };
    server.import(amount.rows).await.context("import")?;
    server.accounts_of_one(amount.places).await.context("accounts")?;
    server.organizations_of_one(amount.places).await.context("organizations")?;
    server.events(amount.batches).await.context("events")
}

/// A server, and an operator's key.
#[derive(Clone)]
struct Server {
    client: Client,
    url: String,
    key: String,
}

/// Prints how so many things went.
fn say(work: &str, count: u32, took: Duration) {
    println!("{}", json!({"work": work, "count": count, "seconds": took.as_secs_f64()}));
}

impl Server {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        told(path, request.send().await?).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// An organization with an owner.
    async fn organization(&self, name: &str) -> Result<()> {
        let owner = json!({"email": format!("owner-{name}@example.com")});
        self.post("/organizations", json!({"name": name, "external_id": name, "owner": owner}))
            .await
            .map(drop)
    }

    /// Waits for the job of an answer to end; what it counted.
    async fn ended(&self, answer: &Value) -> Result<Value> {
        let id = answer["job"]["id"].as_str().context("no job")?;
        let begun = Instant::now();
        loop {
            let job = self.ask(Method::GET, &format!("/jobs/{id}"), None).await?;
            match job["status"].as_str() {
                Some("queued" | "running") if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Some("completed") => return Ok(job["summary"].clone()),
                _ => bail!("the job did not end well: {job}"),
            }
        }
    }

    /// Makes things side by side.
    async fn each<F>(&self, count: u32, make: impl Fn(Self, u32) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for n in 0..count {
            if tasks.len() >= AT_A_TIME as usize {
                tasks.join_next().await.context("no task")???;
            }
            tasks.spawn(make(self.clone(), n));
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(())
    }

    async fn import(&self, rows: u32) -> Result<()> {
        self.organization("imported").await?;
        let mut file = "user_external_id,email,name,account_external_id,role\n".to_owned();
        for n in 0..rows {
            writeln!(file, "in-{n},in-{n}@example.com,Person {n},acc-{},viewer", n % 10)?;
        }
        for (work, outcome) in [("import people", "added"), ("import them again", "unchanged")] {
            let begun = Instant::now();
            let path = "/organizations/ext:imported/imports?create_accounts=true";
            let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(&self.key);
            let request = request.header("content-type", "text/csv").body(file.clone());
            let counted = self.ended(&told(path, request.send().await?).await?).await?;
            say(work, rows, begun.elapsed());
            if counted[outcome] != json!(rows) {
                bail!("{rows} rows were to be {outcome}: {counted}");
            }
        }
        Ok(())
    }

    /// Removes somebody from an organization in which they are in so many accounts.
    async fn accounts_of_one(&self, count: u32) -> Result<()> {
        self.organization("wide").await?;
        let make = async |server: Self, n: u32| {
            let account = json!({"name": format!("Account {n}"), "external_id": format!("wide-{n}")});
            server.post("/organizations/ext:wide/accounts", account).await.map(drop)
        };
        for n in 0..count {
            make(self.clone(), n).await?;
        }
        let roles: Vec<Value> =
            (0..count).map(|n| json!({"account": format!("ext:wide-{n}"), "role": "viewer"})).collect();
        let access = json!({"type": "accounts", "accounts": roles});
        let member = json!({"external_id": "broad", "email": "broad@example.com", "access": access});
        self.post("/organizations/ext:wide/members", member).await?;
        let begun = Instant::now();
        self.ask(Method::DELETE, "/organizations/ext:wide/members/ext:broad", None).await?;
        say("remove from all accounts", count, begun.elapsed());
        Ok(())
    }

    /// Removes somebody from everything who is in so many organizations.
    async fn organizations_of_one(&self, count: u32) -> Result<()> {
        self.post("/users", json!({"external_id": "everywhere", "email": "everywhere@example.com"})).await?;
        self.each(count, |server, n| async move {
            let name = format!("of-{n}");
            server.organization(&name).await?;
            let access = json!({"type": "organization", "role": "viewer"});
            let member = json!({"user": "ext:everywhere", "access": access});
            server.post(&format!("/organizations/ext:{name}/members"), member).await.map(drop)
        })
        .await?;
        let begun = Instant::now();
        let answer = self.ask(Method::DELETE, "/users/ext:everywhere/accounts", None).await?;
        let answered = begun.elapsed();
        let check =
            json!({"user": "ext:everywhere", "permission": "members:read", "organization": "ext:of-0"});
        let allowed = self.post("/check", check).await?;
        if allowed["allowed"] != json!(false) {
            bail!("access is still there after the answer: {allowed}");
        }
        say("shut out of everything", count, answered);
        self.ended(&answer).await?;
        say("sweep up behind them", count, begun.elapsed());
        Ok(())
    }

    /// Takes in batches of a hundred events, until the last of them is applied.
    async fn events(&self, batches: u32) -> Result<()> {
        self.organization("told").await?;
        let groups = json!({"to": "one", "organization": "ext:told"});
        let source = self.post("/sources", json!({"name": "Bench", "groups": groups})).await?;
        let write_key = source["write_key"].as_str().context("no write key")?.to_owned();
        for n in 0..100 {
            let user = format!("t-{n}");
            let group = json!({"userId": user, "groupId": "all", "traits": {"name": "All"}});
            self.ingest(&write_key, "group", group).await?;
        }
        let begun = Instant::now();
        let key = write_key.as_str();
        self.each(batches, |server, n| {
            let key = key.to_owned();
            async move {
                let event = |k: u32| {
                    let id = format!("m-{n}-{k}");
                    json!({"type": "track", "userId": format!("t-{k}"), "event": "Opened", "messageId": id})
                };
                let events: Vec<Value> = (0..100).map(event).collect();
                server.ingest(&key, "batch", json!({"batch": events})).await
            }
        })
        .await?;
        say("take in events", batches * 100, begun.elapsed());
        loop {
            let path = "/organizations/ext:told/activity?group_by=event&event=Opened";
            let counted = self.ask(Method::GET, path, None).await?;
            if counted["data"][0]["count"] == json!(batches * 100) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                bail!("not all events were applied: {counted}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        say("apply events", batches * 100, begun.elapsed());
        Ok(())
    }

    async fn ingest(&self, write_key: &str, path: &str, body: Value) -> Result<()> {
        let request = self.client.post(format!("{}/{path}", self.url)).basic_auth(write_key, Some(""));
        told(path, request.json(&body).send().await?).await.map(drop)
    }
}

/// What an answer says, where it is not a refusal.
async fn told(path: &str, answer: reqwest::Response) -> Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        bail!("{path}: {status} {text}");
    }
    if status == StatusCode::NO_CONTENT || text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))
}
