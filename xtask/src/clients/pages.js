// The pages for people who open a link, in a real browser: at a phone's width, with and without JavaScript, in light and
// dark, by the keyboard alone. A finding is a line on stderr and an exit status.
const fs = require("fs");
const path = require("path");
const { chromium } = require("playwright-core");
const { AxeBuilder } = require("@axe-core/playwright");

const { ROSTER, OPERATOR_KEY, LETTERS, CHROMIUM } = process.env;
const PASSWORD = "correct horse battery";
const WIDTHS = [390, 320];
const findings = [];
let checked = 0;

async function api(method, where, body, secret = OPERATOR_KEY) {
  const headers = { "content-type": "application/json" };
  if (secret) headers.authorization = `Bearer ${secret}`;
  const answer = await fetch(`${ROSTER}/v1${where}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

async function must(method, where, body, secret) {
  const answer = await api(method, where, body, secret);
  if (answer.status >= 300) throw new Error(`${method} ${where}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// The link in the newest letter to somebody, once it is there.
async function mailed(kind, to) {
  for (let tries = 0; tries < 300; tries += 1) {
    const files = fs.existsSync(LETTERS) ? fs.readdirSync(LETTERS).filter((name) => name.endsWith(".eml")) : [];
    const letters = files.map((name) => path.join(LETTERS, name));
    letters.sort((one, other) => fs.statSync(other).mtimeMs - fs.statSync(one).mtimeMs);
    for (const letter of letters) {
      // Where a name is no ASCII, long lines are folded (RFC 2045, section 6.7).
      const text = fs.readFileSync(letter, "utf8").replace(/=\r\n/g, "");
      const link = text.match(new RegExp(`http://[^\\s"<]+/${kind}/[0-9a-z_]+`));
      if (link && text.includes(`To: ${to}\r\n`)) {
        fs.unlinkSync(letter);
        return link[0];
      }
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  throw new Error(`no letter with a link to ${kind} came to ${to}`);
}

// A tab that notes what a page must not do.
async function open(browser, settings) {
  const context = await browser.newContext({
    viewport: { width: WIDTHS[0], height: 844 },
    deviceScaleFactor: 2,
    ...settings,
  });
  const page = await context.newPage();
  const name = `script ${settings.javaScriptEnabled ? "on" : "off"}, ${settings.colorScheme}`;
  const found = (what) => findings.push(`${name}, ${page.url().replace(/[0-9a-z]{40,}/, "…")}: ${what}`);
  page.on("console", (line) => {
    if (!["warning", "error"].includes(line.type())) return;
    // The browser notes the status of refusals there.
    const status = /Failed to load resource: the server responded with a status of (401|404|410|422)/;
    if (!status.test(line.text())) found(`the console says: ${line.text()}`);
  });
  page.on("pageerror", (error) => found(`an error: ${error}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(ROSTER)) found(`a request to elsewhere: ${request.url()}`);
  });
  page.on("requestfailed", (request) => found(`a request failed: ${request.url()}: ${request.failure().errorText}`));
  page.on("response", (response) => {
    if (response.url().endsWith("/favicon.ico") && response.status() >= 500) found("the icon fails");
  });
  return { context, page, found, scripts: settings.javaScriptEnabled };
}

// Everything that must hold of any page.
async function check({ page, found, scripts }, title) {
  checked += 1;
  const heading = await page.locator("h1").textContent();
  if (!heading.startsWith(title)) found(`the heading is "${heading}", not "${title}…"`);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 844 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) found(`at ${width} pixels it can be scrolled sideways, by ${wide}`);
  }
  await page.setViewportSize({ width: WIDTHS[0], height: 844 });
  const bare = await page.evaluate(() =>
    [...document.querySelectorAll("input:not([type=hidden])")].filter((it) => !it.labels.length).map((it) => it.name));
  if (bare.length) found(`without a label: ${bare}`);
  // It is a script itself; without scripts the pages are the same ones.
  if (!scripts) return;
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze();
  for (const { id, help, nodes } of violations) {
    found(`${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
  }
}

// Tab to what has this name; nothing else is used.
async function tab({ page, found }, label) {
  for (let tries = 0; tries < 8; tries += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      const named = it.labels && it.labels.length ? it.labels[0].textContent : it.textContent;
      const style = getComputedStyle(it);
      return { named: named.trim(), shown: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
    });
    if (at.named === label) {
      if (!at.shown) found(`nobody sees that "${label}" has the focus`);
      return;
    }
  }
  found(`"${label}" is not reached by Tab`);
}

async function fill(tabbed, label, text) {
  await tab(tabbed, label);
  await tabbed.page.keyboard.press("Control+A");
  await tabbed.page.keyboard.type(text);
}

async function send({ page }) {
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

async function invited(to) {
  const access = { type: "organization", role: "member" };
  await must("POST", "/organizations/ext:cloud/invitations", { email: to, access });
  return mailed("invitations", to);
}

async function signedIn(email, password) {
  const answer = await api("POST", "/sessions", { email, password }, null);
  if (answer.status !== 201) throw new Error(`${email} cannot sign in: ${JSON.stringify(answer.body)}`);
  return answer.body.token;
}

// Accepts, with a wrong password first where the address has one already.
async function accept(tabbed, email, known) {
  await tabbed.page.goto(await invited(email));
  await check(tabbed, "Join Cloud");
  await fill(tabbed, "Your name", "Zoë Example");
  if (known) {
    await fill(tabbed, "Password", "something else");
    await send(tabbed);
    await check(tabbed, "Join Cloud");
    if (!(await tabbed.page.locator("[role=alert]").count())) tabbed.found("a wrong password is not told");
    if ((await tabbed.page.inputValue("[name=name]")) !== "Zoë Example") tabbed.found("the name is lost");
    await tab(tabbed, "Your name");
  }
  await fill(tabbed, "Password", PASSWORD);
  await send(tabbed);
  await check(tabbed, "Welcome to Cloud");
  const me = await must("GET", "/me", undefined, await signedIn(email, PASSWORD));
  if (!me.memberships.some((at) => at.organization.name === "Cloud")) tabbed.found("they are no member");
}

async function decline(tabbed, email) {
  const link = await invited(email);
  await tabbed.page.goto(link);
  await tab(tabbed, "Decline");
  await send(tabbed);
  await check(tabbed, "You declined to join Cloud");
  await tabbed.page.goto(link);
  await check(tabbed, "You declined to join Cloud");
}

async function reset(tabbed, email) {
  await must("POST", "/password-resets", { email }, null);
  const link = await mailed("password-resets", email);
  await tabbed.page.goto(link);
  await check(tabbed, "Set a new password");
  // The browser itself keeps too short a one from being sent.
  await fill(tabbed, "Password", "short");
  await tabbed.page.keyboard.press("Enter");
  await fill(tabbed, "Password", `${PASSWORD} new`).catch(() => {});
  await send(tabbed);
  await check(tabbed, "Your password is set");
  await signedIn(email, `${PASSWORD} new`);
  await tabbed.page.goto(link);
  await check(tabbed, "This link holds no more");
}

async function changeAddress(tabbed, email) {
  const session = await signedIn(email, `${PASSWORD} new`);
  await must("POST", "/me/email", { email: `new-${email}` }, session);
  await tabbed.page.goto(await mailed("email-changes", `new-${email}`));
  await check(tabbed, "Confirm your new address");
  await tab(tabbed, "Use this address");
  await send(tabbed);
  await check(tabbed, "Your address is changed");
}

async function nowhere(tabbed) {
  for (const kind of ["invitations", "password-resets", "email-changes"]) {
    await tabbed.page.goto(`${ROSTER}/${kind}/rkl_nothing`);
    await check(tabbed, "This link leads nowhere");
  }
}

(async () => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  try {
    for (const javaScriptEnabled of [true, false]) {
      for (const colorScheme of ["light", "dark"]) {
        const tabbed = await open(browser, { javaScriptEnabled, colorScheme });
        const one = `zoe-${javaScriptEnabled ? "with" : "without"}-${colorScheme}@example.com`;
        await accept(tabbed, one, false);
        await decline(tabbed, `not-${one}`);
        await must("DELETE", `/organizations/ext:cloud/members/${(await must("GET", `/users?q=${one}`)).data[0].id}`);
        await accept(tabbed, one, true);
        await reset(tabbed, one);
        await changeAddress(tabbed, one);
        await nowhere(tabbed);
        await tabbed.context.close();
      }
    }
  } finally {
    await browser.close();
  }
  for (const finding of [...new Set(findings)]) console.error(finding);
  if (findings.length) process.exit(1);
  console.log(`${checked} pages were looked at, and nothing was found.`);
})().catch((error) => {
  for (const finding of findings) console.error(finding);
  console.error(error);
  process.exit(1);
});
