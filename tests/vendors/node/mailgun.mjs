// mailgun.js: the calls of Mailgun's door.
import assert from "node:assert/strict";
import FormData from "form-data";
import Mailgun from "mailgun.js";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, rejected, step, unsupported, untilLimited } from "./steps.mjs";

const connect = (key) => new Mailgun(FormData).client({ username: "api", key, url: `${GIVEN.url}/compat/mailgun` });
const client = connect(GIVEN.key);
const build = (name, more = {}) => ({
  from: `Demo <${GIVEN.sender}>`, to: [address(name)], subject: `Subject of ${name}`, html: "<p>It works.</p>", ...more,
});
const send = (name, more) => client.messages.create(GIVEN.domain, build(name, more));

await step("send", "POST /v3/{domain}/messages", async () => {
  const answer = await send("send", {
    text: "It works.", "h:Reply-To": "answers@example.test", "h:X-Shop": "yes", "v:order": "7", "o:tag": ["receipt"],
    "o:tracking": "no",
  });
  assert.deepEqual([answer.status, answer.message], [200, "Queued. Thank you."]);
  const headers = Object.fromEntries((await arrived(address("send"))).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.equal(headers["message-id"], answer.id);
  assert.deepEqual([headers["x-shop"], headers["reply-to"]], ["yes", "answers@example.test"]);
});

await step("files", "POST /v3/{domain}/messages", async () => {
  await send("files", {
    html: '<img src="cid:logo.png">',
    attachment: { filename: "a.pdf", data: PDF },
    inline: [{ filename: "logo.png", data: PNG }],
  });
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"], "logo.png");
});

await step("batch", "POST /v3/{domain}/messages", async () => {
  await send("one", {
    to: [address("one"), address("two")], subject: "Hello %recipient.name%",
    "recipient-variables": JSON.stringify({ [address("one")]: { name: "One" }, [address("two")]: { name: "Two" } }),
  });
  assert.equal((await arrived(address("two"))).subject, "Hello Two");
});

await step("template", "POST /v3/{domain}/messages", async () => {
  const { html, ...rest } = build("template");
  await client.messages.create(GIVEN.domain, {
    ...rest, subject: "Welcome", template: GIVEN.template, "t:variables": JSON.stringify({ name: "Jo" }),
  });
  assert.ok((await arrived(address("template"))).html.includes("Hello Jo"));
});

await step("mime", "POST /v3/{domain}/messages.mime", async () => {
  const to = address("mime");
  const message = `From: ${GIVEN.sender}\r\nTo: ${to}\r\nSubject: Whole\r\nContent-Type: text/plain\r\n\r\nIt works.\r\n`;
  await client.messages.create(GIVEN.domain, { to: [to], message });
  assert.equal((await arrived(to)).subject, "Whole");
});

await step("suppression", "GET, POST /v3/{domain}/bounces, …/unsubscribes, …/complaints", async () => {
  await client.suppressions.create(GIVEN.domain, "bounces", [{ address: address("gone"), error: "No such user" }]);
  const page = await client.suppressions.list(GIVEN.domain, "bounces", { limit: 100 });
  assert.ok(page.items.some((item) => item.address === address("gone")));
});

await step("suppression", "GET, DELETE of an address there", async () => {
  const item = await client.suppressions.get(GIVEN.domain, "bounces", address("gone"));
  assert.equal(item.error, "No such user");
  await client.suppressions.destroy(GIVEN.domain, "bounces", address("gone"));
  const error = await rejected(() => client.suppressions.get(GIVEN.domain, "bounces", address("gone")));
  assert.equal(error.status, 404);
});

await unsupported("other", "everything else", "", async () => {
  const error = await rejected(() => client.domains.list());
  assert.equal(error.status, 404);
  assert.ok(error.details.includes("not served here"), error.details);
});

await step("error", "POST /v3/{domain}/messages", async () => {
  const error = await rejected(() => send("error", { to: ["nobody"] }));
  assert.equal(error.status, 400);
  assert.ok(error.details.includes("to[0]"), error.details);
  const other = await rejected(() => connect("wrong").messages.create(GIVEN.domain, build("error")));
  assert.equal(other.status, 401);
  const domain = await rejected(() => client.messages.create("elsewhere.example", build("error")));
  assert.equal(domain.status, 404);
});

await step("rate limit", "POST /v3/{domain}/messages", async () => {
  const low = connect(GIVEN.low_key);
  const error = await untilLimited(() => low.messages.create(GIVEN.domain, build("limit")));
  assert.equal(error.status, 429);
});
