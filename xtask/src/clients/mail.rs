//! Letters to a real mail server, aiosmtpd, by STARTTLS and by TLS from the first byte, with a login and an authority of
//! our own (rule I9).

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::place::Place;
use super::tools::{Tools, until};
use crate::repo::{Repo, succeed};
use crate::servers::{Servers, free_ports};

const PYPI: &str = "aiosmtpd==1.4.6";
const LOGIN: &str = "roster:s3cr%40t%3A%2F@";
const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// The mail server, ended when this is dropped.
struct Sink(Child);

impl Drop for Sink {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Has an invitation mailed in each manner, and refused where it would be read on the way or go to somebody else.
pub fn run(repo: &Repo, servers: &Servers) -> Result<()> {
    let tools = Tools::new(repo, "mail")?;
    tools.pip(&[PYPI])?;
    tools.write("server.py", include_str!("mail.py"))?;
    certify(&tools)?;
    let [starttls, wrapped, plain, never] = free_ports()?;
    let ports = [("STARTTLS", starttls), ("WRAPPED", wrapped), ("PLAIN", plain), ("NEVER", never)];
    let _sink = serve(&tools, &ports)?;
    let ours = format!("ca_file = {:?}", tools.path("ours.crt").display().to_string());
    for (manner, url, more) in [
        ("starttls-tls", format!("smtp://{LOGIN}localhost:{starttls}?tls=required"), &*ours),
        ("wrapped-tls", format!("smtps://{LOGIN}localhost:{wrapped}"), &*ours),
        ("plain-clear", format!("smtp://127.0.0.1:{plain}"), ""),
    ] {
        let place = place(repo, servers, &url, more)?;
        let (fine, said) = place.tells(&["doctor"])?;
        ensure!(fine, "{manner}: {said}");
        let _served = place.serve()?;
        invite(&place)?;
        let letter = tools.path(format!("letters/{manner}-1.eml"));
        let text = until(|| fs::read_to_string(&letter).context("no letter came"))
            .with_context(|| format!("{manner}: {}", place.log()))?;
        ensure!(text.contains("/invitations/rkl_"), "{manner}: no link: {text}");
        println!("{PYPI} takes a letter: {manner}.");
    }
    let untrusted = "the mail server cannot be trusted: TLS failed";
    for (url, more, told) in [
        (format!("smtp://{LOGIN}localhost:{starttls}?tls=required"), "", untrusted),
        (format!("smtps://{LOGIN}localhost:{wrapped}"), "", untrusted),
        (format!("smtps://{LOGIN}127.0.0.1:{wrapped}"), &*ours, untrusted),
        (format!("smtps://roster:wrong@localhost:{wrapped}"), &*ours, "does not take this user and password"),
        (format!("smtp://localhost:{never}?tls=required"), &*ours, "offers no STARTTLS"),
        (format!("smtp://{LOGIN}localhost:{never}?tls=required"), &*ours, "offers no STARTTLS"),
    ] {
        let place = place(repo, servers, &url, more)?;
        let (fine, said) = place.tells(&["doctor"])?;
        ensure!(!fine && said.contains(told), "{url} was to be refused by \"{told}\": {said}");
        let _served = place.serve()?;
        invite(&place)?;
        std::thread::sleep(Duration::from_secs(2));
    }
    let mut came: Vec<_> = fs::read_dir(tools.path("letters"))?.flatten().map(|it| it.file_name()).collect();
    came.sort();
    ensure!(came.len() == 3, "more than the three letters came: {came:?}");
    println!("{PYPI} is told nothing where it is not trusted, knows another password or has no STARTTLS.");
    Ok(())
}

fn place(repo: &Repo, servers: &Servers, url: &str, more: &str) -> Result<Place> {
    let mail = format!("[mail]\nurl = {url:?}\nfrom = \"roster@example.com\"\n{more}\n");
    Place::new(repo, servers, "sqlite", &mail)
}

fn invite(place: &Place) -> Result<()> {
    let create = ["organization", "create", "--name", "Cloud", "--external-id", "cloud", "--owner-email"];
    place.says(&[&create[..], &["owner@example.com"]].concat())?;
    let invite = ["invitation", "create", "grace@example.com", "--organization", "ext:cloud"];
    place.says(&[&invite[..], &["--all-accounts", "--role", "viewer"]].concat()).map(drop)
}

/// An authority, and a certificate of its for `localhost`.
fn certify(tools: &Tools) -> Result<()> {
    let openssl = |line: &str| {
        let mut openssl = tools.program("openssl");
        succeed(openssl.args(line.split_whitespace()).stderr(Stdio::null()))
            .context("apt-get install openssl")
    };
    tools.write("san", "subjectAltName = DNS:localhost\nbasicConstraints = CA:FALSE\n")?;
    openssl(&format!("req -x509 {NEW_KEY} -days 30 -subj /CN=ours -keyout ours.key -out ours.crt"))?;
    openssl(&format!("req -new {NEW_KEY} -subj /CN=localhost -keyout made.key -out made.csr"))?;
    openssl(
        "x509 -req -in made.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 30 -extfile san -out made.crt",
    )
}

fn serve(tools: &Tools, ports: &[(&str, u16)]) -> Result<Sink> {
    fs::create_dir_all(tools.path("letters"))?;
    let mut server: Command = tools.program("venv/bin/python");
    server.arg("server.py").stdin(Stdio::piped()).stdout(Stdio::piped());
    server.env("LETTERS", tools.path("letters"));
    server.env("CERTIFICATE", tools.path("made.crt")).env("KEY", tools.path("made.key"));
    server.envs(ports.iter().map(|(manner, port)| (format!("{manner}_PORT"), port.to_string())));
    let mut sink = Sink(server.spawn().context("the mail server cannot be started")?);
    let said = sink.0.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    ensure!(line.trim() == "ready", "the mail server does not start");
    Ok(sink)
}
