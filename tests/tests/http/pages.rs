//! Pages for people who open a link: rules I2, I3, L8.

use http::Method;
use roster_tests::http::{Reply, text};
use roster_tests::mailbox::{Mailbox, token};
use roster_tests::stores::selected;
use roster_tests::world::World;
use serde_json::json;

const INVITATIONS: &str = "/v1/organizations/ext:cloud/invitations";
const PASSWORD: &str = "correct horse battery";

async fn invited(world: &World, mailbox: &Mailbox, name: &str) -> String {
    let access = json!({"type": "organization", "role": "viewer"});
    let body = json!({"email": format!("{name}@example.com"), "access": access});
    world.operator().post(INVITATIONS, body).await.is(201);
    format!("/invitations/{}", token(&mailbox.one(&world.service.roster).await))
}

async fn open(world: &World, path: &str) -> Reply {
    world.service.nobody().get(path).await
}

async fn send(world: &World, path: &str, form: &str) -> Reply {
    let nobody = world.service.nobody().with("content-type", "application/x-www-form-urlencoded");
    nobody.send(Method::POST, path, form.as_bytes().to_vec()).await
}

#[track_caller]
fn is_page(reply: &Reply, status: u16, says: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(
        reply.header("content-security-policy").unwrap().starts_with("default-src 'none'; style-src 'self'")
    );
    assert!(reply.header("set-cookie").is_none());
    assert!(reply.text.contains(says), "{says}: {}", reply.text);
    assert!(reply.text.contains("<html lang=\"en\">") && !reply.text.contains("<script"));
}

/// I3: looking consumes nothing; the form makes a member, by a new password or by the one that is there.
#[tokio::test]
async fn i3_an_invitation_is_accepted_on_its_page() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let path = invited(&world, &mailbox, "rita").await;
        for _ in 0..3 {
            let shown = open(&world, &path).await;
            is_page(&shown, 200, "Join cloud");
            assert!(!shown.text.contains("rita"), "no address");
            world.service.nobody().call(Method::HEAD, &path, None).await.is(200);
        }
        let form = |name: &str, password: &str| {
            format!("act=accept&name={name}&password={}", password.replace(' ', "+"))
        };
        is_page(&send(&world, &path, &form("Rita", "short")).await, 422, "8 to 256 characters");
        is_page(&send(&world, &path, &form("", PASSWORD)).await, 422, "role=\"alert\"");
        is_page(&send(&world, &path, &form("Rita", PASSWORD)).await, 200, "Welcome to cloud");
        is_page(&send(&world, &path, &form("Rita", PASSWORD)).await, 200, "Welcome to cloud");
        is_page(&open(&world, &path).await, 200, "You are a member of cloud");
        let body = json!({"email": "rita@example.com", "password": PASSWORD});
        let session = world.service.nobody().post("/v1/sessions", body).await.is(201);
        let rita = world.service.bearer(&text(&session, "/token"));
        assert_eq!(
            rita.get("/v1/sessions").await.is(200)["data"].as_array().unwrap().len(),
            1,
            "no session is left"
        );
        let access = json!({"type": "organization", "role": "viewer"});
        let again = json!({"email": "rita@example.com", "access": access});
        world.operator().post("/v1/organizations/ext:other/invitations", again).await.is(201);
        let path = format!("/invitations/{}", token(&mailbox.one(&world.service.roster).await));
        is_page(&send(&world, &path, &form("Rita", "wrong horse battery")).await, 401, "does not open it");
        is_page(&send(&world, &path, &form("Rita", PASSWORD)).await, 200, "Welcome to other");
    }
}

/// I4: declined, revoked, forged.
#[tokio::test]
async fn i4_a_page_says_what_has_become_of_an_invitation() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let path = invited(&world, &mailbox, "rita").await;
        is_page(&send(&world, &path, "act=decline").await, 200, "You declined to join cloud");
        is_page(&open(&world, &path).await, 200, "You declined to join cloud");
        is_page(&send(&world, &path, "act=accept&name=R&password=correct+horse").await, 410, "holds no more");
        let path = invited(&world, &mailbox, "rosa").await;
        world.test().clock.advance_seconds(15 * 86_400);
        is_page(&open(&world, &path).await, 200, "has expired");
        for forged in ["/invitations/x", "/password-resets/x", "/email-changes/x"] {
            is_page(&open(&world, forged).await, 404, "leads nowhere");
            is_page(&send(&world, forged, "password=correct+horse&name=x").await, 404, "leads nowhere");
        }
        let css = open(&world, "/pages.css").await;
        assert_eq!((css.status.as_u16(), css.header("content-type")), (200, Some("text/css; charset=utf-8")));
    }
}

/// L8: a new password, and a new address, by their pages.
#[tokio::test]
async fn l8_links_to_a_password_and_an_address_work_on_their_pages() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        world.service.nobody().post("/v1/password-resets", json!({"email": "max@example.com"})).await.is(202);
        let path = format!("/password-resets/{}", token(&mailbox.one(&world.service.roster).await));
        is_page(&open(&world, &path).await, 200, "Set a new password");
        is_page(&send(&world, &path, "password=short").await, 422, "8 to 256 characters");
        is_page(&send(&world, &path, "password=correct+horse+battery").await, 200, "Your password is set");
        is_page(&send(&world, &path, "password=another+horse").await, 410, "used already");
        is_page(&open(&world, &path).await, 410, "used already");
        let body = json!({"email": "max@example.com", "password": PASSWORD});
        world.service.nobody().post("/v1/sessions", body).await.is(201);
        // A change that was asked for before the password was set ends with it.
        world.test().clock.advance_seconds(1);
        world.person("max").post("/v1/me/email", json!({"email": "new@example.com"})).await.is(202);
        let path = format!("/email-changes/{}", token(&mailbox.one(&world.service.roster).await));
        is_page(&open(&world, &path).await, 200, "new@example.com");
        is_page(&open(&world, &path).await, 200, "Use this address");
        is_page(&send(&world, &path, "act=confirm").await, 200, "Your address is changed");
        is_page(&send(&world, &path, "act=confirm").await, 410, "used already");
        assert_eq!(world.operator().get("/v1/users/ext:max").await.is(200)["email"], "new@example.com");
    }
}

/// What people chose is text.
#[tokio::test]
async fn names_are_no_markup() {
    for store in selected() {
        let (world, mailbox) = World::with_mail(store).await;
        let evil = "<script>alert(1)</script>\"'";
        world.operator().patch("/v1/organizations/ext:cloud", json!({"name": evil})).await.is(200);
        let path = invited(&world, &mailbox, "rita").await;
        is_page(&open(&world, &path).await, 200, "&lt;script&gt;");
        let form = "act=accept&password=short&name=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
        is_page(&send(&world, &path, form).await, 422, "&lt;script&gt;");
    }
}

/// No token is in what is counted, and a page is counted under its template.
#[tokio::test]
async fn pages_are_counted_by_their_template() {
    let (world, mailbox) = World::with_mail("memory").await;
    let path = invited(&world, &mailbox, "rita").await;
    open(&world, &path).await;
    let metrics = world.service.api.metrics.render();
    assert!(metrics.contains("route=\"/invitations/{token}\""), "{metrics}");
    assert!(!metrics.contains("rkl_"));
}
